#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/access.h"

#define TELL_BYTES  (1u << 20)  /* between two words to `progress` */
#define FLUSH_BYTES (32u << 20) /* that the disk is given at once */

/* ---- reading ---- */

static enum ob_err size_of(int fd, const char *path, size_t bytes_max, size_t *ret_bytes,
                           struct ob_error *error) {
    struct stat info;
    if (fstat(fd, &info) != 0)
        return ob_access_fail_writing(error, path, "cannot get its size", errno);
    if (!S_ISREG(info.st_mode))
        return ob_fail(error, OB_EFORMAT, "%s: not a regular file", path);
    if ((uint64_t)info.st_size > bytes_max)
        return ob_fail(error, OB_ETOOBIG, "%s: has %lld bytes; the maximum is %zu", path,
                       (long long)info.st_size, bytes_max);
    *ret_bytes = (size_t)info.st_size;
    return OB_OK;
}

static enum ob_err read_all(int fd, const char *path, char *data, size_t bytes, struct ob_error *error) {
    for (size_t used = 0; used < bytes;) {
        ssize_t got = read(fd, data + used, bytes - used);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return ob_access_fail_writing(error, path, "cannot read", errno);
        if (got == 0)
            return ob_fail(error, OB_EIO, "%s: shrank while it was being read", path);
        used += (size_t)got;
    }
    return OB_OK;
}

enum ob_err ob_file_read(const char *path, size_t bytes_max, char **ret_data, size_t *ret_bytes,
                         struct ob_error *error) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe without a writer does not hold us up */
    if (fd < 0)
        return ob_access_fail(error, path, "cannot open", errno);
    char *data = NULL;
    size_t bytes = 0;
    enum ob_err failed = size_of(fd, path, bytes_max, &bytes, error);
    if (!failed && !(data = malloc(bytes + 1)))
        failed = ob_fail(error, OB_ENOMEM, "%s: not enough memory for %zu bytes", path, bytes);
    if (!failed)
        failed = read_all(fd, path, data, bytes, error);
    close(fd);
    if (failed) {
        free(data);
        return failed;
    }
    data[bytes] = 0;
    *ret_data = data;
    *ret_bytes = bytes;
    return OB_OK;
}

/* ---- writing ---- */

static int write_all(int fd, const char *data, size_t bytes) {
    while (bytes > 0) {
        ssize_t done = write(fd, data, bytes);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return -1;
        data += done;
        bytes -= (size_t)done;
    }
    return fsync(fd);
}

enum ob_err ob_file_write_new(const char *path, const void *data, size_t bytes, unsigned mode,
                              struct ob_error *error) {
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, (mode_t)mode);
    if (fd < 0 && errno == EEXIST)
        return ob_fail(error, OB_EBUSY, "%s: already exists; choose another name or remove it", path);
    if (fd < 0)
        return ob_access_fail_writing(error, path, "cannot create", errno);
    int failed = write_all(fd, data, bytes);
    int why = errno;
    if (close(fd) != 0 && !failed) {
        failed = -1;
        why = errno;
    }
    if (!failed)
        return OB_OK;
    unlink(path);
    return ob_access_fail_writing(error, path, "cannot write", why);
}

enum ob_err ob_file_sync_folder(const char *path, struct ob_error *error) {
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int failed = fd < 0 ? -1 : fsync(fd);
    int why = errno;
    if (fd >= 0)
        close(fd);
    return failed ? ob_access_fail_writing(error, path, "cannot sync", why) : OB_OK;
}

enum ob_err ob_file_make_folder(const char *path, unsigned mode, struct ob_error *error) {
    struct stat info;
    if (mkdir(path, (mode_t)mode) == 0)
        return OB_OK;
    int why = errno;
    if (why == EEXIST && stat(path, &info) == 0 && S_ISDIR(info.st_mode))
        return OB_OK;
    return ob_access_fail_writing(error, path, "cannot create the folder", why);
}

/* ---- output ---- */

enum ob_err ob_output_open(struct ob_output *output, const char *folder, const char *name,
                           struct ob_error *error) {
    *output = (struct ob_output){.error = error};
    enum ob_err failed = ob_path_join(output->final, folder, name, error);
    if (!failed)
        failed = ob_path_append(output->temporary, output->final, ".part", error);
    if (failed)
        return failed;
    output->file = fopen(output->temporary, "wxe");
    return output->file ? OB_OK : ob_access_fail_writing(error, output->temporary, "cannot create", errno);
}

/* A process that waits in fsync() cannot be ended. So the disk gets what is written piece by piece, at most two pieces behind, and
 * nothing large is left for the end. What a file system does not know of this, the end does. */
static void flush_behind(struct ob_output *output) {
    static const unsigned ALL =
        SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;
    int fd = fileno(output->file);
    off_t end = (off_t)(output->written / FLUSH_BYTES * FLUSH_BYTES);
    int failed = sync_file_range(fd, end - FLUSH_BYTES, FLUSH_BYTES, SYNC_FILE_RANGE_WRITE);
    if (!failed && end >= 2 * (off_t)FLUSH_BYTES)
        failed = sync_file_range(fd, end - 2 * (off_t)FLUSH_BYTES, FLUSH_BYTES, ALL);
    if (failed && (errno == EIO || errno == ENOSPC || errno == EDQUOT))
        output->failed = ob_access_fail_writing(output->error, output->final, "cannot write", errno);
}

void ob_output_write(struct ob_output *output, const void *data, size_t bytes) {
    if (output->failed || bytes == 0)
        return;
    if (fwrite(data, 1, bytes, output->file) != bytes)
        output->failed = ob_access_fail_writing(output->error, output->final, "cannot write", errno);
    uint64_t before = output->written;
    output->written += bytes;
    if (!output->failed && before / FLUSH_BYTES != output->written / FLUSH_BYTES)
        flush_behind(output);
    uint64_t size = output->written > output->size ? output->written : output->size;
    if (!output->failed && before / TELL_BYTES != output->written / TELL_BYTES)
        output->failed = ob_progress_tell(output->progress, "writing", output->written, size, output->error);
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
    return failed ? failed : ob_access_fail_writing(output->error, output->final, "cannot write", why);
}
