/* Rates that were measured to be good must not be complained about; ten times the highest that learned must. */
#include "tests/unit/cmocka_all.h"

#include "cli/usual_rate.h"

static void measured_rates_are_usual(void **state) {
    (void)state;
    static const struct {
        uint64_t parameters;
        bool adapters;
        double rate;
    } GOOD[] = {
        /* docs/performance.md: the shipped model, from the lowest to the highest that learned */
        {940800, false, 8e-6},
        {940800, false, 3e-5},
        {940800, false, 6e-5},
        {940800, true, 2.5e-4},
        {940800, true, 1e-3},
        {940800, true, 2e-3},
        /* SmolLM2-135M: all tensors, norms only */
        {134515008, false, 3.3e-6},
        {134515008, false, 1e-5},
        /* MeZO on OPT-13B and RoBERTa-large (350 M): grids of full tuning and of LoRA */
        {13000000000, false, 1e-6},
        {13000000000, false, 1e-7},
        {13000000000, true, 1e-4},
        {13000000000, true, 5e-5},
        {355000000, false, 1e-6},
        {355000000, false, 1e-5},
    };
    for (size_t i = 0; i < sizeof GOOD / sizeof *GOOD; i++)
        if (ob_usual_rate_judge(GOOD[i].rate, GOOD[i].parameters, GOOD[i].adapters) != OB_RATE_USUAL)
            fail_msg("%g for %llu parameters is called unusual", GOOD[i].rate,
                     (unsigned long long)GOOD[i].parameters);
}

static void rates_that_diverge_are_high(void **state) {
    (void)state;
    assert_int_equal(ob_usual_rate_judge(1e-3, 940800, false), OB_RATE_HIGH);
    assert_int_equal(ob_usual_rate_judge(0.2, 940800, false), OB_RATE_HIGH);
    assert_int_equal(ob_usual_rate_judge(0.02, 940800, true), OB_RATE_HIGH);
    assert_int_equal(ob_usual_rate_judge(2e-5, 7000000000, false),
                     OB_RATE_HIGH); /* the default, for a large model */
    assert_int_equal(ob_usual_rate_judge(1e-3, 134515008, false), OB_RATE_HIGH);
    assert_int_equal(ob_usual_rate_judge(1e-12, 940800, false), OB_RATE_LOW);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(measured_rates_are_usual),
        cmocka_unit_test(rates_that_diverge_are_high),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
