#include "tests/unit/cmocka_all.h"

#include <string.h>

#include "base/err.h"

static void fail_within_adds_context(void **state) {
    (void)state;
    struct ob_error error = {0};
    assert_int_equal(ob_fail(&error, OB_EFORMAT, "header is %d bytes", 7), OB_EFORMAT);
    assert_int_equal(ob_fail_within(&error, OB_EFORMAT, "file %s", "a.bin"), OB_EFORMAT);
    assert_string_equal(error.text, "file a.bin: header is 7 bytes");
}

static void fail_long_text_is_cut(void **state) {
    (void)state;
    struct ob_error error = {0};
    char big[2 * OB_ERROR_TEXT_MAX];
    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = 0;
    assert_int_equal(ob_fail(&error, OB_EIO, "%s", big), OB_EIO);
    assert_int_equal(strlen(error.text), OB_ERROR_TEXT_MAX - 1);
    assert_int_equal(ob_fail_within(&error, OB_EIO, "%s", big), OB_EIO);
    assert_int_equal(ob_fail_within(NULL, OB_EIO, "%s", big), OB_EIO);
    assert_int_equal(ob_fail(NULL, OB_EIO, "%s", big), OB_EIO);
}

static void text_every_code_has_one(void **state) {
    (void)state;
    for (int code = 0; code < OB_ERR_COUNT; code++)
        assert_non_null(ob_err_text((enum ob_err)code));
    assert_string_equal(ob_err_text((enum ob_err)999), "unknown error");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fail_within_adds_context),
        cmocka_unit_test(fail_long_text_is_cut),
        cmocka_unit_test(text_every_code_has_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
