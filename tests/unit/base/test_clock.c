#include "tests/unit/cmocka_all.h"

#include <math.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

static void now_never_goes_back(void **state) {
    (void)state;
    for (uint64_t before = ob_now_ns(), i = 0; i < 100000; i++) {
        uint64_t now = ob_now_ns();
        assert_true(now >= before);
        before = now;
    }
}

static void seconds_since_counts_a_sleep(void **state) {
    (void)state;
    uint64_t start = ob_now_ns(), start_s = ob_now_s();
    usleep(20000);
    assert_true(ob_seconds_since(start) >= 0.02);
    assert_true(ob_now_ns() - start >= OB_SECOND_NS / 50);
    assert_true(ob_now_s() >= start_s);
}

static void wall_is_unix_time(void **state) {
    (void)state;
    uint64_t before = (uint64_t)time(NULL); /* which may be a tick behind */
    uint64_t wall = ob_wall_s();
    assert_true(wall + 1 >= before && wall <= before + 60);
    assert_true(ob_wall_ns() / OB_SECOND_NS >= wall);
}

static void durations_have_the_unit_that_fits(void **state) {
    (void)state;
    char text[OB_DURATION_MAX];
    assert_string_equal(ob_duration_text(12.4, text), "12 s");
    assert_string_equal(ob_duration_text(180, text), "3 min");
    assert_string_equal(ob_duration_text(34800, text), "9 h 40 min");
    assert_string_equal(ob_duration_text(2 * 86400 + 4 * 3600, text), "2 d 4 h");
    assert_string_equal(ob_duration_text(NAN, text), "unknown");
    assert_string_equal(ob_duration_text(-1, text), "unknown");
    assert_string_equal(ob_duration_text(1e300, text), "unknown");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durations_have_the_unit_that_fits),
        cmocka_unit_test(now_never_goes_back),
        cmocka_unit_test(seconds_since_counts_a_sleep),
        cmocka_unit_test(wall_is_unix_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
