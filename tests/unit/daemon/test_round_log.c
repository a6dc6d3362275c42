#include "tests/unit/cmocka_all.h"

#include "daemon/round_log.h"

static void one_line_a_minute_with_the_mean(void **state) {
    (void)state;
    struct ob_logger logger = {.least = OB_LOG_ERROR};
    struct ob_round_log log = {0};
    assert_true(ob_round_log_add(&log, &logger, 0, 8, 7.5, 1, 1000)); /* the first says that it trains */
    for (uint32_t round = 1; round < 60; round++)
        assert_false(ob_round_log_add(&log, &logger, round, 8, 7.0, 1, 1000 + round));
    assert_int_equal(log.rounds, 59);
    assert_int_equal(log.samples, 59 * 8);
    assert_true(log.loss_sum > 59 * 8 * 7.0 - 1e-6 && log.loss_sum < 59 * 8 * 7.0 + 1e-6);
    assert_true(ob_round_log_add(&log, &logger, 60, 8, 7.0, 1, 1060));
    assert_int_equal(log.rounds, 0);
    assert_false(ob_round_log_add(&log, &logger, 61, 8, 7.0, 1, 1061));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(one_line_a_minute_with_the_mean)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
