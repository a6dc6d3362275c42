#include "run/last_start.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/access.h"
#include "base/file.h"

#define FILE_NAME "start"
#define HEAD      "onebyte-start-1\n"
#define TEXT_MAX  (sizeof HEAD + 2 * OB_PATH_MAX + 32)

static enum ob_err make_absolute(const char *path, char ret_path[static OB_PATH_MAX],
                                 struct ob_error *error) {
    char *absolute = realpath(path, NULL);
    if (!absolute)
        return ob_access_fail(error, path, "cannot find", errno);
    size_t bytes = strlen(absolute);
    bool good = bytes < OB_PATH_MAX && !strchr(absolute, '\n');
    if (good)
        memcpy(ret_path, absolute, bytes + 1);
    free(absolute);
    return good ? OB_OK : ob_fail(error, OB_EUSAGE, "%s: the path is too long or contains a newline", path);
}

enum ob_err ob_last_start_write(const char *state_dir, const char *manifest, const char *model,
                                struct ob_error *error) {
    struct ob_last_start start;
    struct ob_output output;
    char text[TEXT_MAX];
    enum ob_err failed = make_absolute(manifest, start.manifest, error);
    if (!failed)
        failed = make_absolute(model, start.model, error);
    if (!failed)
        failed = ob_output_open(&output, state_dir, FILE_NAME, error);
    if (failed)
        return failed;
    int bytes = snprintf(text, sizeof text, HEAD "manifest %s\nmodel %s\n", start.manifest, start.model);
    ob_output_write(&output, text, (size_t)bytes);
    return ob_output_close(&output, OB_OK);
}

/* The line "KEY PATH" at *at, which moves behind it; false: it is another. */
static bool take_line(const char **at, const char *key, char ret_path[static OB_PATH_MAX]) {
    size_t key_bytes = strlen(key);
    const char *path = *at + key_bytes, *end = strchr(*at, '\n');
    if (strncmp(*at, key, key_bytes) != 0 || !end || end - path >= OB_PATH_MAX || path[0] != '/')
        return false;
    memcpy(ret_path, path, (size_t)(end - path));
    ret_path[end - path] = 0;
    *at = end + 1;
    return true;
}

enum ob_err ob_last_start_parse(const char *name, const char *text, size_t bytes,
                                struct ob_last_start *ret_start, struct ob_error *error) {
    struct ob_last_start start;
    const char *at = text + sizeof HEAD - 1;
    if (strlen(text) != bytes || strncmp(text, HEAD, sizeof HEAD - 1) != 0 ||
        !take_line(&at, "manifest ", start.manifest) || !take_line(&at, "model ", start.model) || *at != 0)
        return ob_fail(error, OB_EFORMAT, "%s: is damaged; the next start of the daemon writes it again",
                       name);
    *ret_start = start;
    return OB_OK;
}

enum ob_err ob_last_start_read(const char *state_dir, struct ob_last_start *ret_start,
                               struct ob_error *error) {
    char path[OB_PATH_MAX], *text = NULL;
    size_t bytes = 0;
    enum ob_err failed = ob_path_join(path, state_dir, FILE_NAME, error);
    if (!failed)
        failed = ob_file_read(path, TEXT_MAX, &text, &bytes, error);
    if (!failed)
        failed = ob_last_start_parse(path, text, bytes, ret_start, error);
    free(text);
    return failed;
}
