#include "model/formats/json_value.h"

#include <math.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "base/hex.h"

json_t *ob_json_real(double value) {
    return isfinite(value) ? json_real(value) : json_null();
}

static json_t *escaped(const char *text, size_t bytes) {
    char *copy = malloc(4 * bytes + 1), *to = copy;
    if (!copy)
        return NULL;
    for (size_t at = 0; at < bytes;) {
        utf8proc_int32_t character;
        utf8proc_ssize_t length =
            utf8proc_iterate((const utf8proc_uint8_t *)text + at, (utf8proc_ssize_t)(bytes - at), &character);
        if (length > 0) {
            memcpy(to, text + at, (size_t)length);
            to += length;
            at += (size_t)length;
        } else {
            to += sprintf(to, "\\x%02x", (unsigned char)text[at++]);
        }
    }
    json_t *json = json_stringn(copy, (size_t)(to - copy));
    free(copy);
    return json;
}

json_t *ob_json_text(const char *text) {
    if (!text)
        return json_null();
    json_t *json = json_string(text); /* NULL when it is not UTF-8 */
    return json ? json : escaped(text, strlen(text));
}

json_t *ob_json_hex(const uint8_t *data, size_t bytes) {
    char *text = malloc(2 * bytes + 1);
    if (!text)
        return NULL;
    json_t *json = json_string(ob_hex_encode(data, bytes, text));
    free(text);
    return json;
}

json_t *ob_json_hex_or_null(const uint8_t data[32]) {
    return sodium_is_zero(data, 32) ? json_null() : ob_json_hex(data, 32);
}

bool ob_json_set(json_t *root, const char *path, json_t *value) {
    const char *dot;
    for (; value && (dot = strchr(path, '.')); path = dot + 1) {
        size_t bytes = (size_t)(dot - path);
        json_t *child = json_object_getn(root, path, bytes);
        if (!child && json_object_setn_new(root, path, bytes, child = json_object()) != 0) {
            json_decref(value);
            return false;
        }
        root = child;
    }
    return json_object_set_new(root, path, value) == 0; /* refuses NULL */
}

bool ob_json_print(json_t *root, FILE *to) {
    bool done =
        root && json_dumpf(root, to, JSON_COMPACT | JSON_REAL_PRECISION(7)) == 0 && putc('\n', to) != EOF;
    json_decref(root);
    return done;
}
