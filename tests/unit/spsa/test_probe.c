/* The estimate is unbiased: on a quadratic with a known gradient, and byte by byte. The same statistic is
 * shown to catch deterministic rounding. */
#include "tests/unit/cmocka_all.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "spsa/probe.h"
#include "spsa/update.h"
#include "tests/unit/spsa/fixture.h"

#define SIZE 8

static const double CURVATURE[SIZE] = {1, 2, 0.5, 3, 1, 0.25, 1, 2};
static const double CENTRE[SIZE] = {0.4, -0.2, 0.9, 0.05, -0.6, 1.5, 0.3, -0.1};

static double sign_of(const struct ob_spsa_key *key, size_t i) {
    uint8_t bits[64];
    ob_spsa_direction_bits(key, 0, 0, 1, bits);
    return (bits[i / 8] >> (i % 8)) & 1 ? -1.0 : 1.0;
}

/* L(w) = sum of a (w - c)^2 / 2 at w = 0 ± εz: the gradient there is -a c. */
static enum ob_err quadratic(void *context, const struct ob_spsa_key *key, float epsilon,
                             struct ob_spsa_losses *ret_losses, struct ob_error *error) {
    (void)context;
    (void)error;
    struct ob_spsa_losses losses = {0};
    for (size_t i = 0; i < SIZE; i++) {
        double step = (double)epsilon * sign_of(key, i);
        losses.plus += 0.5 * CURVATURE[i] * (step - CENTRE[i]) * (step - CENTRE[i]);
        losses.minus += 0.5 * CURVATURE[i] * (-step - CENTRE[i]) * (-step - CENTRE[i]);
    }
    *ret_losses = losses;
    return OB_OK;
}

static void probe_mean_is_the_gradient(void **state) {
    (void)state;
    enum { SAMPLES = 40000 };
    const struct ob_spsa_code code = {96, 127};
    struct ob_run_id run = {{{1}}};
    struct ob_machine_id machine = {{2}};
    double sum[SIZE] = {0}, squares[SIZE] = {0};
    for (uint64_t s = 0; s < SAMPLES; s++) {
        struct ob_spsa_key key = ob_spsa_direction_key(&run, &machine, (struct ob_sample){s});
        struct ob_spsa_estimate estimate;
        assert_int_equal(ob_spsa_probe(&key, 1e-3f, &code, 0, NULL, quadratic, NULL, &estimate, NULL), OB_OK);
        double g = ob_spsa_decode(&code, 0, estimate.byte);
        for (size_t i = 0; i < SIZE; i++) {
            double value = g * sign_of(&key, i);
            sum[i] += value;
            squares[i] += value * value;
        }
    }
    for (size_t i = 0; i < SIZE; i++) {
        double mean = sum[i] / SAMPLES;
        double deviation = sqrt((squares[i] / SAMPLES - mean * mean) / SAMPLES);
        assert_true(fabs(mean + CURVATURE[i] * CENTRE[i]) < 5.0 * deviation);
    }
}

/* The mean over many random words, in standard errors from g; `random_of` 0: deterministic rounding. */
static double bias_in_standard_errors(double g, bool stochastic) {
    enum { DRAWS = 200000 };
    const struct ob_spsa_code code = {96, 127};
    struct test_random random = {11};
    double sum = 0, low = INFINITY, high = -INFINITY;
    for (int i = 0; i < DRAWS; i++) {
        uint64_t word =
            stochastic ? test_random_next(&random) : (uint64_t)1 << 63; /* the middle: rounds to nearest */
        double value = ob_spsa_decode(&code, 0, ob_spsa_encode(&code, 0, g, word));
        sum += value;
        low = fmin(low, value);
        high = fmax(high, value);
    }
    double gap = fabs(g) * (exp2(1.0 / 8) - 1) + exp2(-95.0 / 8);
    return fabs(sum / DRAWS - g) / (gap * 0.5 / sqrt(DRAWS));
}

static void encode_is_unbiased(void **state) {
    (void)state;
    const double values[] = {0.7, -0.7, 3.3, -12.5, 0.0021, 1e-5, -3e-4, 1.01};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        assert_true(bias_in_standard_errors(values[i], true) < 5.0);
        assert_true(bias_in_standard_errors(values[i], false) > 5.0); /* the test can fail */
    }
}

static void encode_edges(void **state) {
    (void)state;
    const struct ob_spsa_code code = {96, 120};
    assert_int_equal(ob_spsa_encode(&code, 0, 0.0, 0), 0);
    assert_int_equal(ob_spsa_encode(&code, 0, -0.0, 0), 0);
    assert_int_equal(ob_spsa_encode(&code, 0, 1.0, 5), 96);
    assert_int_equal(ob_spsa_encode(&code, 0, -1.0, 5), 96 | 0x80);
    assert_int_equal(ob_spsa_encode(&code, 3, 8.0, 5), 96);
    assert_int_equal(ob_spsa_encode(&code, 0, 1e300, 0), 120);
    assert_int_equal(ob_spsa_encode(&code, 0, -1e-300, UINT64_MAX), 0); /* never 0x80 by accident */
    assert_int_equal(ob_spsa_encode(&code, 0, NAN, 0), OB_SPSA_ABSTAIN);
    assert_int_equal(ob_spsa_encode(&code, 0, -INFINITY, 0), OB_SPSA_ABSTAIN);
    assert_true(ob_spsa_decode(&code, 0, OB_SPSA_ABSTAIN) == 0.0);
    assert_true(ob_spsa_decode(&code, 0, 121) == 0.0);
}

static enum ob_err not_finite(void *context, const struct ob_spsa_key *key, float epsilon,
                              struct ob_spsa_losses *ret_losses, struct ob_error *error) {
    (void)key;
    (void)epsilon;
    (void)error;
    *ret_losses = (struct ob_spsa_losses){*(const double *)context, 1.0};
    return OB_OK;
}

static void probe_abstains_when_a_loss_is_not_finite(void **state) {
    (void)state;
    const struct ob_spsa_code code = {96, 127};
    const struct ob_spsa_privacy privacy = {.clip = 2.0, .noise = 0.1};
    struct ob_spsa_key key = {{1}};
    double losses[2] = {NAN, INFINITY};
    for (int i = 0; i < 2; i++) {
        struct ob_spsa_estimate estimate;
        assert_int_equal(
            ob_spsa_probe(&key, 1e-3f, &code, 0, &privacy, not_finite, &losses[i], &estimate, NULL), OB_OK);
        assert_int_equal(estimate.byte, OB_SPSA_ABSTAIN);
    }
}

static void probe_clips(void **state) {
    (void)state;
    const struct ob_spsa_code code = {96, 127};
    const struct ob_spsa_privacy privacy = {.clip = 2.0};
    struct ob_spsa_key key = {{1}};
    double loss = 3.0; /* against 1.0 with ε = 2^-3: g = 8 */
    struct ob_spsa_estimate estimate;
    assert_int_equal(ob_spsa_probe(&key, 0.125f, &code, 0, &privacy, not_finite, &loss, &estimate, NULL),
                     OB_OK);
    assert_true(estimate.g == 2.0);
    assert_int_equal(estimate.byte, 104);
}

static void step_is_unbiased_and_odd(void **state) {
    (void)state;
    enum { DRAWS = 20000 };
    uint64_t rate = 281474977; /* 1e-6 */
    struct ob_spsa_rule rule = {
        .code = {96, 127}, .combine = OB_SPSA_SUM, .rounds_per_rate = 1, .rate_count = 1, .rates = &rate};
    const struct ob_spsa_tensor tensor = {100, 21, 0}; /* 1e-6 · 1.0905 · 2^21 = 2.287 */
    uint8_t plus = 97, minus = 97 | 0x80;
    struct ob_spsa_update up = {.live = 1, .n = 1, .bytes = &plus},
                          down = {.live = 1, .n = 1, .bytes = &minus};
    double sum = 0;
    for (uint64_t s = 0; s < DRAWS; s++) {
        struct ob_spsa_key key = ob_spsa_direction_key(&rule.run, &up.machine, (struct ob_sample){s});
        int32_t q = ob_spsa_step(&rule, &up, 0, &key, &tensor, 0);
        assert_int_equal(ob_spsa_step(&rule, &down, 0, &key, &tensor, 0), -q);
        assert_true(q == 2 || q == 3);
        sum += q;
    }
    assert_true(fabs(sum / DRAWS - 1e-6 * exp2(1.0 / 8) * exp2(21)) < 5 * 0.5 / sqrt(DRAWS));
}

static void rate_follows_combine_and_schedule(void **state) {
    (void)state;
    uint64_t rates[2] = {1000, 500};
    struct ob_spsa_rule rule = {
        .combine = OB_SPSA_CAPPED, .s0 = 8, .rounds_per_rate = 10, .rate_count = 2, .rates = rates};
    const unsigned __int128 one = (unsigned __int128)1 << 32;
    assert_true(ob_spsa_rate(&rule, (struct ob_round){0}, 2, 4) == 1000 * one);
    assert_true(ob_spsa_rate(&rule, (struct ob_round){9}, 4, 4) == 500 * one);
    assert_true(ob_spsa_rate(&rule, (struct ob_round){10}, 2, 4) == 500 * one);
    assert_true(ob_spsa_rate(&rule, (struct ob_round){100000}, 2, 4) == 500 * one);
    rule.combine = OB_SPSA_MEAN;
    assert_true(ob_spsa_rate(&rule, (struct ob_round){0}, 4, 4) == 250 * one);
    rule.combine = OB_SPSA_SQRT;
    assert_true(ob_spsa_rate(&rule, (struct ob_round){0}, 4, 4) == 500 * one);
    assert_true(ob_spsa_rate(&rule, (struct ob_round){0}, 1, 4) == 1000 * one);
    assert_true(ob_spsa_rate(&rule, (struct ob_round){0}, 3, 4) == 1000 * (unsigned __int128)2479700524u);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(probe_mean_is_the_gradient),
        cmocka_unit_test(encode_is_unbiased),
        cmocka_unit_test(encode_edges),
        cmocka_unit_test(probe_abstains_when_a_loss_is_not_finite),
        cmocka_unit_test(probe_clips),
        cmocka_unit_test(step_is_unbiased_and_odd),
        cmocka_unit_test(rate_follows_combine_and_schedule),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
