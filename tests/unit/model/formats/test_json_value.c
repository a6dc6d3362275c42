#include "tests/unit/cmocka_all.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/formats/json_value.h"

static void only_finite_numbers_are_numbers(void **state) {
    (void)state;
    static const double BAD[] = {NAN, -NAN, INFINITY, -INFINITY};
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++)
        assert_true(json_is_null(ob_json_real(BAD[i])));
    json_t *good = ob_json_real(-1.5);
    assert_true(json_real_value(good) == -1.5);
    json_decref(good);
}

static void assert_text(const char *text, const char *expected) {
    json_t *json = ob_json_text(text);
    assert_non_null(json);
    assert_string_equal(json_string_value(json), expected);
    json_decref(json);
}

static void text_that_is_not_utf8_is_escaped(void **state) {
    (void)state;
    assert_text("", "");
    assert_text("gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f");
    assert_text("gr\xfc\xdf", "gr\\xfc\\xdf");
    assert_text("\xc3", "\\xc3");                   /* cut short */
    assert_text("\xc0\xaf", "\\xc0\\xaf");          /* overlong */
    assert_text("\xed\xa0\x80", "\\xed\\xa0\\x80"); /* a surrogate */
    assert_text("\xe2\x82\xac\xff!", "\xe2\x82\xac\\xff!");
    assert_true(json_is_null(ob_json_text(NULL)));
}

static void digests_are_hexadecimal_or_null(void **state) {
    (void)state;
    uint8_t digest[32] = {0};
    assert_true(json_is_null(ob_json_hex_or_null(digest)));
    digest[31] = 0xab;
    json_t *json = ob_json_hex_or_null(digest);
    assert_int_equal(strlen(json_string_value(json)), 64);
    assert_string_equal(json_string_value(json) + 60, "00ab");
    json_decref(json);
}

static void paths_make_objects(void **state) {
    (void)state;
    json_t *root = json_object();
    assert_true(ob_json_set(root, "a.b.c", json_integer(1)));
    assert_true(ob_json_set(root, "a.b.d", json_null()));
    assert_true(ob_json_set(root, "e", json_true()));
    assert_false(ob_json_set(root, "a.f", NULL));
    char *text = json_dumps(root, JSON_COMPACT);
    assert_string_equal(text, "{\"a\":{\"b\":{\"c\":1,\"d\":null}},\"e\":true}");
    free(text);
    json_decref(root);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_finite_numbers_are_numbers),
        cmocka_unit_test(text_that_is_not_utf8_is_escaped),
        cmocka_unit_test(digests_are_hexadecimal_or_null),
        cmocka_unit_test(paths_make_objects),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
