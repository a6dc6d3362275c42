#include "run/model_parts.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hex.h"

#define HEAD       "onebyte-model-1\n"
#define HEAD_BYTES (sizeof HEAD - 1)
#define DIGITS     (2 * OB_HASH_BYTES)
#define LINE_MAX_  (DIGITS + 1 + 20 + 1 + 127 + 1)

static_assert(HEAD_BYTES + OB_MODEL_PARTS_MAX * LINE_MAX_ < OB_MODEL_PARTS_BYTES_MAX,
              "the longest list fits");

bool ob_model_parts_good_name(const char *file) {
    static const char GOOD[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    size_t length = strspn(file, GOOD);
    return length >= 1 && length <= 127 && !file[length] && file[0] != '.';
}

/* One line, NUL-terminated, without its newline. */
static bool parse_line(const char *line, struct ob_model_part *ret_part) {
    if (strlen(line) < DIGITS + 4)
        return false;
    char digits[DIGITS + 1];
    memcpy(digits, line, DIGITS);
    digits[DIGITS] = 0;
    if (strpbrk(digits, "ABCDEF") || !ob_hex_decode(digits, OB_HASH_BYTES, ret_part->name.bytes))
        return false;
    const char *at = line + DIGITS;
    if (*at++ != ' ' || *at < '1' || *at > '9')
        return false;
    size_t length = strspn(at, "0123456789");
    if (length > 15 || at[length] != ' ' || !ob_model_parts_good_name(at + length + 1))
        return false;
    ret_part->bytes = strtoull(at, NULL, 10);
    memcpy(ret_part->file, at + length + 1, strlen(at + length + 1) + 1);
    return ret_part->bytes <= OB_MODEL_PART_BYTES_MAX;
}

static bool is_there(const struct ob_model_parts *parts, const char *file) {
    for (size_t i = 0; i < parts->count; i++)
        if (strcmp(parts->parts[i].file, file) == 0)
            return true;
    return false;
}

enum ob_err ob_model_parts_parse(const char *name, const char *text, size_t bytes,
                                 struct ob_model_parts *ret_parts, struct ob_error *error) {
    char line[LINE_MAX_ + 1];
    ret_parts->count = 0;
    if (bytes > OB_MODEL_PARTS_BYTES_MAX || bytes < HEAD_BYTES || memcmp(text, HEAD, HEAD_BYTES) != 0)
        return ob_fail(error, OB_EFORMAT, "%s: not a list of a model's files", name);
    for (size_t at = HEAD_BYTES; at < bytes;) {
        const char *end = memchr(text + at, '\n', bytes - at);
        size_t length = end ? (size_t)(end - text) - at : 0;
        if (!end || length >= sizeof line || memchr(text + at, 0, length))
            return ob_fail(error, OB_EFORMAT, "%s: line %zu is malformed", name, ret_parts->count + 2);
        memcpy(line, text + at, length);
        line[length] = 0;
        struct ob_model_part part;
        if (ret_parts->count == OB_MODEL_PARTS_MAX || !parse_line(line, &part) ||
            is_there(ret_parts, part.file))
            return ob_fail(error, OB_EFORMAT, "%s: line %zu is malformed", name, ret_parts->count + 2);
        ret_parts->parts[ret_parts->count++] = part;
        at += length + 1;
    }
    return ret_parts->count > 0 ? OB_OK : ob_fail(error, OB_EFORMAT, "%s: names no file", name);
}

size_t ob_model_parts_write(const struct ob_model_parts *parts, char *ret_text) {
    size_t used = HEAD_BYTES;
    memcpy(ret_text, HEAD, HEAD_BYTES + 1);
    for (size_t i = 0; i < parts->count; i++) {
        char name[DIGITS + 1];
        ob_hex_encode(parts->parts[i].name.bytes, OB_HASH_BYTES, name);
        int length = snprintf(ret_text + used, OB_MODEL_PARTS_BYTES_MAX - used, "%s %" PRIu64 " %s\n", name,
                              parts->parts[i].bytes, parts->parts[i].file);
        assert(length > 0 && (size_t)length < OB_MODEL_PARTS_BYTES_MAX - used);
        used += (size_t)length;
    }
    return used;
}
