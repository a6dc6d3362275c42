/* loss - the training loss of a mini-batch, and how well a model does on one.
 *
 * Without groups the loss is the mean cross-entropy over all targets. With groups (choices) it is, as in
 * MeZO, the mean over the groups of the cross-entropy of a softmax over the candidates' log-likelihoods, each
 * taken per token:
 *     s_c  = mean of log p(token) over the targets of candidate c
 *     loss = log sum_c exp(s_c) - s_label
 * A group is answered right when no candidate has a higher s_c than its label.
 *
 * Units:   nats.
 * Shapes:  losses (lanes).
 * Errors:  those of model/forward/forward.h.
 * Owns:    struct ob_task its scratch, for mini-batches of at most so many sequences, or parts that have so many
 *          together; done accepts a zeroed one.
 * Threads: one call at a time for each task.
 * Source:  MeZO (Malladi et al. 2023), its classification loss. */
#ifndef OB_MODEL_DATA_LOSS_H
#define OB_MODEL_DATA_LOSS_H

#include "model/forward/forward.h"

struct ob_task {
    double *sums; /* (2, sequences_max), as counts */
    uint32_t *counts;
    size_t sequences_max;
    struct ob_forward_part *parts; /* (sequences_max) */
};

/* Some items of a mini-batch (sequences, or groups where there are any) along a direction: both sides of it, one, or,
 * without a key, the weights as they are. Parts may overlap. */
struct ob_task_part {
    const struct ob_spsa_key *key; /* NULL: w */
    bool one_sided;                /* w + εσz alone */
    size_t first_item, items;
};

/* The loss of one item, as a sum: of a sequence's targets, or of one group. Means weigh by `count`. */
struct ob_item_loss {
    double sum;
    uint32_t count; /* targets; of a group 1 */
};

/* Sums over any number of mini-batches; zero at the start. */
struct ob_task_score {
    double token_loss; /* over all targets; of groups those of the right candidates */
    uint64_t targets;
    double group_loss; /* over all groups */
    uint64_t groups, right;
};

OB_MUST_USE enum ob_err ob_task_init(struct ob_task *task, size_t sequences_max, struct ob_error *error);
void ob_task_done(struct ob_task *task);

/* Each item's loss, for each part in turn, for each of its sides (plus, minus). The parts' sequences are together at
 * most sequences_max. The source's own key is not looked at. */
OB_MUST_USE enum ob_err ob_task_part_losses(struct ob_task *task, struct ob_forward *forward,
                                            const struct ob_weight_source *source,
                                            const struct ob_batch *batch, const struct ob_task_part *parts,
                                            size_t part_count, struct ob_item_loss *ret_losses,
                                            struct ob_error *error);
/* The loss of a mini-batch of these items; NAN when none has a target. */
double ob_item_losses_mean(const struct ob_item_loss *losses, size_t count);
static inline size_t ob_task_part_sides(const struct ob_task_part *part) {
    return part->key && !part->one_sided ? 2 : 1;
}
/* ret_losses: one value for each lane of the source. */
OB_MUST_USE enum ob_err ob_task_losses(struct ob_task *task, struct ob_forward *forward,
                                       const struct ob_weight_source *source, const struct ob_batch *batch,
                                       double *ret_losses, struct ob_error *error);
/* Adds to the score; lane 0. Untouched on failure. */
OB_MUST_USE enum ob_err ob_task_add_score(struct ob_task *task, struct ob_forward *forward,
                                          const struct ob_weight_source *source, const struct ob_batch *batch,
                                          struct ob_task_score *score, struct ob_error *error);

#endif
