/* The decision: each reason alone, together, and when it ends. */
#include "tests/unit/cmocka_all.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "desk/desk.h"

#define NOON  (1767268800 /* 1 January 2026, 12:00 */)
#define EIGHT (NOON + 8 * 3600)

static struct ob_desk_rules of(const char *when) {
    struct ob_desk_rules rules = {.idle_s = 180};
    assert_int_equal(ob_run_when_parse(when, &rules.when, NULL), OB_OK);
    return rules;
}

static unsigned reasons(const struct ob_desk_rules *rules, const struct ob_desk_facts *facts) {
    return ob_desk_decide(rules, facts, NOON).reasons;
}

static void nothing_is_wanted(void **state) {
    (void)state;
    struct ob_desk_rules rules = of("always");
    struct ob_desk_facts busy = {.idle_s = 0, .power = OB_POWER_BATTERY, .memory_bytes = 1ull << 40};
    assert_int_equal(reasons(&rules, &busy), 0);
    assert_int_equal(ob_desk_decide(&rules, &busy, NOON).until_s, 0);
}

static void outside(void **state) {
    (void)state;
    struct ob_desk_rules rules = of("20:00-06:00");
    struct ob_desk_facts facts = {.idle_s = NAN};
    struct ob_desk_verdict verdict = ob_desk_decide(&rules, &facts, NOON);
    assert_int_equal(verdict.reasons, 1u << OB_DESK_OUTSIDE);
    assert_int_equal(verdict.until_s, EIGHT);
    assert_int_equal(ob_desk_decide(&rules, &facts, EIGHT).reasons, 0);
    char text[OB_DESK_TEXT_MAX];
    assert_string_equal(ob_desk_text(OB_DESK_OUTSIDE, &rules, "20:00-06:00", &facts, NOON, text),
                        "outside 20:00-06:00, until 20:00");
}

static void in_use(void **state) {
    (void)state;
    struct ob_desk_rules rules = of("idle");
    struct ob_desk_facts facts = {.idle_s = 170};
    struct ob_desk_verdict verdict = ob_desk_decide(&rules, &facts, NOON);
    assert_int_equal(verdict.reasons, 1u << OB_DESK_IN_USE);
    assert_int_equal(verdict.until_s, NOON + 10);
    facts.idle_s = 180;
    assert_int_equal(reasons(&rules, &facts), 0);
    facts.idle_s = NAN; /* not known: somebody may be there */
    verdict = ob_desk_decide(&rules, &facts, NOON);
    assert_int_equal(verdict.reasons, 1u << OB_DESK_IN_USE);
    assert_int_equal(verdict.until_s, 0);
    char text[OB_DESK_TEXT_MAX];
    assert_non_null(
        strstr(ob_desk_text(OB_DESK_IN_USE, &rules, "idle", &facts, NOON, text), "neither logind nor"));
    facts.idle_s = 1;
    assert_string_equal(ob_desk_text(OB_DESK_IN_USE, &rules, "idle", &facts, NOON, text),
                        "in use; training continues 3 minutes after the last input");
}

static void on_battery(void **state) {
    (void)state;
    struct ob_desk_rules rules = of("20:00-06:00");
    struct ob_desk_facts facts = {.idle_s = NAN, .power = OB_POWER_BATTERY};
    rules.pause_on_battery = true;
    struct ob_desk_verdict verdict = ob_desk_decide(&rules, &facts, NOON);
    assert_int_equal(verdict.reasons, 1u << OB_DESK_OUTSIDE | 1u << OB_DESK_ON_BATTERY);
    assert_int_equal(verdict.until_s, 0); /* at eight it may still be on battery */
    facts.power = OB_POWER_UNKNOWN;
    assert_int_equal(ob_desk_decide(&rules, &facts, EIGHT).reasons, 0);
}

static void memory(void **state) {
    (void)state;
    struct ob_desk_rules rules = of("always");
    struct ob_desk_facts facts = {.idle_s = NAN, .memory_bytes = 1001};
    rules.memory_bytes = 1000;
    assert_int_equal(reasons(&rules, &facts), 1u << OB_DESK_MEMORY);
    facts.memory_bytes = 1000;
    assert_int_equal(reasons(&rules, &facts), 0);
    facts.memory_bytes = 0; /* not known */
    assert_int_equal(reasons(&rules, &facts), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(nothing_is_wanted), cmocka_unit_test(outside),
                                       cmocka_unit_test(in_use), cmocka_unit_test(on_battery),
                                       cmocka_unit_test(memory)};
    setenv("TZ", "UTC0", 1);
    tzset();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
