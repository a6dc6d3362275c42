#include "cli/hosts.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static const char GOOD[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-:@%[]";

static bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\r';
}

static bool good_name(const char *name, size_t bytes) {
    for (size_t i = 0; i < bytes; i++)
        if (!name[i] || !strchr(GOOD, name[i]) || (name[i] == '-' && (i == 0 || name[i - 1] == '@')))
            return false;
    return name[0] != '@' && name[bytes - 1] != '@';
}

static enum ob_err add(struct ob_host_list *hosts, const char *name, size_t bytes, size_t line,
                       struct ob_error *error) {
    if (bytes >= OB_HOST_TEXT_MAX || !good_name(name, bytes))
        return ob_fail(error, OB_EFORMAT,
                       "line %zu is no host: write HOST or USER@HOST, of letters, digits and . _ - : @ %% [ "
                       "], not beginning with '-'",
                       line);
    if (hosts->count == OB_HOSTS_MAX)
        return ob_fail(error, OB_ETOOBIG, "line %zu: more than %d hosts; divide them among several files",
                       line, OB_HOSTS_MAX);
    for (size_t i = 0; i < hosts->count; i++)
        if (strlen(hosts->names[i]) == bytes && memcmp(hosts->names[i], name, bytes) == 0)
            return ob_fail(error, OB_EFORMAT, "line %zu: %s is there twice", line, hosts->names[i]);
    memcpy(hosts->names[hosts->count], name, bytes);
    hosts->names[hosts->count++][bytes] = 0;
    return OB_OK;
}

enum ob_err ob_cli_hosts_parse(const char *text, size_t bytes, struct ob_host_list *ret_hosts,
                               struct ob_error *error) {
    const char *at = text, *end = text + bytes;
    ret_hosts->count = 0;
    for (size_t line = 1; at < end; line++) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        const char *next = newline ? newline + 1 : end, *stop = newline ? newline : end;
        const char *comment = memchr(at, '#', (size_t)(stop - at));
        stop = comment ? comment : stop;
        while (at < stop && is_space(*at))
            at++;
        while (stop > at && is_space(stop[-1]))
            stop--;
        enum ob_err failed = stop > at ? add(ret_hosts, at, (size_t)(stop - at), line, error) : OB_OK;
        if (failed)
            return failed;
        at = next;
    }
    return ret_hosts->count > 0 ? OB_OK : ob_fail(error, OB_EFORMAT, "names no host");
}

enum ob_err ob_cli_hosts_read(const char *path, struct ob_host_list *ret_hosts, struct ob_error *error) {
    char *text = NULL;
    size_t bytes = 0;
    struct ob_error inner = {0};
    enum ob_err failed = ob_file_read(path, OB_HOSTS_FILE_MAX, &text, &bytes, error);
    if (failed)
        return failed;
    failed = ob_cli_hosts_parse(text, bytes, ret_hosts, &inner);
    free(text);
    return failed ? ob_fail(error, failed, "%.200s: %.250s", path, inner.text) : OB_OK;
}
