#include "model/formats/json_reader.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/limits.h"

struct reader {
    const char *at, *end, *text;
    bool strict, is_line;
    size_t depth, values;
    char *scratch; /* of the string or number being read */
    size_t scratch_bytes, scratch_max;
    enum ob_err failed;
    struct ob_error *error;
};

/* What no json_t can hold. They have the count of a constant, which Jansson neither changes nor frees. */
static json_t *beyond(double value) {
    static const json_t NOT_A_NUMBER = {.type = (json_type)-1, .refcount = (size_t)-1},
                        INFINITE = {.type = (json_type)-2, .refcount = (size_t)-1},
                        NEGATIVE = {.type = (json_type)-3, .refcount = (size_t)-1};
    return (json_t *)(isnan(value) ? &NOT_A_NUMBER : value > 0 ? &INFINITE : &NEGATIVE);
}

double ob_json_beyond(const json_t *value) {
    int type = (int)json_typeof(value);
    return type == -2 ? INFINITY : type == -3 ? -INFINITY : NAN;
}

/* ---- messages ---- */

static bool is_continuation(char byte) {
    return ((unsigned char)byte & 0xc0) == 0x80;
}

static json_t *fail_at(struct reader *r, const char *at, enum ob_err code, const char *what) {
    size_t line = 1, column = 1;
    for (const char *c = r->text; c < at; c++) {
        column = *c == '\n' ? 1 : column + !is_continuation(*c);
        line += *c == '\n';
    }
    if (r->failed == OB_OK)
        r->failed = r->is_line ? ob_fail(r->error, code, "column %zu: %s", column, what)
                               : ob_fail(r->error, code, "line %zu, column %zu: %s", line, column, what);
    return NULL;
}

static json_t *fail(struct reader *r, const char *what) {
    return fail_at(r, r->at, OB_EFORMAT, r->at == r->end ? "the text ends too early" : what);
}

static json_t *no_memory(struct reader *r) {
    return fail_at(r, r->at, OB_ENOMEM, "not enough memory");
}

/* Passes the ownership of a new value on; NULL is out of memory. */
static json_t *new_value(struct reader *r, json_t *value) {
    return value != NULL ? value : no_memory(r);
}

/* ---- tokens ---- */

static void skip_space(struct reader *r) {
    while (r->at < r->end && (*r->at == ' ' || *r->at == '\n' || *r->at == '\r' || *r->at == '\t'))
        r->at++;
}

static bool take(struct reader *r, const char *word) {
    size_t bytes = strlen(word);
    if ((size_t)(r->end - r->at) < bytes || memcmp(r->at, word, bytes) != 0)
        return false;
    r->at += bytes;
    return true;
}

static bool keep(struct reader *r, const char *data, size_t bytes) {
    if (!ob_array_reserve(&r->scratch, r->scratch_bytes, bytes, 1, &r->scratch_max)) {
        (void)no_memory(r);
        return false;
    }
    memcpy(r->scratch + r->scratch_bytes, data, bytes);
    r->scratch_bytes += bytes;
    return true;
}

/* ---- strings ---- */

/* The bytes of the UTF-8 sequence at `at` (RFC 3629: shortest form, no surrogates, up to U+10FFFF), or 0. */
static size_t sequence_bytes(const char *at, const char *end) {
    const unsigned char *b = (const unsigned char *)at;
    size_t left = (size_t)(end - at), bytes = b[0] >= 0xf0 ? 4 : b[0] >= 0xe0 ? 3 : 2;
    if (b[0] < 0x80)
        return 1;
    if (b[0] < 0xc2 || b[0] > 0xf4 || left < bytes)
        return 0;
    for (size_t i = 1; i < bytes; i++)
        if (!is_continuation(at[i]))
            return 0;
    bool too_long = (b[0] == 0xe0 && b[1] < 0xa0) || (b[0] == 0xf0 && b[1] < 0x90);
    bool beyond = (b[0] == 0xed && b[1] >= 0xa0) || (b[0] == 0xf4 && b[1] >= 0x90);
    return too_long || beyond ? 0 : bytes;
}

bool ob_json_is_utf8(const char *string, size_t bytes) {
    for (const char *at = string, *end = string + bytes; at < end;) {
        size_t step = sequence_bytes(at, end);
        if (step == 0)
            return false;
        at += step;
    }
    return true;
}

/* Four hexadecimal digits, or -1. */
static int32_t take_hex(struct reader *r) {
    int32_t value = 0;
    for (int i = 0; i < 4; i++, r->at++) {
        char c = r->at < r->end ? *r->at : 0;
        if (c >= '0' && c <= '9')
            value = value * 16 + (c - '0');
        else if ((c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'))
            value = value * 16 + ((c | 32) - 'a' + 10);
        else
            return -1;
    }
    return value;
}

static bool keep_character(struct reader *r, uint32_t c) {
    char bytes[4];
    size_t count = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const unsigned char FIRST[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = count; i-- > 1; c >>= 6)
        bytes[i] = (char)(0x80 | (c & 0x3f));
    bytes[0] = (char)(FIRST[count] | c);
    return keep(r, bytes, count);
}

/* Behind "\u"; a pair of surrogates is one character. */
static bool take_unicode(struct reader *r) {
    const char *start = r->at - 2;
    int32_t first = take_hex(r);
    if (first >= 0xd800 && first < 0xdc00) {
        const char *behind = r->at;
        int32_t second = take(r, "\\u") ? take_hex(r) : -1;
        if (second >= 0xdc00 && second < 0xe000)
            return keep_character(r,
                                  0x10000 + (uint32_t)((first - 0xd800) << 10) + (uint32_t)(second - 0xdc00));
        r->at = behind;
    }
    if (first < 0)
        (void)fail_at(r, start, OB_EFORMAT, "\\u is not followed by four hexadecimal digits");
    else if (r->strict && first >= 0xd800 && first < 0xe000)
        (void)fail_at(r, start, OB_EFORMAT, "half of a surrogate pair");
    return r->failed == OB_OK && keep_character(r, (uint32_t)first);
}

static bool take_escape(struct reader *r) {
    static const char FROM[] = "\"\\/bfnrt", TO[] = "\"\\/\b\f\n\r\t";
    r->at++;
    if (r->at < r->end && *r->at == 'u') {
        r->at++;
        return take_unicode(r);
    }
    const char *found = r->at < r->end && *r->at != 0 ? strchr(FROM, *r->at) : NULL;
    if (found == NULL) {
        (void)fail(r, "unknown escape in a string");
        return false;
    }
    r->at++;
    return keep(r, &TO[found - FROM], 1);
}

/* From `at` over characters that stand for themselves, each checked. */
static bool take_run(struct reader *r) {
    const char *start = r->at;
    while (r->at < r->end && *r->at != '"' && *r->at != '\\') {
        if ((unsigned char)*r->at < 0x20) {
            (void)fail(r, "control character in a string: write it as \\u00XX");
            return false;
        }
        size_t step = sequence_bytes(r->at, r->end);
        if (step == 0) {
            (void)fail_at(r, r->at, OB_EFORMAT, "bytes that are not UTF-8");
            return false;
        }
        r->at += step;
    }
    return r->at == start || keep(r, start, (size_t)(r->at - start));
}

/* At a quote: the string's bytes are in `scratch` until the next token. */
static bool take_string(struct reader *r) {
    r->scratch_bytes = 0;
    r->at++;
    while (take_run(r)) {
        if (r->at == r->end)
            return fail(r, "") != NULL;
        if (*r->at == '"') {
            r->at++;
            return true;
        }
        if (!take_escape(r))
            return false;
    }
    return false;
}

static json_t *read_string(struct reader *r) {
    if (!take_string(r))
        return NULL;
    return new_value(r, json_stringn_nocheck(r->scratch_bytes > 0 ? r->scratch : "", r->scratch_bytes));
}

/* ---- numbers ---- */

static const char *skip_digits(struct reader *r) {
    const char *start = r->at;
    while (r->at < r->end && *r->at >= '0' && *r->at <= '9')
        r->at++;
    return r->at > start ? start : NULL;
}

static json_t *read_real(struct reader *r, const char *start, const char *complaint) {
    r->scratch_bytes = 0;
    if (!keep(r, start, (size_t)(r->at - start)) || !keep(r, "", 1))
        return NULL;
    double value = strtod(r->scratch, NULL);
    if (r->strict && (complaint != NULL || !isfinite(value)))
        return fail_at(r, start, OB_EFORMAT, complaint != NULL ? complaint : "a number beyond float64");
    return isfinite(value) ? new_value(r, json_real(value)) : beyond(value);
}

static json_t *read_integer(struct reader *r, const char *start) {
    bool is_negative = *start == '-';
    int64_t value = 0;
    for (const char *at = start + is_negative; at < r->at; at++)
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, is_negative ? '0' - *at : *at - '0', &value))
            return read_real(r, start, "a whole number beyond 64 bits");
    return new_value(r, json_integer(value));
}

static json_t *read_number(struct reader *r) {
    const char *start = r->at;
    bool is_integer = true;
    r->at += *r->at == '-';
    if (r->at < r->end && *r->at == '0')
        r->at++;
    else if (skip_digits(r) == NULL)
        return fail(r, "not a JSON value");
    if (r->at < r->end && *r->at == '.') {
        r->at++;
        is_integer = false;
        if (skip_digits(r) == NULL)
            return fail(r, "a number without digits behind its point");
    }
    if (r->at < r->end && (*r->at == 'e' || *r->at == 'E')) {
        r->at++;
        r->at += r->at < r->end && (*r->at == '+' || *r->at == '-');
        is_integer = false;
        if (skip_digits(r) == NULL)
            return fail(r, "a number without digits in its exponent");
    }
    return is_integer ? read_integer(r, start) : read_real(r, start, NULL);
}

static json_t *read_word(struct reader *r) {
    const char *start = r->at;
    if (take(r, "null"))
        return json_null();
    if (take(r, "true"))
        return json_true();
    if (take(r, "false"))
        return json_false();
    double value = take(r, "NaN")         ? NAN
                   : take(r, "Infinity")  ? INFINITY
                   : take(r, "-Infinity") ? -INFINITY
                                          : 0;
    if (r->at == start)
        return read_number(r);
    return r->strict ? fail_at(r, start, OB_EFORMAT, "NaN and Infinity are not JSON") : beyond(value);
}

/* ---- arrays and objects ---- */

static json_t *read_value(struct reader *r);

/* Behind an item: true, and at the next one; or false, and behind `close` or failed. */
static bool goes_on(struct reader *r, char close, const char *complaint) {
    skip_space(r);
    if (r->at < r->end && *r->at == ',') {
        r->at++;
        skip_space(r);
        return true;
    }
    if (r->at == r->end || *r->at != close)
        (void)fail(r, complaint);
    else
        r->at++;
    return false;
}

/* Behind '[' or '{': is it closed at once? */
static bool is_closed(struct reader *r, char close) {
    skip_space(r);
    bool closed = r->at < r->end && *r->at == close;
    r->at += closed;
    return closed;
}

static json_t *read_array(struct reader *r) {
    json_t *array = new_value(r, json_array());
    r->at++;
    bool more = array != NULL && !is_closed(r, ']');
    while (more) {
        json_t *item = read_value(r);
        if (item != NULL && json_array_append_new(array, item) != 0)
            (void)no_memory(r);
        more = r->failed == OB_OK && goes_on(r, ']', "expected ',' or ']'");
    }
    return array;
}

static bool read_member(struct reader *r, json_t *object) {
    if (r->at == r->end || *r->at != '"')
        return fail(r, "expected a key in quotes") != NULL;
    const char *start = r->at;
    if (!take_string(r))
        return false;
    size_t bytes = r->scratch_bytes;
    char *key = malloc(bytes + 1);
    if (key == NULL)
        return no_memory(r) != NULL;
    if (bytes > 0)
        memcpy(key, r->scratch, bytes);
    if (r->strict && json_object_getn(object, key, bytes) != NULL)
        (void)fail_at(r, start, OB_EFORMAT, "a key that this object already has");
    else if (r->strict && memchr(key, 0, bytes) != NULL)
        (void)fail_at(r, start, OB_EFORMAT, "a key with \\u0000 in it");
    skip_space(r);
    if (r->failed == OB_OK && !take(r, ":"))
        (void)fail(r, "expected ':'");
    skip_space(r);
    json_t *value = r->failed == OB_OK ? read_value(r) : NULL;
    if (value != NULL && json_object_setn_new_nocheck(object, key, bytes, value) != 0)
        (void)no_memory(r);
    free(key);
    return r->failed == OB_OK;
}

static json_t *read_object(struct reader *r) {
    json_t *object = new_value(r, json_object());
    r->at++;
    bool more = object != NULL && !is_closed(r, '}');
    while (more)
        more = read_member(r, object) && goes_on(r, '}', "expected ',' or '}'");
    return object;
}

static json_t *read_value(struct reader *r) {
    if (r->at == r->end)
        return fail(r, "");
    if (++r->values > OB_JSON_VALUES_MAX)
        return fail_at(r, r->at, OB_ETOOBIG, "too many values in one JSON text");
    if (*r->at == '"')
        return read_string(r);
    if (*r->at != '[' && *r->at != '{')
        return read_word(r);
    if (r->depth == OB_JSON_DEPTH_MAX)
        return fail_at(r, r->at, OB_ETOOBIG, "too many arrays and objects within one another");
    r->depth++;
    json_t *value = *r->at == '[' ? read_array(r) : read_object(r);
    r->depth--;
    if (r->failed == OB_OK)
        return value;
    json_decref(value);
    return NULL;
}

/* ---- the whole text ---- */

static void skip_bom(struct reader *r) {
    size_t bytes = (size_t)(r->end - r->at);
    bool is_utf16 = bytes >= 2 && (memcmp(r->at, "\xff\xfe", 2) == 0 || memcmp(r->at, "\xfe\xff", 2) == 0 ||
                                   (r->at[0] == 0) != (r->at[1] == 0));
    if (is_utf16)
        (void)fail_at(r, r->at, OB_EFORMAT, "the text is UTF-16 or UTF-32: convert it to UTF-8");
    else if (!r->strict)
        (void)take(r, "\xef\xbb\xbf");
}

static enum ob_err read_text(struct reader *r, json_t **ret_root) {
    json_t *root = NULL;
    skip_bom(r);
    skip_space(r);
    if (r->failed == OB_OK)
        root = read_value(r);
    skip_space(r);
    if (r->failed == OB_OK && r->at < r->end)
        (void)fail(r, "expected the end of the text");
    free(r->scratch);
    if (r->failed == OB_OK)
        *ret_root = root;
    else
        json_decref(root);
    return r->failed;
}

static struct reader reader_of(const char *text, size_t bytes, enum ob_json_mode mode,
                               struct ob_error *error) {
    return (struct reader){.text = text,
                           .at = text,
                           .end = bytes > 0 ? text + bytes : text,
                           .strict = mode == OB_JSON_STRICT,
                           .error = error};
}

enum ob_err ob_json_read(const char *text, size_t bytes, enum ob_json_mode mode, json_t **ret_root,
                         struct ob_error *error) {
    struct reader reader = reader_of(text, bytes, mode, error);
    return read_text(&reader, ret_root);
}

enum ob_err ob_json_read_line(const char *text, size_t bytes, enum ob_json_mode mode, json_t **ret_root,
                              struct ob_error *error) {
    struct reader reader = reader_of(text, bytes, mode, error);
    reader.is_line = true;
    return read_text(&reader, ret_root);
}
