/* The reader against Python's json.loads (json_cases.txt, made by tests/parity/make_json.py), and its bounds. */
#include "tests/unit/cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "model/formats/json_reader.h"
#include "model/formats/json_writer.h"

/* ---- canonical form, as make_json.py writes it ---- */

static void put_hex(FILE *out, const char *data, size_t bytes) {
    for (size_t i = 0; i < bytes; i++)
        (void)fprintf(out, "%02x", (unsigned char)data[i]);
}

static void put(FILE *out, json_t *value);

static void put_object(FILE *out, json_t *object) {
    const char *key, *between = "";
    size_t bytes;
    json_t *member;
    (void)fputc('{', out);
    json_object_keylen_foreach(object, key, bytes, member) {
        (void)fputs(between, out);
        put_hex(out, key, bytes);
        (void)fputc(':', out);
        put(out, member);
        between = ",";
    }
    (void)fputc('}', out);
}

static void put_real(FILE *out, double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    (void)fprintf(out, "r%016llx", (unsigned long long)bits);
}

static void put(FILE *out, json_t *value) {
    if (json_is_null(value) || json_is_boolean(value)) {
        (void)fputs(json_is_null(value) ? "null" : json_is_true(value) ? "t" : "f", out);
    } else if (json_is_integer(value)) {
        (void)fprintf(out, "i%lld", (long long)json_integer_value(value));
    } else if (json_is_real(value)) {
        put_real(out, json_real_value(value));
    } else if (json_is_string(value)) {
        (void)fputc('s', out);
        put_hex(out, json_string_value(value), json_string_length(value));
    } else if (json_is_array(value)) {
        (void)fputc('[', out);
        for (size_t i = 0; i < json_array_size(value); i++) {
            (void)fputs(i > 0 ? "," : "", out);
            put(out, json_array_get(value, i));
        }
        (void)fputc(']', out);
    } else if (json_is_object(value)) {
        put_object(out, value);
    } else {
        (void)fputc('N', out);
    }
}

static char *canonical(json_t *root) {
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    assert_non_null(out);
    put(out, root);
    (void)fclose(out);
    return text;
}

static size_t from_hex(const char *hex, char *ret_bytes) {
    size_t count = strcmp(hex, "-") == 0 ? 0 : strlen(hex) / 2;
    for (size_t i = 0; i < count; i++) {
        const char pair[] = {hex[2 * i], hex[2 * i + 1], 0};
        ret_bytes[i] = (char)strtoul(pair, NULL, 16);
    }
    return count;
}

/* What Jansson reads as well is the same tree. (A NUL byte ends its text.) */
static void check_with_jansson(const char *text, size_t bytes, const json_t *ours) {
    if (memchr(text, 0, bytes) != NULL)
        return;
    json_t *theirs = json_loadb(text, bytes, JSON_ALLOW_NUL | JSON_DECODE_ANY, NULL), *strict = NULL;
    if (theirs != NULL && !json_equal(theirs, (json_t *)ours))
        fail_msg("another value than Jansson's: %.*s", (int)bytes, text);
    json_decref(theirs);
    theirs = json_loadb(text, bytes, JSON_ALLOW_NUL | JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);
    enum ob_err err = ob_json_read(text, bytes, OB_JSON_STRICT, &strict, NULL);
    if ((err == OB_OK) != (theirs != NULL))
        fail_msg("strict: %d, Jansson: %s: %.*s", err, theirs != NULL ? "read" : "refused", (int)bytes, text);
    json_decref(theirs);
    json_decref(strict);
}

static void read_as_python_does(void **state) {
    (void)state;
    FILE *file = fopen(OB_SOURCE_ROOT "/tests/unit/model/formats/json_cases.txt", "re");
    char *line = NULL, *text;
    size_t max = 0, cases = 0;
    assert_non_null(file);
    for (; getline(&line, &max, file) > 0; cases++) {
        char *hex = strtok(line, " "), *expected = strtok(NULL, "\n");
        struct ob_error error = {0};
        json_t *root = NULL;
        assert_non_null(text = malloc(strlen(hex)));
        size_t bytes = from_hex(hex, text);
        enum ob_err err = ob_json_read(text, bytes, OB_JSON_LENIENT, &root, &error);
        char *found = err == OB_OK ? canonical(root) : strdup("refused");
        if (strcmp(found, expected) != 0)
            fail_msg("%.*s\nis %s, expected %s (%s)", (int)bytes, text, found, expected, error.text);
        assert_true(err == OB_OK || strncmp(error.text, "line ", 5) == 0);
        check_with_jansson(text, bytes, root);
        free(found);
        free(text);
        json_decref(root);
    }
    assert_true(cases >= 2000);
    free(line);
    (void)fclose(file);
}

/* What is written is read as the same tree, by Python too: it wrote such texts. */
static void written_again_it_is_the_same(void **state) {
    (void)state;
    static const char TEXT[] =
        "{\"a\": [NaN, Infinity, -Infinity, 1e999, -0.0, 1e-05, 0.1, 3, 1e30], \"b\": {},"
        " \"c\": [], \"\\ud800\\u0000\": \"\\ud83d\\ude00\\n\\\"\", \"d\": [true, null]}";
    json_t *root = NULL, *again = NULL;
    assert_int_equal(ob_json_read(TEXT, sizeof TEXT - 1, OB_JSON_LENIENT, &root, NULL), OB_OK);
    char *text = ob_json_write(root), *before = canonical(root);
    assert_non_null(text);
    assert_non_null(
        strstr(text, "\n  NaN,\n  Infinity,\n  -Infinity,\n  Infinity,\n  -0.0,\n  1e-05,\n  0.1,\n  3,"));
    assert_non_null(strstr(text, "\"\\ud800\\u0000\": \"\xf0\x9f\x98\x80\\u000a\\\"\""));
    assert_int_equal(ob_json_read(text, strlen(text), OB_JSON_LENIENT, &again, NULL), OB_OK);
    char *after = canonical(again);
    assert_string_equal(before, after);
    free(text);
    free(before);
    free(after);
    json_decref(root);
    json_decref(again);
}

static enum ob_err read_text(const char *text, enum ob_json_mode mode, struct ob_error *error) {
    json_t *root = NULL;
    enum ob_err err = ob_json_read(text, strlen(text), mode, &root, error);
    json_decref(root);
    return err;
}

static void strict_refuses_what_is_ambiguous(void **state) {
    (void)state;
    static const char *const TEXTS[] = {
        "{\"a\":1,\"a\":1}",   "[NaN]",       "[-Infinity]",     "[1e999]",
        "9223372036854775808", "\"\\ud800\"", "{\"\\u0000\":1}", "\xef\xbb\xbf{}"};
    for (size_t i = 0; i < sizeof TEXTS / sizeof *TEXTS; i++) {
        assert_int_equal(read_text(TEXTS[i], OB_JSON_LENIENT, NULL), OB_OK);
        assert_int_equal(read_text(TEXTS[i], OB_JSON_STRICT, NULL), OB_EFORMAT);
    }
}

static void messages_say_where(void **state) {
    (void)state;
    struct ob_error error;
    json_t *root = NULL;
    assert_int_equal(read_text("{\n  \"\xc3\xa9\": 1\n  \"b\": 2}", OB_JSON_LENIENT, &error), OB_EFORMAT);
    assert_string_equal(error.text, "line 3, column 3: expected ',' or '}'");
    assert_int_equal(read_text("{\"\xc3\xa9\": x}", OB_JSON_LENIENT, &error), OB_EFORMAT);
    assert_string_equal(error.text, "line 1, column 7: not a JSON value");
    assert_int_equal(ob_json_read_line("[1,", 3, OB_JSON_LENIENT, &root, &error), OB_EFORMAT);
    assert_string_equal(error.text, "column 4: the text ends too early");
    assert_int_equal(ob_json_read("\xff\xfe{\0}\0", 6, OB_JSON_LENIENT, &root, &error), OB_EFORMAT);
    assert_string_equal(error.text, "line 1, column 1: the text is UTF-16 or UTF-32: convert it to UTF-8");
    assert_null(root);
}

static void lone_surrogates_are_found(void **state) {
    (void)state;
    json_t *root = NULL;
    static const char TEXT[] = "[\"a\\ud800b\", \"\\ud83d\\ude00\"]";
    assert_int_equal(ob_json_read(TEXT, sizeof TEXT - 1, OB_JSON_LENIENT, &root, NULL), OB_OK);
    for (size_t i = 0; i < 2; i++) {
        const json_t *string = json_array_get(root, i);
        assert_int_equal(ob_json_is_utf8(json_string_value(string), json_string_length(string)), i == 1);
    }
    json_decref(root);
}

static void depth_and_size_are_bounded(void **state) {
    (void)state;
    size_t depth = OB_JSON_DEPTH_MAX, bytes = 2 * (size_t)OB_JSON_VALUES_MAX + 2;
    char *text = malloc(bytes);
    json_t *root = NULL;
    assert_non_null(text);
    memset(text, '[', depth + 1);
    memset(text + depth + 1, ']', depth + 1);
    assert_int_equal(ob_json_read(text, 2 * depth + 2, OB_JSON_LENIENT, &root, NULL), OB_ETOOBIG);
    assert_int_equal(ob_json_read(text + 1, 2 * depth, OB_JSON_LENIENT, &root, NULL), OB_OK);
    json_decref(root);
    for (size_t i = 1; i + 1 < bytes; i++)
        text[i] = i % 2 ? '0' : ',';
    text[bytes - 1] = ']';
    assert_int_equal(ob_json_read(text, bytes, OB_JSON_LENIENT, &root, NULL), OB_ETOOBIG);
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(read_as_python_does),          cmocka_unit_test(strict_refuses_what_is_ambiguous),
        cmocka_unit_test(written_again_it_is_the_same), cmocka_unit_test(messages_say_where),
        cmocka_unit_test(lone_surrogates_are_found),    cmocka_unit_test(depth_and_size_are_bounded)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
