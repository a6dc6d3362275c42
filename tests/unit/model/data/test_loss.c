/* Losses of choices against the formula, computed here from the losses of the candidates one by one. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/convert/open_model.h"
#include "model/data/loss.h"
#include "tests/unit/cmocka_all.h"

static struct ob_model *model;
static struct ob_forward *forward;
static struct ob_batch *batch;
static struct ob_task task;
static struct ob_weight_source source;

static int setup(void **state) {
    (void)state;
    struct ob_error error = {0};
    if (ob_model_open(OB_SOURCE_ROOT "/tests/parity/checkpoints/llama-grouped", &model, &error) ||
        ob_forward_new(&model->config, 64, 8, NULL, &forward, &error) ||
        ob_batch_new(8, 64, &batch, &error) || ob_task_init(&task, 8, &error))
        fail_msg("%s", error.text);
    source = (struct ob_weight_source){.model = model};
    return 0;
}

static int teardown(void **state) {
    (void)state;
    ob_task_done(&task);
    ob_batch_free(batch);
    ob_forward_free(forward);
    ob_model_free(model);
    return 0;
}

/* Candidates of lengths that differ: a mean per token and a sum would not agree. */
static const int32_t ROWS[5][6] = {{3, 9, 2, 7}, {3, 9, 5, 1, 8, 4}, {3, 9, 6}, {11, 4, 1, 2}, {11, 4, 7}};
static const size_t COUNTS[5] = {4, 6, 3, 4, 3};

static double alone(size_t row, size_t *ret_targets) {
    double loss = 0;
    ob_batch_clear(batch);
    assert_true(ob_batch_add(batch, ROWS[row], COUNTS[row], 2));
    *ret_targets = ob_batch_targets(batch);
    assert_int_equal(ob_forward_losses(forward, &source, batch, &loss, NULL), OB_OK);
    return loss; /* the mean over its targets */
}

static void fill(uint32_t first_label, uint32_t second_label) {
    ob_batch_clear(batch);
    for (size_t i = 0; i < 3; i++)
        assert_true(ob_batch_add(batch, ROWS[i], COUNTS[i], 2));
    ob_batch_end_group(batch, first_label);
    for (size_t i = 3; i < 5; i++)
        assert_true(ob_batch_add(batch, ROWS[i], COUNTS[i], 2));
    ob_batch_end_group(batch, second_label);
}

static double choice(const double *scores, size_t count, size_t label) {
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += exp(scores[i]);
    return log(sum) - scores[label];
}

static void losses_of_choices_follow_the_formula(void **state) {
    (void)state;
    double scores[5], loss = 0;
    size_t targets[5];
    for (size_t i = 0; i < 5; i++)
        scores[i] = -alone(i, &targets[i]);
    for (uint32_t label = 0; label < 3; label++) {
        fill(label, label % 2);
        assert_int_equal(ob_task_losses(&task, forward, &source, batch, &loss, NULL), OB_OK);
        double expected = 0.5 * (choice(scores, 3, label) + choice(scores + 3, 2, label % 2));
        if (!(fabs(loss - expected) < 1e-5))
            fail_msg("label %u: loss %.8f, expected %.8f", label, loss, expected);
        struct ob_task_score score = {0};
        assert_int_equal(ob_task_add_score(&task, forward, &source, batch, &score, NULL), OB_OK);
        size_t best = scores[0] > scores[1] ? 0 : 1;
        best = scores[2] > scores[best] ? 2 : best;
        size_t right = (size_t)(best == label) + (size_t)((scores[3] > scores[4] ? 0u : 1u) == label % 2);
        assert_int_equal(score.groups, 2);
        assert_int_equal(score.right, right);
        assert_int_equal(score.targets, targets[label] + targets[3 + label % 2]);
        assert_true(fabs(score.group_loss - 2 * expected) < 2e-5);
    }
}

/* Two lanes over frozen tensors: both are the model itself. */
static void losses_of_both_lanes_come_from_one_batch(void **state) {
    (void)state;
    double one = 0, two[2] = {0};
    static const struct ob_spsa_key KEY = {{1, 2, 3}};
    struct ob_spsa_weights nothing = {0};
    int64_t *frozen = calloc(model->tensor_count, sizeof *frozen);
    assert_non_null(frozen);
    for (size_t i = 0; i < model->tensor_count; i++)
        frozen[i] = -1;
    fill(1, 0);
    assert_int_equal(ob_task_losses(&task, forward, &source, batch, &one, NULL), OB_OK);
    struct ob_weight_source pair = {
        .model = model, .weights = &nothing, .trainable = frozen, .key = &KEY, .epsilon = 1e-3f};
    assert_int_equal(ob_source_lanes(&pair), 2);
    assert_int_equal(ob_task_losses(&task, forward, &pair, batch, two, NULL), OB_OK);
    assert_true(fabs(two[0] - one) < 1e-6 && fabs(two[1] - one) < 1e-6);
    free(frozen);
}

static void losses_without_groups_are_the_mean(void **state) {
    (void)state;
    double loss = 0;
    size_t targets;
    double expected = alone(1, &targets);
    assert_int_equal(ob_task_losses(&task, forward, &source, batch, &loss, NULL), OB_OK);
    assert_true(loss >= expected && loss <= expected);
    struct ob_task_score score = {0};
    assert_int_equal(ob_task_add_score(&task, forward, &source, batch, &score, NULL), OB_OK);
    assert_int_equal(score.groups, 0);
    assert_int_equal(score.targets, targets);
    assert_true(fabs(score.token_loss - expected * (double)targets) < 1e-6);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(losses_of_choices_follow_the_formula),
        cmocka_unit_test(losses_of_both_lanes_come_from_one_batch),
        cmocka_unit_test(losses_without_groups_are_the_mean),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
