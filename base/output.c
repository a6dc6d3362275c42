#include "base/output.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum ob_err ob_output_open(struct ob_output *output, const char *folder, const char *name,
                           struct ob_error *error) {
    *output = (struct ob_output){.error = error};
    if (snprintf(output->final, sizeof output->final, "%s/%s", folder, name) >= OB_OUTPUT_PATH_MAX - 8)
        return ob_fail(error, OB_EUSAGE, "%.60s...: the name is too long", folder);
    (void)snprintf(output->temporary, sizeof output->temporary, "%.4080s.part", output->final);
    output->file = fopen(output->temporary, "wxe");
    if (!output->file)
        return ob_fail(error, OB_EIO, "%s: cannot create: %s", output->temporary, strerror(errno));
    return OB_OK;
}

void ob_output_write(struct ob_output *output, const void *data, size_t bytes) {
    if (output->failed || bytes == 0)
        return;
    if (fwrite(data, 1, bytes, output->file) != bytes)
        output->failed =
            ob_fail(output->error, OB_EIO, "%s: cannot write: %s", output->final, strerror(errno));
    output->written += bytes;
}

void ob_output_pad(struct ob_output *output, uint64_t alignment) {
    static const uint8_t ZEROS[64];
    while (output->written % alignment != 0 && !output->failed) {
        uint64_t missing = alignment - output->written % alignment;
        ob_output_write(output, ZEROS, missing < sizeof ZEROS ? (size_t)missing : sizeof ZEROS);
    }
}

enum ob_err ob_output_close(struct ob_output *output, enum ob_err failed) {
    failed = failed ? failed : output->failed;
    bool good = !failed && fflush(output->file) == 0 && fsync(fileno(output->file)) == 0;
    int why = errno;
    if (fclose(output->file) != 0 && good) {
        good = false;
        why = errno;
    }
    if (good && rename(output->temporary, output->final) == 0)
        return OB_OK;
    if (good)
        why = errno;
    unlink(output->temporary);
    return failed ? failed
                  : ob_fail(output->error, OB_EIO, "%s: cannot write: %s", output->final, strerror(why));
}
