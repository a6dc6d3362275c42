/* Times of day at which a machine trains: what is read, over midnight, and when the clock is put forward and back. */
#include "tests/unit/cmocka_all.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "desk/run_when.h"

static struct ob_run_when of(const char *text) {
    struct ob_run_when when;
    struct ob_error error = {0};
    if (ob_run_when_parse(text, &when, &error))
        fail_msg("%s: %s", text, error.text);
    return when;
}

static void zone(const char *name) {
    setenv("TZ", name, 1);
    tzset();
}

/* Of the local clock; where a time is there twice, the first. */
static int64_t at(int year, int month, int day, int hour, int minute) {
    struct tm local = {.tm_year = year - 1900,
                       .tm_mon = month - 1,
                       .tm_mday = day,
                       .tm_hour = hour,
                       .tm_min = minute,
                       .tm_isdst = -1};
    return (int64_t)mktime(&local);
}

static void read_words_and_windows(void **state) {
    (void)state;
    assert_int_equal(of("always").kind, OB_RUN_ALWAYS);
    assert_int_equal(of(" idle ").kind, OB_RUN_IDLE);
    struct ob_run_when when = of("22:00-06:00, 12:30-13:30 00:00-24:00");
    assert_int_equal(when.kind, OB_RUN_TIMES);
    assert_int_equal(when.count, 3);
    assert_int_equal(when.windows[0].from, 22 * 60);
    assert_int_equal(when.windows[0].to, 6 * 60);
    assert_int_equal(when.windows[2].to, 24 * 60);
    assert_int_equal(of("18:00-00:00").windows[0].to, 24 * 60);
}

static void refuse_what_is_no_time(void **state) {
    (void)state;
    static const char *const BAD[] = {"",
                                      "  ",
                                      "never",
                                      "always idle",
                                      "idle 22:00-06:00",
                                      "22:00",
                                      "22:00-",
                                      "22-06",
                                      "22:00-6:00",
                                      "22:00 - 06:00",
                                      "25:00-06:00",
                                      "22:60-06:00",
                                      "24:00-06:00",
                                      "22:00-24:01",
                                      "08:00-08:00",
                                      "00:00-00:60",
                                      "22:00-06:00x",
                                      "-1:00-06:00",
                                      "22:00-06:00;07:00-08:00"};
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        struct ob_run_when when = {.count = 77};
        struct ob_error error = {0};
        if (ob_run_when_parse(BAD[i], &when, &error) != OB_EUSAGE || !error.text[0] || when.count != 77)
            fail_msg("\"%s\" was taken", BAD[i]);
    }
    char many[OB_RUN_WHEN_MAX] = "";
    struct ob_run_when when;
    for (int i = 0; i <= OB_RUN_WINDOWS_MAX; i++)
        strcat(many, "01:00-02:00 ");
    assert_int_equal(ob_run_when_parse(many, &when, NULL), OB_EUSAGE);
}

static void windows_over_midnight(void **state) {
    (void)state;
    struct ob_run_when when = of("22:00-06:00 12:00-13:00");
    for (unsigned minute = 0; minute < 1440; minute++) {
        bool in = minute >= 22 * 60 || minute < 6 * 60 || (minute >= 12 * 60 && minute < 13 * 60);
        assert_int_equal(ob_run_when_includes(&when, minute), in);
    }
    when = of("00:00-24:00");
    assert_true(ob_run_when_includes(&when, 0) && ob_run_when_includes(&when, 1439));
    when = of("always");
    assert_true(ob_run_when_includes(&when, 720));
}

static void say_when_it_changes(void **state) {
    (void)state;
    zone("UTC0");
    struct ob_run_when when = of("22:00-06:00");
    assert_true(ob_run_when_now(&when, at(2026, 6, 1, 23, 59)));
    assert_true(ob_run_when_now(&when, at(2026, 6, 2, 5, 59)));
    assert_false(ob_run_when_now(&when, at(2026, 6, 2, 6, 0)));
    assert_int_equal(ob_run_when_change_s(&when, at(2026, 6, 1, 23, 59) + 31), at(2026, 6, 2, 6, 0));
    assert_int_equal(ob_run_when_change_s(&when, at(2026, 6, 2, 6, 0)), at(2026, 6, 2, 22, 0));
    when = of("00:00-24:00"); /* never */
    assert_int_equal(ob_run_when_change_s(&when, at(2026, 6, 2, 6, 0)), 0);
    when = of("idle");
    assert_int_equal(ob_run_when_change_s(&when, at(2026, 6, 2, 6, 0)), 0);
    when = of("10:00-11:00 11:00-12:00"); /* one follows the other */
    assert_int_equal(ob_run_when_change_s(&when, at(2026, 6, 2, 10, 30)), at(2026, 6, 2, 12, 0));
}

/* Central Europe, 29 March 2026: 02:00 is 03:00. */
static void clock_put_forward(void **state) {
    (void)state;
    zone("CET-1CEST,M3.5.0,M10.5.0/3");
    struct ob_run_when when = of("02:15-02:45");
    assert_int_equal(ob_run_when_change_s(&when, at(2026, 3, 29, 1, 0)), at(2026, 3, 30, 2, 15));
    when = of("01:00-03:00");
    assert_int_equal(ob_run_when_change_s(&when, at(2026, 3, 29, 1, 0)), at(2026, 3, 29, 1, 0) + 3600);
    assert_false(ob_run_when_now(&when, at(2026, 3, 29, 1, 0) + 3600)); /* 03:00 */
    when = of("22:00-06:00");                                           /* seven hours */
    assert_int_equal(ob_run_when_change_s(&when, at(2026, 3, 28, 22, 0)), at(2026, 3, 28, 22, 0) + 7 * 3600);
}

/* 25 October 2026: 03:00 is 02:00 once more. */
static void clock_put_back(void **state) {
    (void)state;
    zone("CET-1CEST,M3.5.0,M10.5.0/3");
    struct ob_run_when when = of("22:00-06:00"); /* nine hours */
    assert_int_equal(ob_run_when_change_s(&when, at(2026, 10, 24, 22, 0)),
                     at(2026, 10, 24, 22, 0) + 9 * 3600);
    when = of("02:00-02:30"); /* twice */
    int64_t two = at(2026, 10, 25, 1, 0) + 3600;
    assert_true(ob_run_when_now(&when, two) && ob_run_when_now(&when, two + 3600));
    assert_false(ob_run_when_now(&when, two + 1800) || ob_run_when_now(&when, two + 3600 + 1800));
    assert_int_equal(ob_run_when_change_s(&when, two + 1800), two + 3600);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(read_words_and_windows), cmocka_unit_test(refuse_what_is_no_time),
        cmocka_unit_test(windows_over_midnight),  cmocka_unit_test(say_when_it_changes),
        cmocka_unit_test(clock_put_forward),      cmocka_unit_test(clock_put_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
