/* The choice of kernels by measurement, with a clock that tells what the test wants; and by name. */
#include <string.h>

#include "spsa/engine.h"
#include "spsa/kernels/kernels.h"
#include "tests/unit/cmocka_all.h"

/* Durations of the tables that run here, in their order; they take turns, and the clock is read once before them and then
 * twice a turn, after one look for the limit in each further round. */
static uint64_t durations[OB_RACE_MAX], clock_ns;
static size_t racers, reads;

static uint64_t fake_now(void) {
    if (reads > 0) { /* 0: the beginning of it all */
        size_t at = (reads - 1) % (2 * racers + 1);
        if (at < 2 * racers && at % 2 == 1)
            clock_ns += durations[at / 2];
    }
    reads++;
    return clock_ns;
}

static void whichever_is_fastest_is_taken(void **state) {
    (void)state;
    size_t present[OB_RACE_MAX];
    racers = 0;
    for (size_t i = 0; ob_spsa_engine_name_at(i); i++)
        if (ob_spsa_engine_with(i, NULL).kernels)
            present[racers++] = i;
    for (size_t fastest = 0; fastest < racers; fastest++) {
        struct ob_race race;
        for (size_t i = 0; i < racers; i++)
            durations[i] = i == fastest ? 40 : 50 + i;
        clock_ns = 0;
        reads = 0;
        struct ob_spsa_engine engine = ob_spsa_engine_fastest(NULL, fake_now, &race);
        assert_string_equal(ob_spsa_engine_name(&engine), ob_spsa_engine_name_at(present[fastest]));
        assert_int_equal(race.fastest, present[fastest]);
        assert_int_equal(race.list[race.fastest].least_ns, 40);
    }
}

static void each_is_forced_by_name_or_refused(void **state) {
    (void)state;
    struct ob_spsa_engine engine;
    struct ob_error error = {0};
    for (size_t i = 0; ob_spsa_engine_name_at(i); i++) {
        const char *name = ob_spsa_engine_name_at(i);
        bool here = ob_spsa_engine_with(i, NULL).kernels != NULL;
        assert_int_equal(ob_spsa_engine_named(name, NULL, &engine, &error), here ? OB_OK : OB_EUNSUPPORTED);
        assert_string_equal(here ? ob_spsa_engine_name(&engine) : name, name);
        if (!here)
            assert_non_null(strstr(error.text, name));
    }
    assert_int_equal(ob_spsa_engine_named("abacus", NULL, &engine, &error), OB_EUSAGE);
    assert_non_null(strstr(error.text, "abacus"));
    assert_non_null(strstr(error.text, "reference"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whichever_is_fastest_is_taken),
        cmocka_unit_test(each_is_forced_by_name_or_refused),
    };
    return cmocka_run_group_tests_name("engine", tests, NULL, NULL);
}
