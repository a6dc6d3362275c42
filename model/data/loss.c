#include "model/data/loss.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

enum ob_err ob_task_init(struct ob_task *task, size_t sequences_max, struct ob_error *error) {
    *task = (struct ob_task){.sums = calloc(2 * sequences_max, sizeof *task->sums),
                             .counts = calloc(2 * sequences_max, sizeof *task->counts),
                             .sequences_max = sequences_max,
                             .parts = calloc(sequences_max, sizeof *task->parts)};
    if (task->sums != NULL && task->counts != NULL && task->parts != NULL)
        return OB_OK;
    ob_task_done(task);
    return ob_fail(error, OB_ENOMEM, "not enough memory for the losses of %zu sequences", sequences_max);
}

void ob_task_done(struct ob_task *task) {
    free(task->sums);
    free(task->counts);
    free(task->parts);
    *task = (struct ob_task){0};
}

/* The candidates of one group. */
struct group {
    const double *sums;
    const uint32_t *counts;
    size_t count, label;
};

/* Log-likelihood of a candidate per target token: s_c. */
static double likelihood(const struct group *group, size_t candidate) {
    assert(group->counts[candidate] > 0);
    return -group->sums[candidate] / (double)group->counts[candidate];
}

/* *ret_right: no candidate is likelier than the label. */
static double group_loss(const struct group *group, bool *ret_right) {
    double label = likelihood(group, group->label), best = label, sum = 0;
    for (size_t c = 0; c < group->count; c++) {
        double value = likelihood(group, c);
        best = value > best ? value : best;
    }
    for (size_t c = 0; c < group->count; c++)
        sum += exp(likelihood(group, c) - best);
    *ret_right = !(best > label);
    return best + log(sum) - label;
}

/* Group g of the batch; sums and counts begin with its first candidate. */
static struct group group_of(const struct ob_batch *batch, size_t g, const double *sums,
                             const uint32_t *counts) {
    return (struct group){.sums = sums,
                          .counts = counts,
                          .count = batch->group_first[g + 1] - batch->group_first[g],
                          .label = batch->labels[g]};
}

/* ---- parts ---- */

static size_t first_sequence(const struct ob_batch *batch, size_t item) {
    return batch->groups > 0 ? batch->group_first[item] : item;
}

/* One side of a part: from its sequences' sums to its items'. Returns how many sequences there were. */
static size_t fold_items(const struct ob_batch *batch, const struct ob_task_part *part, const double *sums,
                         const uint32_t *counts, struct ob_item_loss *ret_losses) {
    size_t from = first_sequence(batch, part->first_item);
    for (size_t i = 0; i < part->items; i++) {
        size_t at = first_sequence(batch, part->first_item + i) - from;
        struct group group = {0};
        bool right;
        if (batch->groups > 0)
            group = group_of(batch, part->first_item + i, sums + at, counts + at);
        ret_losses[i] = batch->groups > 0 ? (struct ob_item_loss){group_loss(&group, &right), 1}
                                          : (struct ob_item_loss){sums[at], counts[at]};
    }
    return first_sequence(batch, part->first_item + part->items) - from;
}

enum ob_err ob_task_part_losses(struct ob_task *task, struct ob_forward *forward,
                                const struct ob_weight_source *source, const struct ob_batch *batch,
                                const struct ob_task_part *parts, size_t part_count,
                                struct ob_item_loss *ret_losses, struct ob_error *error) {
    size_t sequences = 0;
    assert(part_count <= task->sequences_max);
    for (size_t p = 0; p < part_count; p++) {
        size_t first = first_sequence(batch, parts[p].first_item);
        size_t end = first_sequence(batch, parts[p].first_item + parts[p].items);
        assert(first < end && end <= batch->sequences);
        task->parts[p] = (struct ob_forward_part){.key = parts[p].key,
                                                  .one_sided = parts[p].one_sided,
                                                  .first_sequence = first,
                                                  .sequences = end - first};
        sequences += end - first;
    }
    assert(sequences <= task->sequences_max);
    enum ob_err failed =
        ob_forward_parts(forward, source, batch, task->parts, part_count, task->sums, task->counts, error);
    for (size_t p = 0, at = 0; p < part_count && !failed; p++)
        for (size_t side = 0; side < ob_task_part_sides(&parts[p]); side++) {
            at += fold_items(batch, &parts[p], task->sums + at, task->counts + at, ret_losses);
            ret_losses += parts[p].items;
        }
    return failed;
}

double ob_item_losses_mean(const struct ob_item_loss *losses, size_t count) {
    double sum = 0, weight = 0;
    for (size_t i = 0; i < count; i++) {
        sum += losses[i].sum;
        weight += losses[i].count;
    }
    return weight > 0 ? sum / weight : (double)NAN;
}

/* ---- the whole mini-batch ---- */

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
        for (size_t g = 0; g < batch->groups; g++) {
            size_t first = batch->group_first[g];
            struct group group =
                group_of(batch, g, task->sums + lane * batch->sequences + first, task->counts + first);
            sum += group_loss(&group, &right);
        }
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
        size_t first = batch->group_first[g], label = first + batch->labels[g];
        struct group group = group_of(batch, g, task->sums + first, task->counts + first);
        score->group_loss += group_loss(&group, &right);
        score->right += right;
        score->token_loss += task->sums[label];
        score->targets += task->counts[label];
    }
    score->groups += batch->groups;
    return OB_OK;
}
