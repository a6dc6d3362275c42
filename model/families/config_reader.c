#include "model/families/config_reader.h"

#include <stdarg.h>
#include <stdio.h>

void ob_config_fail(struct ob_config_reader *reader, enum ob_err code, const char *format, ...) {
    char text[OB_ERROR_TEXT_MAX];
    va_list arguments;
    if (reader->failed)
        return;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    reader->failed = ob_fail(reader->error, code, "%s: %s", reader->path, text);
}

bool ob_config_is_set(const struct ob_config_reader *reader, const char *key) {
    const json_t *value = json_object_get(reader->root, key);
    return value && !json_is_null(value);
}

bool ob_config_is_null(const struct ob_config_reader *reader, const char *key) {
    return json_is_null(json_object_get(reader->root, key));
}

static uint32_t read_size(struct ob_config_reader *reader, const char *key, uint32_t low, uint32_t high) {
    const json_t *value = json_object_get(reader->root, key);
    json_int_t number = json_integer_value(value);
    if (json_is_integer(value) && number >= (json_int_t)low && number <= (json_int_t)high)
        return (uint32_t)number;
    ob_config_fail(reader, OB_EFORMAT, "key \"%s\" is %s, expected %u to %u", key,
                   value ? "out of range or no whole number" : "missing", low, high);
    return 1;
}

uint32_t ob_config_size(struct ob_config_reader *reader, const char *key, uint32_t high, int64_t fallback) {
    if (fallback >= 0 && !ob_config_is_set(reader, key))
        return (uint32_t)fallback;
    return read_size(reader, key, 1, high);
}

uint32_t ob_config_size_from_zero(struct ob_config_reader *reader, const char *key, uint32_t high) {
    return read_size(reader, key, 0, high);
}

double ob_config_real(struct ob_config_reader *reader, const char *key, double low, double high,
                      double fallback) {
    const json_t *value = json_object_get(reader->root, key);
    if (!value || json_is_null(value))
        return fallback;
    double number = json_number_value(value);
    if (json_is_number(value) && number >= low && number <= high)
        return number;
    ob_config_fail(reader, OB_EFORMAT, "key \"%s\" is not a number from %g to %g", key, low, high);
    return fallback;
}

bool ob_config_bool(struct ob_config_reader *reader, const char *key, bool fallback) {
    const json_t *value = json_object_get(reader->root, key);
    if (!value || json_is_null(value))
        return fallback;
    if (!json_is_boolean(value))
        ob_config_fail(reader, OB_EFORMAT, "key \"%s\" is not true or false", key);
    return json_is_true(value);
}

int32_t ob_config_token(struct ob_config_reader *reader, const char *key) {
    const json_t *value = json_object_get(reader->root, key);
    if (json_is_array(value))
        value = json_array_get(value, 0);
    json_int_t number = json_integer_value(value);
    return json_is_integer(value) && number >= 0 && number < INT32_MAX ? (int32_t)number : -1;
}

const char *ob_config_text(struct ob_config_reader *reader, const char *key) {
    return json_string_value(json_object_get(reader->root, key));
}

void ob_config_refuse_true(struct ob_config_reader *reader, const char *key) {
    if (ob_config_bool(reader, key, false))
        ob_config_fail(reader, OB_EUNSUPPORTED, "\"%s\": true is not supported", key);
}

void ob_config_refuse_false(struct ob_config_reader *reader, const char *key) {
    if (!ob_config_bool(reader, key, true))
        ob_config_fail(reader, OB_EUNSUPPORTED, "\"%s\": false is not supported", key);
}
