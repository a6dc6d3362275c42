#include "model/formats/json_writer.h"

#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "model/formats/json_reader.h"

static void put_value(FILE *out, const json_t *value, int depth);

/* Bytes of a lenient string: UTF-8, but for surrogates in three bytes. */
static void put_string(FILE *out, const char *string, size_t bytes) {
    const unsigned char *at = (const unsigned char *)string, *end = at + bytes;
    (void)fputc('"', out);
    for (; at < end; at++) {
        bool is_surrogate = *at == 0xed && end - at >= 3 && at[1] >= 0xa0;
        if (is_surrogate) {
            (void)fprintf(out, "\\u%04x", 0xd000u | (at[1] & 0x3fu) << 6 | (at[2] & 0x3fu));
            at += 2;
        } else if (*at == '"' || *at == '\\') {
            (void)fprintf(out, "\\%c", *at);
        } else if (*at < 0x20) {
            (void)fprintf(out, "\\u%04x", *at);
        } else {
            (void)fputc(*at, out);
        }
    }
    (void)fputc('"', out);
}

/* The shortest of "%.15g" to "%.17g" that is the same number, and reads as a real. */
static void put_real(FILE *out, double value) {
    char text[40];
    for (int digits = 15; digits <= 17; digits++) {
        (void)snprintf(text, sizeof text, "%.*g", digits, value);
        double again = strtod(text, NULL);
        if (!(again < value) && !(again > value))
            break;
    }
    bool is_integer = true;
    for (const char *c = text; *c; c++)
        is_integer = is_integer && *c != '.' && *c != 'e';
    (void)fprintf(out, "%s%s", text, is_integer ? ".0" : "");
}

static void put_scalar(FILE *out, const json_t *value) {
    if (json_is_string(value))
        put_string(out, json_string_value(value), json_string_length(value));
    else if (json_is_integer(value))
        (void)fprintf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    else if (json_is_real(value))
        put_real(out, json_real_value(value));
    else if (json_is_boolean(value) || json_is_null(value))
        (void)fputs(json_is_null(value) ? "null" : json_is_true(value) ? "true" : "false", out);
    else
        (void)fputs(isnan(ob_json_beyond(value)) ? "NaN"
                    : ob_json_beyond(value) > 0  ? "Infinity"
                                                 : "-Infinity",
                    out);
}

static void put_line(FILE *out, int depth, bool is_first) {
    (void)fprintf(out, "%s\n%*s", is_first ? "" : ",", depth, "");
}

static void put_object(FILE *out, json_t *object, int depth) {
    const char *key;
    size_t bytes;
    json_t *value;
    bool is_first = true;
    (void)fputc('{', out);
    json_object_keylen_foreach(object, key, bytes, value) {
        put_line(out, depth + 1, is_first);
        put_string(out, key, bytes);
        (void)fputs(": ", out);
        put_value(out, value, depth + 1);
        is_first = false;
    }
    if (!is_first)
        (void)fprintf(out, "\n%*s", depth, "");
    (void)fputc('}', out);
}

static void put_array(FILE *out, const json_t *array, int depth) {
    (void)fputc('[', out);
    for (size_t i = 0; i < json_array_size(array); i++) {
        put_line(out, depth + 1, i == 0);
        put_value(out, json_array_get(array, i), depth + 1);
    }
    if (json_array_size(array) > 0)
        (void)fprintf(out, "\n%*s", depth, "");
    (void)fputc(']', out);
}

static void put_value(FILE *out, const json_t *value, int depth) {
    if (json_is_object(value))
        put_object(out, (json_t *)value, depth);
    else if (json_is_array(value))
        put_array(out, value, depth);
    else
        put_scalar(out, value);
}

char *ob_json_write(const json_t *root) {
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    if (out == NULL)
        return NULL;
    put_value(out, root, 0);
    bool failed = ferror(out) != 0;
    if (fclose(out) == 0 && !failed)
        return text;
    free(text);
    return NULL;
}
