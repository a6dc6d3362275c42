#include "base/path.h"

#include <string.h>

static enum ob_err put_together(char ret_path[static OB_PATH_MAX], const char *start, const char *between,
                                const char *end, struct ob_error *error) {
    size_t first = strlen(start), second = strlen(between), third = strlen(end);
    if (first >= OB_PATH_MAX || third >= OB_PATH_MAX || first + second + third >= OB_PATH_MAX)
        return ob_fail(error, OB_EUSAGE, "%.60s...: the path is too long, at most %d bytes", start,
                       OB_PATH_MAX - 1);
    memcpy(ret_path, start, first);
    memcpy(ret_path + first, between, second);
    memcpy(ret_path + first + second, end, third + 1);
    return OB_OK;
}

enum ob_err ob_path_join(char ret_path[static OB_PATH_MAX], const char *folder, const char *name,
                         struct ob_error *error) {
    return put_together(ret_path, folder, "/", name, error);
}

enum ob_err ob_path_append(char ret_path[static OB_PATH_MAX], const char *path, const char *ending,
                           struct ob_error *error) {
    return put_together(ret_path, path, "", ending, error);
}
