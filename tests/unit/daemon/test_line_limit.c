/* Lines of one kind are limited, and what was left out is counted. */
#include "tests/unit/cmocka_all.h"

#include <stdio.h>

#include "daemon/line_limit.h"

static void a_burst_of_one_kind_is_cut_short(void **state) {
    (void)state;
    struct ob_line_limit limit = {0};
    uint64_t written = 0, left_out = 0, now_ns = 1;
    for (int i = 0; i < 1000; i++, now_ns += 1000000)
        written += ob_line_allowed(&limit, "disagree", now_ns, &left_out);
    assert_int_equal(written, OB_LINES_A_WINDOW);
    assert_int_equal(left_out, 0);
    assert_true(ob_line_allowed(&limit, "proven", now_ns, &left_out)); /* another kind */
    assert_true(ob_line_allowed(&limit, "disagree", now_ns + OB_LINE_WINDOW_NS, &left_out));
    assert_int_equal(left_out, 1000 - OB_LINES_A_WINDOW);
    assert_true(ob_line_allowed(&limit, "disagree", now_ns + OB_LINE_WINDOW_NS, &left_out));
    assert_int_equal(left_out, 0);
}

static void more_kinds_than_places_share_the_last_one(void **state) {
    (void)state;
    static char names[2 * OB_LINE_KINDS][16];
    struct ob_line_limit limit = {0};
    uint64_t left_out, written = 0;
    for (size_t i = 0; i < 2 * OB_LINE_KINDS; i++) {
        (void)snprintf(names[i], sizeof names[i], "kind%zu", i);
        written += ob_line_allowed(&limit, names[i], 5, &left_out);
    }
    assert_int_equal(written, 2 * OB_LINE_KINDS);
    for (size_t i = 0; i < 10 * OB_LINES_A_WINDOW; i++)
        written += ob_line_allowed(&limit, names[2 * OB_LINE_KINDS - 1], 5, &left_out);
    assert_true(written < 2 * OB_LINE_KINDS + OB_LINES_A_WINDOW);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_burst_of_one_kind_is_cut_short),
        cmocka_unit_test(more_kinds_than_places_share_the_last_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
