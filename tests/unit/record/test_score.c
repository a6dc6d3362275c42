#include "tests/unit/cmocka_all.h"

#include <math.h>

#include "record/score.h"

/* By hand: losses 2 over 1, 6 over 2, 4 over 1 units: L = 12/4 = 3; residuals -1, 0, 1: sqrt(2 * 3/2) / 4. */
static void loss_and_error_are_those_of_a_ratio(void **state) {
    (void)state;
    struct ob_score score = {0};
    ob_score_item(&score, 2, 1);
    assert_true(isnan(ob_score_loss_error(&score)));
    ob_score_item(&score, 6, 2);
    ob_score_item(&score, 4, 1);
    assert_true(ob_score_plausible(&score));
    assert_float_equal(ob_score_loss(&score), 3, 1e-12);
    assert_float_equal(ob_score_loss_error(&score), sqrt(3) / 4, 1e-12);
    assert_true(isnan(ob_score_accuracy(&score)));
}

static void sums_of_machines_are_those_of_all_items(void **state) {
    (void)state;
    struct ob_score a = {0}, b = {0}, all = {0};
    for (unsigned i = 0; i < 20; i++) {
        double loss = 1.5 + 0.1 * (i % 7);
        ob_score_item(i % 3 ? &a : &b, loss * (1 + i % 4), 1 + i % 4);
        ob_score_item(&all, loss * (1 + i % 4), 1 + i % 4);
    }
    ob_score_add(&a, &b);
    assert_float_equal(ob_score_loss(&a), ob_score_loss(&all), 1e-12);
    assert_float_equal(ob_score_loss_error(&a), ob_score_loss_error(&all), 1e-12);
    a.choices = 20;
    a.right = 15;
    assert_float_equal(ob_score_accuracy(&a), 0.75, 1e-12);
    assert_float_equal(ob_score_accuracy_error(&a), sqrt(0.75 * 0.25 / 19), 1e-12);
}

static void sums_that_no_rows_give_are_not_plausible(void **state) {
    (void)state;
    struct ob_score good = {0};
    ob_score_item(&good, 2, 1);
    ob_score_item(&good, 6, 2);
    assert_true(ob_score_plausible(&good));
    struct ob_score bad[12];
    for (size_t i = 0; i < 12; i++)
        bad[i] = good;
    bad[0].items = 0;
    bad[1].items = UINT64_MAX;
    bad[2].units = 1;
    bad[3].units = UINT64_MAX;
    bad[4].loss = NAN;
    bad[5].loss = -1;
    bad[6].loss = INFINITY;
    bad[7].loss_square = 1;
    bad[8].loss_square = 1e9;
    bad[9].loss_units = 1e9;
    bad[10].right = 1;
    bad[11].units_square = 1e300;
    for (size_t i = 0; i < 12; i++)
        assert_false(ob_score_plausible(&bad[i]));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loss_and_error_are_those_of_a_ratio),
        cmocka_unit_test(sums_of_machines_are_those_of_all_items),
        cmocka_unit_test(sums_that_no_rows_give_are_not_plausible),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
