/* tr CH of a quadratic from second differences, with an error that is what it says. */
#include "tests/unit/cmocka_all.h"

#include <math.h>

#include "spsa/curvature.h"
#include "tests/support/random.h"

static double uniform(struct test_random *random) {
    return (double)(test_random_next(random) >> 11) * 0x1p-53;
}

/* L = ½ h x² + n along one direction: c = h + noise of the losses. */
static struct ob_spsa_sides sides_of(double slope, double h, double epsilon, struct test_random *random,
                                     double noise) {
    return (struct ob_spsa_sides){
        .plus = 1 + slope * epsilon + 0.5 * h * epsilon * epsilon + noise * (uniform(random) - 0.5),
        .minus = 1 - slope * epsilon + 0.5 * h * epsilon * epsilon + noise * (uniform(random) - 0.5),
        .centre = 1 + noise * (uniform(random) - 0.5)};
}

static void curvature_is_the_mean_with_its_error(void **state) {
    (void)state;
    struct test_random random = {5};
    double squares = 0;
    enum { TRIALS = 400, SAMPLES = 64 };
    for (int trial = 0; trial < TRIALS; trial++) {
        struct ob_spsa_curvature found = {0};
        for (int i = 0; i < SAMPLES; i++) {
            double h = 30 + 40 * (uniform(&random) - 0.5);
            struct ob_spsa_sides sides = sides_of(2, h, 0.01, &random, 1e-4);
            ob_spsa_curvature_add(&found, &sides, 0.01, 1);
        }
        double error = ob_spsa_curvature_error(&found), away = (found.mean - 30) / error;
        squares += away * away;
        assert_true(error > 0.5 && error < 3);
        assert_true(fabs(found.g_square - 4) < 0.1);
    }
    assert_in_range((int)(100 * squares / TRIALS), 80, 125); /* 1 with a deviation of 0.07 */
}

static void curvature_forgets(void **state) {
    (void)state;
    struct test_random random = {6};
    struct ob_spsa_curvature found = {0};
    for (int i = 0; i < 2000; i++) {
        struct ob_spsa_sides sides = sides_of(1, i < 1000 ? 10 : 50, 0.01, &random, 0);
        ob_spsa_curvature_add(&found, &sides, 0.01, 0.99);
    }
    assert_true(fabs(found.mean - 50) < 0.01);
    assert_true(found.weight > 99 && found.weight < 100.1);
}

static void curvature_passes_over_what_is_not_finite(void **state) {
    (void)state;
    struct test_random random = {7};
    struct ob_spsa_curvature found = {0};
    const struct ob_spsa_sides bad[] = {{NAN, 1, 1}, {1, INFINITY, 1}, {1, 1, NAN}};
    struct ob_spsa_sides good = sides_of(1, 10, 0.01, &random, 0);
    assert_true(isinf(ob_spsa_curvature_error(&found)) || isnan(ob_spsa_curvature_error(&found)));
    for (int i = 0; i < 3; i++)
        ob_spsa_curvature_add(&found, &bad[i], 0.01, 1);
    assert_true(found.weight < 0.5);
    ob_spsa_curvature_add(&found, &good, 0.01, 1);
    assert_true(fabs(found.mean - 10) < 1e-6);
    assert_true(isinf(ob_spsa_curvature_error(&found)));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(curvature_is_the_mean_with_its_error),
        cmocka_unit_test(curvature_forgets),
        cmocka_unit_test(curvature_passes_over_what_is_not_finite),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
