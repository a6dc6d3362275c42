#include "model/data/loss.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

enum ob_err ob_task_init(struct ob_task *task, size_t sequences_max, struct ob_error *error) {
    *task = (struct ob_task){.sums = calloc(2 * sequences_max, sizeof *task->sums),
                             .counts = calloc(sequences_max, sizeof *task->counts),
                             .sequences_max = sequences_max};
    if (task->sums != NULL && task->counts != NULL)
        return OB_OK;
    ob_task_done(task);
    return ob_fail(error, OB_ENOMEM, "not enough memory for the losses of %zu sequences", sequences_max);
}

void ob_task_done(struct ob_task *task) {
    free(task->sums);
    free(task->counts);
    *task = (struct ob_task){0};
}

/* Log-likelihood of a sequence per target token: s_c. */
static double likelihood(const struct ob_task *task, const double *sums, size_t sequence) {
    assert(task->counts[sequence] > 0);
    return -sums[sequence] / (double)task->counts[sequence];
}

/* The loss of one group; *ret_right: no candidate is likelier than the label. */
static double group_loss(const struct ob_task *task, const double *sums, const struct ob_batch *batch,
                         size_t g, bool *ret_right) {
    size_t first = batch->group_first[g], end = batch->group_first[g + 1];
    double label = likelihood(task, sums, first + batch->labels[g]), best = label, sum = 0;
    for (size_t s = first; s < end; s++) {
        double value = likelihood(task, sums, s);
        best = value > best ? value : best;
    }
    for (size_t s = first; s < end; s++)
        sum += exp(likelihood(task, sums, s) - best);
    *ret_right = !(best > label);
    return best + log(sum) - label;
}

enum ob_err ob_task_losses(struct ob_task *task, struct ob_forward *forward,
                           const struct ob_weight_source *source, const struct ob_batch *batch,
                           double *ret_losses, struct ob_error *error) {
    if (batch->groups == 0)
        return ob_forward_losses(forward, source, batch, ret_losses, error);
    assert(batch->sequences <= task->sequences_max && batch->group_first[batch->groups] == batch->sequences);
    enum ob_err failed = ob_forward_sequence_losses(forward, source, batch, task->sums, task->counts, error);
    for (unsigned lane = 0; !failed && lane < ob_source_lanes(source); lane++) {
        double sum = 0;
        bool right;
        for (size_t g = 0; g < batch->groups; g++)
            sum += group_loss(task, task->sums + lane * batch->sequences, batch, g, &right);
        ret_losses[lane] = sum / (double)batch->groups;
    }
    return failed;
}

enum ob_err ob_task_add_score(struct ob_task *task, struct ob_forward *forward,
                              const struct ob_weight_source *source, const struct ob_batch *batch,
                              struct ob_task_score *score, struct ob_error *error) {
    assert(batch->sequences <= task->sequences_max);
    enum ob_err failed = ob_forward_sequence_losses(forward, source, batch, task->sums, task->counts, error);
    if (failed)
        return failed;
    for (size_t s = 0; batch->groups == 0 && s < batch->sequences; s++) {
        score->token_loss += task->sums[s];
        score->targets += task->counts[s];
    }
    for (size_t g = 0; g < batch->groups; g++) {
        bool right = false;
        size_t label = batch->group_first[g] + batch->labels[g];
        score->group_loss += group_loss(task, task->sums, batch, g, &right);
        score->right += right;
        score->token_loss += task->sums[label];
        score->targets += task->counts[label];
    }
    score->groups += batch->groups;
    return OB_OK;
}
