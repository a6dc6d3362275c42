/* batch - a mini-batch: B sequences packed one after another, without padding.
 *
 * Shapes: tokens (T) i32, offsets (B+1) u32 with offsets[0] = 0 and offsets[B] = T, loss_mask (T) u8:
 * loss_mask[p] != 0 when the token at position p is a target: it is predicted from position p-1 of the same
 * sequence, so the first token of a sequence is never a target.
 * Owns: its arrays, of fixed capacity from ob_batch_new. */
#ifndef OB_MODEL_FORWARD_BATCH_H
#define OB_MODEL_FORWARD_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct ob_batch {
    size_t sequences, tokens_used; /* B, T */
    size_t sequences_max, tokens_max;
    uint32_t *offsets;
    int32_t *tokens;
    uint8_t *loss_mask;
    size_t groups;         /* G; 0: no choices */
    uint32_t *group_first; /* group g is sequences [group_first[g], group_first[g+1]) */
    uint32_t *labels;      /* (G) the right one, counted from the group's first sequence */
};

OB_MUST_USE enum ob_err ob_batch_new(size_t sequences_max, size_t tokens_max, struct ob_batch **ret_batch,
                                     struct ob_error *error);
void ob_batch_free(struct ob_batch *batch);
void ob_batch_clear(struct ob_batch *batch);
/* False if the sequence no longer fits. Targets are tokens [first_target, count), never token 0. */
bool ob_batch_add(struct ob_batch *batch, const int32_t *tokens, size_t count, size_t first_target);
/* The same with the targets marked one by one; the mark of token 0 is ignored. */
bool ob_batch_add_marked(struct ob_batch *batch, const int32_t *tokens, const uint8_t *loss_mask,
                         size_t count);
/* Makes a group of the sequences added since the last group: at least two. */
void ob_batch_end_group(struct ob_batch *batch, size_t label);
/* Removes the sequences added since the last group. */
void ob_batch_drop_open(struct ob_batch *batch);
/* What was added since a mark is removed again; no group may be open at either. */
struct ob_batch_mark {
    size_t sequences, groups;
};
struct ob_batch_mark ob_batch_mark(const struct ob_batch *batch);
void ob_batch_rewind(struct ob_batch *batch, struct ob_batch_mark mark);
size_t ob_batch_targets(const struct ob_batch *batch);

#endif
