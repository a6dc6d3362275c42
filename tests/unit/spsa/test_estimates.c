/* One-sided estimates on a quadratic whose curvature stands out: what they have in common is gone, their mean is the
 * gradient, and the same statistics catch estimates that are not centred, or centred on themselves. */
#include "tests/unit/cmocka_all.h"

#include <math.h>
#include <stdlib.h>

#include "spsa/direction.h"
#include "spsa/estimates.h"

enum { SIZE = 8, PASS_MAX = 64 };

static const double CURVATURE[SIZE] = {1, 2, 0.5, 3, 1, 0.25, 1, 2};
static const double CENTRE[SIZE] = {0.4, -0.2, 0.9, 0.05, -0.6, 1.5, 0.3, -0.1};

/* L(w) = sum of a (w - c)² / 2 at w = εz or 0: the gradient at 0 is -a c. */
static double loss_at(double epsilon, const double *z) {
    double loss = 0;
    for (int i = 0; i < SIZE; i++)
        loss += 0.5 * CURVATURE[i] * (epsilon * z[i] - CENTRE[i]) * (epsilon * z[i] - CENTRE[i]);
    return loss;
}

static void direction_of(uint64_t sample, double *z) {
    struct ob_run_id run = {{{1}}};
    struct ob_machine_id machine = {{2}};
    struct ob_spsa_key key = ob_spsa_direction_key(&run, &machine, (struct ob_sample){sample});
    uint8_t bits[64];
    ob_spsa_direction_bits(&key, 0, 0, 1, bits);
    for (int i = 0; i < SIZE; i++)
        z[i] = bits[0] >> i & 1 ? -1.0 : 1.0;
}

/* How a pass becomes its estimates. */
typedef void (*estimate_fn)(const struct ob_spsa_sides *losses, size_t count, double epsilon, double *ret_g);

static void not_centred(const struct ob_spsa_sides *losses, size_t count, double epsilon, double *ret_g) {
    for (size_t k = 0; k < count; k++)
        ret_g[k] = (losses[k].plus - losses[k].centre) / epsilon;
}

static void centred_on_all(const struct ob_spsa_sides *losses, size_t count, double epsilon, double *ret_g) {
    double mean = 0;
    not_centred(losses, count, epsilon, ret_g);
    for (size_t k = 0; k < count; k++)
        mean += ret_g[k] / (double)count;
    for (size_t k = 0; k < count; k++)
        ret_g[k] -= mean;
}

/* Over many passes: the estimates' mean and variance, and of their products with z the largest distance from the
 * gradient, in standard errors of the mean. */
struct found {
    double mean, mean_error, variance, gradient_distance;
};

static struct found run(estimate_fn estimate, size_t pass, double epsilon) {
    enum { PASSES = 2000 };
    static double z[PASS_MAX][SIZE], g[PASS_MAX];
    struct ob_spsa_sides losses[PASS_MAX];
    double sum = 0, squares = 0, products[SIZE] = {0}, product_squares[SIZE] = {0}, zero[SIZE] = {0};
    double count = (double)PASSES * (double)pass;
    for (uint64_t p = 0; p < PASSES; p++) {
        for (size_t k = 0; k < pass; k++) {
            direction_of(p * pass + k, z[k]);
            losses[k] =
                (struct ob_spsa_sides){.plus = loss_at(epsilon, z[k]), .centre = loss_at(epsilon, zero)};
        }
        estimate(losses, pass, epsilon, g);
        for (size_t k = 0; k < pass; k++) {
            sum += g[k];
            squares += g[k] * g[k];
            for (int i = 0; i < SIZE; i++) {
                products[i] += g[k] * z[k][i];
                product_squares[i] += g[k] * g[k];
            }
        }
    }
    struct found found = {.mean = sum / count};
    found.variance = squares / count - found.mean * found.mean;
    found.mean_error = sqrt(found.variance / count);
    for (int i = 0; i < SIZE; i++) {
        double mean = products[i] / count, error = sqrt((product_squares[i] / count - mean * mean) / count);
        found.gradient_distance =
            fmax(found.gradient_distance, fabs(mean + CURVATURE[i] * CENTRE[i]) / error);
    }
    return found;
}

static void one_sided_mean_is_unbiased(void **state) {
    (void)state;
    struct found centred = run(ob_spsa_one_sided, PASS_MAX, 0.5), plain = run(not_centred, PASS_MAX, 0.5);
    assert_true(fabs(centred.mean) < 5 * centred.mean_error);
    assert_true(fabs(plain.mean) > 5 * plain.mean_error); /* the test can fail */
    assert_true(centred.gradient_distance < 5);
}

/* What goes into a weight is g z: its spread is that of g about zero. */
static void one_sided_loses_the_offset(void **state) {
    (void)state;
    struct found centred = run(ob_spsa_one_sided, PASS_MAX, 0.5), plain = run(not_centred, PASS_MAX, 0.5);
    double offset = 0.5 * 0.5 * 10.75; /* ½ ε tr H */
    assert_true(fabs(plain.mean - offset) < 5 * plain.mean_error);
    assert_true(centred.variance + centred.mean * centred.mean <
                1.05 * (plain.variance + plain.mean * plain.mean - offset * offset));
}

static void one_sided_leaves_itself_out(void **state) {
    (void)state;
    assert_true(run(ob_spsa_one_sided, 4, 0.5).gradient_distance < 5);
    assert_true(run(centred_on_all, 4, 0.5).gradient_distance > 5); /* it shrinks by a quarter */
}

/* An offset that drowns is left alone: a plain mean of three others would add a third. */
static void one_sided_adds_no_noise(void **state) {
    (void)state;
    double plain = run(not_centred, 4, 1e-3).variance;
    assert_true(run(ob_spsa_one_sided, 4, 1e-3).variance < 1.2 * plain);
    assert_true(run(ob_spsa_one_sided, PASS_MAX, 1e-3).variance < 1.01 * plain);
}

static void one_sided_passes_over_what_is_not_finite(void **state) {
    (void)state;
    struct ob_spsa_sides losses[8], others[7];
    double g[8], expected[7];
    for (int k = 0, at = 0; k < 8; k++) {
        losses[k] = (struct ob_spsa_sides){.plus = 2 + 0.01 * k * k, .centre = 1};
        if (k == 3)
            losses[k].plus = INFINITY;
        else
            others[at++] = losses[k];
    }
    ob_spsa_one_sided(losses, 8, 0.1, g);
    ob_spsa_one_sided(others, 7, 0.1, expected);
    assert_true(isnan(g[3]));
    for (int k = 0; k < 7; k++)
        assert_true(fabs(g[k < 3 ? k : k + 1] - expected[k]) < 1e-12);
    ob_spsa_one_sided(losses, 1, 0.1, g);
    assert_true(fabs(g[0] - 10) < 1e-9); /* nobody to be centred on */
}

static void two_sided_is_the_difference(void **state) {
    (void)state;
    const struct ob_spsa_sides losses[2] = {{.plus = 3, .minus = 2}, {.plus = NAN, .minus = 2}};
    double g[2];
    ob_spsa_two_sided(losses, 2, 0.25, g);
    assert_true(fabs(g[0] - 2) < 1e-12);
    assert_true(isnan(g[1]));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_sided_mean_is_unbiased),
        cmocka_unit_test(one_sided_loses_the_offset),
        cmocka_unit_test(one_sided_leaves_itself_out),
        cmocka_unit_test(one_sided_adds_no_noise),
        cmocka_unit_test(one_sided_passes_over_what_is_not_finite),
        cmocka_unit_test(two_sided_is_the_difference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
