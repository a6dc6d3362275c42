#include "tests/unit/cmocka_all.h"

#include "desk/throttle.h"

static void rest_as_long_as_the_share_says(void **state) {
    (void)state;
    /* two threads for a second on four processors are half of their time */
    assert_float_equal(ob_throttle_rest_s(2, 1, 0.5, 4), 0, 1e-9);
    assert_float_equal(ob_throttle_rest_s(2, 1, 0.25, 4), 1, 1e-9);
    assert_float_equal(ob_throttle_rest_s(4, 1, 0.1, 4), 9, 1e-9);
    /* it waited for something by itself: that is rest enough */
    assert_float_equal(ob_throttle_rest_s(1, 20, 0.1, 1), 0, 1e-9);
    assert_float_equal(ob_throttle_rest_s(1, 4, 0.1, 1), 6, 1e-9);
}

static void no_limit_is_no_rest(void **state) {
    (void)state;
    assert_float_equal(ob_throttle_rest_s(8, 1, 1, 4), 0, 0); /* more threads than processors were counted */
    assert_float_equal(ob_throttle_rest_s(8, 1, 0, 4), 0, 0);
    assert_float_equal(ob_throttle_rest_s(8, 1, 0.5, 0), 0, 0);
    assert_float_equal(ob_throttle_rest_s(0, 0, 0.5, 4), 0, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(rest_as_long_as_the_share_says),
                                       cmocka_unit_test(no_limit_is_no_rest)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
