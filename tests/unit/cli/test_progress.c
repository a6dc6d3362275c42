#include "tests/unit/cmocka_all.h"

#include <string.h>

#include "cli/progress.h"

static void assert_line(uint64_t total, uint64_t done, double seconds, const char *expected) {
    char line[OB_PROGRESS_LINE_MAX];
    struct ob_progress progress = {.what = "replaying", .unit = "records", .total = total};
    assert_string_equal(ob_progress_line(&progress, done, seconds, line), expected);
}

static void a_line_has_share_rate_and_time_left(void **state) {
    (void)state;
    assert_line(4000, 1000, 2, "replaying  25 %  1000 of 4000 records  500 a second  6 s left");
    assert_line(4000, 4000, 2, "replaying 100 %  4000 of 4000 records  2000 a second  0 s left");
    assert_line(100000, 10, 20, "replaying   0 %  10 of 100000 records  0.50 a second  55.5 h left");
    assert_line(4000, 100, 60, "replaying   2 %  100 of 4000 records  1.67 a second  39 min left");
    assert_line(4000, 0, 0, "replaying   0 %  0 of 4000 records  0.00 a second");
}

static void an_unknown_total_has_no_share(void **state) {
    (void)state;
    assert_line(0, 1000, 2, "replaying  1000 records  500 a second");
    assert_line(10, 1000, 2, "replaying  1000 records  500 a second"); /* more than was expected */
}

static void nothing_breaks_without_a_progress(void **state) {
    (void)state;
    struct ob_progress progress = {0};
    ob_progress_at(NULL, 1);
    ob_progress_at(&progress, 1);
    ob_progress_end(&progress);
    assert_false(progress.shown);
}

static void bytes_are_shown_in_megabytes_stage_after_stage(void **state) {
    (void)state;
    struct ob_progress progress = {0};
    struct ob_progress_callback callback = ob_progress_of_bytes(&progress);
    assert_int_equal(ob_progress_tell(&callback, "hashing", 2000000, 540000000, NULL), OB_OK);
    assert_true(progress.enabled && progress.total == 540);
    assert_string_equal(progress.what, "hashing");
    assert_string_equal(progress.unit, "MB");
    assert_int_equal(ob_progress_tell(&callback, "writing", 0, 7000000, NULL), OB_OK);
    assert_true(progress.total == 7);
    ob_progress_end(&progress);
    callback = ob_progress_of_bytes(NULL);
    assert_int_equal(ob_progress_tell(&callback, "hashing", 1, 2, NULL), OB_OK);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_has_share_rate_and_time_left),
        cmocka_unit_test(an_unknown_total_has_no_share),
        cmocka_unit_test(nothing_breaks_without_a_progress),
        cmocka_unit_test(bytes_are_shown_in_megabytes_stage_after_stage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
