#include "tests/support/json.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Noreturn void give_up(const char *what, const char *where) {
    (void)fprintf(stderr, "test: %s: %s\n", where, what);
    abort();
}

json_t *test_json_read(const char *path) {
    json_error_t error;
    json_t *root = json_load_file(path, JSON_ALLOW_NUL, &error);
    if (!root)
        give_up(error.text, path);
    return root;
}

json_t *test_json_parse(const char *text) {
    json_error_t error;
    json_t *root = json_loads(text, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    if (!root)
        give_up(error.text, text);
    return root;
}

void test_json_write(const char *path, json_t *root) {
    if (!root || json_dump_file(root, path, 0) != 0)
        give_up("cannot be written", path);
    json_decref(root);
}

char *test_json_text(json_t *root, size_t *ret_bytes) {
    char *text = root ? json_dumps(root, 0) : NULL;
    if (!text)
        give_up("no memory", "JSON");
    json_decref(root);
    if (ret_bytes)
        *ret_bytes = strlen(text);
    return text;
}

static json_t *member(json_t *at, const char *key) {
    return isdigit((unsigned char)key[0]) ? json_array_get(at, strtoul(key, NULL, 10))
                                          : json_object_get(at, key);
}

static int put(json_t *at, const char *key, json_t *value) {
    if (!isdigit((unsigned char)key[0]))
        return value ? json_object_set_new(at, key, value) : json_object_del(at, key);
    size_t index = strtoul(key, NULL, 10);
    if (!value)
        return json_array_remove(at, index);
    return index == json_array_size(at) ? json_array_append_new(at, value)
                                        : json_array_set_new(at, index, value);
}

void test_json_put(json_t *root, const char *path, const char *value) {
    char keys[256], *rest = keys, *dot;
    json_t *at = root;
    if (strlen(path) >= sizeof keys)
        give_up("is too long", path);
    memcpy(keys, path, strlen(path) + 1);
    for (; at && (dot = strchr(rest, '.')); rest = dot + 1) {
        *dot = 0;
        at = member(at, rest);
    }
    if (!at || put(at, rest, value ? test_json_parse(value) : NULL) != 0)
        give_up("there is no such place", path);
}
