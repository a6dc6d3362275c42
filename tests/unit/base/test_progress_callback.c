/* When progress is shown, and what is left. */
#include "tests/unit/cmocka_all.h"

#include "base/progress_callback.h"

#define SECOND 1000000000ull

static void is_due_after_two_seconds(void **state) {
    (void)state;
    static const char READING[] = "reading", HASHING[] = "hashing";
    struct ob_progress_meter meter = {0};
    double left = 0;
    assert_false(ob_progress_is_due(&meter, 100 * SECOND, READING, 0, 100, &left));
    assert_false(ob_progress_is_due(&meter, 101 * SECOND, READING, 10, 100, &left));
    assert_true(ob_progress_is_due(&meter, 102 * SECOND, READING, 20, 100, &left));
    assert_true(left > 7.9 && left < 8.1);
    assert_false(ob_progress_is_due(&meter, 103 * SECOND, READING, 30, 100, &left));
    assert_true(ob_progress_is_due(&meter, 104 * SECOND, READING, 40, 0, &left));
    assert_true(left < 0);
    assert_false(ob_progress_is_due(&meter, 106 * SECOND, HASHING, 0, 100, &left));
    assert_true(ob_progress_is_due(&meter, 108 * SECOND, HASHING, 0, 100, &left));
    assert_true(left < 0);
}

static bool refuse(void *context, const char *what, uint64_t done, uint64_t size) {
    (void)what;
    *(uint64_t *)context = done + size;
    return false;
}

static void tell_may_end_the_work(void **state) {
    (void)state;
    uint64_t sum = 0;
    struct ob_error error = {0};
    struct ob_progress_callback progress = {refuse, &sum};
    assert_int_equal(ob_progress_tell(NULL, "reading", 1, 2, NULL), OB_OK);
    assert_int_equal(ob_progress_tell(&progress, "reading", 1, 2, &error), OB_ESTATE);
    assert_string_equal(error.text, "stopped while reading");
    assert_int_equal(sum, 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_due_after_two_seconds),
        cmocka_unit_test(tell_may_end_the_work),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
