/* The rate that measured figures lead to: bound by a step, by the walk over the whole run, or by what other models bore. */
#include "tests/unit/cmocka_all.h"

#include <math.h>

#include "cli/curvature.h"

static uint64_t RATES[2] = {(uint64_t)1 << 40, (uint64_t)1 << 39};

/* 100 rounds at the peak and 300 at half of it, 16 samples a round. */
static struct ob_manifest manifest_of(void) {
    return (struct ob_manifest){.rule = {.combine = OB_SPSA_CAPPED,
                                         .s0 = 64,
                                         .rounds_per_rate = 100,
                                         .rate_count = 2,
                                         .rates = RATES},
                                .bounds = {.max_rounds = 400, .samples_per_round = 16}};
}

static struct ob_curvature measured(void) {
    return (struct ob_curvature){
        .loss = 0.5, .curvature = 500, .curvature_error = 20, .square = 400, .signal = 6, .signal_error = 1};
}

static void near(double a, double b) {
    if (!(fabs(a - b) <= 1e-9 * fabs(b)))
        fail_msg("%.12g, expected %.12g", a, b);
}

static void rate_is_bound_by_a_step(void **state) {
    (void)state;
    struct ob_manifest manifest = manifest_of();
    struct ob_curvature f = measured();
    struct ob_rate_plan plan = {.manifest = &manifest, .machines = 1, .rows_per_sample = 8};
    f.signal = 0.6; /* Bρ / (1 + Bρ) with ρ = 0.6 / 399.4 */
    f.signal_error = 0.1;
    struct ob_rate rate = ob_curvature_rate(&f, &plan);
    double ratio = 8 * ob_curvature_ratio(&f);
    near(rate.step, OB_RATE_STEP_SHARE * ratio / (1 + ratio) / 500);
    assert_string_equal(rate.bound, "step");
    near(rate.rate, rate.step);
    plan.is_constant = true;
    near(ob_curvature_rate(&f, &plan).step, 0.5 * rate.step);
}

/* ½ C Σ rate² E s²: 100 · 16 samples at the peak, 300 · 16 at half of it. */
static void rate_is_bound_by_the_walk(void **state) {
    (void)state;
    struct ob_manifest manifest = manifest_of();
    struct ob_curvature f = measured();
    struct ob_rate_plan plan = {.manifest = &manifest, .machines = 1, .rows_per_sample = 1};
    manifest.bounds.max_rounds = 400000;
    struct ob_rate rate = ob_curvature_rate(&f, &plan);
    double samples = 16 * (100 + 399900 / 4.0), cost = 0.5 * 500 * 400 * samples * rate.rate * rate.rate;
    assert_string_equal(rate.bound, "walk");
    near(cost, OB_RATE_WALK_SHARE * 0.5);
    near(rate.walk_share, OB_RATE_WALK_SHARE);
    assert_true(rate.rate < rate.step);
    /* four machines walk four times as far until the cap is reached, and no farther for it */
    plan.machines = 4;
    near(ob_curvature_rate(&f, &plan).walk, rate.walk / 2);
    plan.machines = 16; /* 256 samples at a quarter of the rate */
    near(ob_curvature_rate(&f, &plan).walk, rate.walk);
    /* eight rows a sample: the noise of one is averaged */
    plan.machines = 1;
    plan.rows_per_sample = 8;
    near(ob_curvature_rate(&f, &plan).walk, rate.walk * sqrt(400 / (6 + 394 / 8.0)));
}

static void noise_gives_the_usual_step_or_none(void **state) {
    (void)state;
    struct ob_manifest manifest = manifest_of();
    struct ob_curvature f = measured();
    struct ob_rate_plan plan = {.manifest = &manifest, .machines = 1, .rows_per_sample = 8};
    f.signal_error = 4;
    struct ob_rate rate = ob_curvature_rate(&f, &plan);
    near(rate.step, 0.2 / 500);
    manifest.lora_rank = 4;
    near(ob_curvature_rate(&f, &plan).step, 0.3 * (8 * 0.015 / (1 + 8 * 0.015)) / 500);
    plan.rows_per_sample = 1;
    near(ob_curvature_rate(&f, &plan).step, 0.3 * (0.015 / 1.015) / 500);
    manifest.bounds.max_rounds = 1;
    assert_string_equal(ob_curvature_rate(&f, &plan).bound, "usual step");
    f.curvature_error = 300;
    assert_true(ob_curvature_rate(&f, &plan).rate <= 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rate_is_bound_by_a_step),
        cmocka_unit_test(rate_is_bound_by_the_walk),
        cmocka_unit_test(noise_gives_the_usual_step_or_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
