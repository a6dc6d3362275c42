#include "tests/unit/cmocka_all.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "web/streams.h"

static const char CSV[] = "time,round,loss\n10.000,1,3\n11.000,2,\n12.500,3,2.5\n";

/* The lines that are new, and the newest time. */
static void expect(const char *csv, double newest, const char *rows, double newest_after) {
    size_t bytes;
    const char *found = ob_web_rows_after(csv, &newest, &bytes);
    assert_int_equal(bytes, strlen(rows));
    assert_memory_equal(found, rows, bytes);
    if (isnan(newest_after))
        assert_true(isnan(newest));
    else
        assert_float_equal(newest, newest_after, 0);
}

static void rows_after_the_newest(void **state) {
    (void)state;
    expect(CSV, 11, "12.500,3,2.5\n", 12.5);
    expect(CSV, 0, "10.000,1,3\n11.000,2,\n12.500,3,2.5\n", 12.5);
    expect(CSV, 12.5, "", 12.5);
    expect(CSV, 99, "", 12.5); /* the clock was set back: from there on */
}

static void rows_before_any_was_sent(void **state) {
    (void)state;
    expect(CSV, NAN, "", 12.5);
    expect("time,round,loss\n", NAN, "", NAN);
    expect("time,round,loss\n", 5, "", 5);
    expect("", NAN, "", NAN);
    expect("\n\n\n", 1, "", 1);
}

static void rows_are_bounded(void **state) {
    char csv[4096] = "time,round\n", wanted[4096] = "";
    (void)state;
    for (int i = 1; i <= 2 * OB_WEB_STREAM_ROWS; i++) {
        char row[32];
        (void)snprintf(row, sizeof row, "%d.000,%d\n", i, i);
        strcat(csv, row);
        if (i > OB_WEB_STREAM_ROWS)
            strcat(wanted, row);
    }
    expect(csv, 0, wanted, 2 * OB_WEB_STREAM_ROWS);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_after_the_newest),
        cmocka_unit_test(rows_before_any_was_sent),
        cmocka_unit_test(rows_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
