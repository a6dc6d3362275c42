#include "model/forward/batch.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum ob_err ob_batch_new(size_t sequences_max, size_t tokens_max, struct ob_batch **ret_batch,
                         struct ob_error *error) {
    assert(sequences_max > 0 && tokens_max > 0);
    struct ob_batch *batch = calloc(1, sizeof *batch);
    if (batch) {
        batch->sequences_max = sequences_max;
        batch->tokens_max = tokens_max;
        batch->offsets = calloc(sequences_max + 1, sizeof *batch->offsets);
        batch->tokens = calloc(tokens_max, sizeof *batch->tokens);
        batch->loss_mask = calloc(tokens_max, sizeof *batch->loss_mask);
        batch->group_first = calloc(sequences_max + 1, sizeof *batch->group_first);
        batch->labels = calloc(sequences_max, sizeof *batch->labels);
    }
    if (!batch || !batch->offsets || !batch->tokens || !batch->loss_mask || !batch->group_first ||
        !batch->labels) {
        ob_batch_free(batch);
        return ob_fail(error, OB_ENOMEM, "not enough memory for a mini-batch of %zu tokens", tokens_max);
    }
    *ret_batch = batch;
    return OB_OK;
}

void ob_batch_free(struct ob_batch *batch) {
    if (!batch)
        return;
    free(batch->offsets);
    free(batch->tokens);
    free(batch->loss_mask);
    free(batch->group_first);
    free(batch->labels);
    free(batch);
}

void ob_batch_clear(struct ob_batch *batch) {
    batch->sequences = batch->tokens_used = batch->groups = 0;
}

/* Room for a sequence, which the caller fills: its place, or NULL. */
static int32_t *open_sequence(struct ob_batch *batch, size_t count) {
    assert(count > 0);
    if (batch->sequences == batch->sequences_max || count > batch->tokens_max - batch->tokens_used)
        return NULL;
    int32_t *place = batch->tokens + batch->tokens_used;
    batch->tokens_used += count;
    batch->offsets[++batch->sequences] = (uint32_t)batch->tokens_used;
    return place;
}

bool ob_batch_add(struct ob_batch *batch, const int32_t *tokens, size_t count, size_t first_target) {
    int32_t *place = open_sequence(batch, count);
    if (place == NULL)
        return false;
    memcpy(place, tokens, count * sizeof *tokens);
    for (size_t i = 0; i < count; i++)
        batch->loss_mask[batch->tokens_used - count + i] = i > 0 && i >= first_target;
    return true;
}

bool ob_batch_add_marked(struct ob_batch *batch, const int32_t *tokens, const uint8_t *loss_mask,
                         size_t count) {
    int32_t *place = open_sequence(batch, count);
    if (place == NULL)
        return false;
    memcpy(place, tokens, count * sizeof *tokens);
    memcpy(batch->loss_mask + batch->tokens_used - count, loss_mask, count);
    batch->loss_mask[batch->tokens_used - count] = 0;
    return true;
}

void ob_batch_end_group(struct ob_batch *batch, size_t label) {
    size_t first = batch->group_first[batch->groups], count = batch->sequences - first;
    assert(count >= 2 && label < count);
    batch->labels[batch->groups] = (uint32_t)label;
    batch->group_first[++batch->groups] = (uint32_t)batch->sequences;
}

void ob_batch_drop_open(struct ob_batch *batch) {
    batch->sequences = batch->group_first[batch->groups];
    batch->tokens_used = batch->offsets[batch->sequences];
}

struct ob_batch_mark ob_batch_mark(const struct ob_batch *batch) {
    return (struct ob_batch_mark){.sequences = batch->sequences, .groups = batch->groups};
}

void ob_batch_rewind(struct ob_batch *batch, struct ob_batch_mark mark) {
    assert(mark.sequences <= batch->sequences && mark.groups <= batch->groups);
    batch->sequences = mark.sequences;
    batch->groups = mark.groups;
    batch->tokens_used = batch->offsets[mark.sequences];
}

size_t ob_batch_targets(const struct ob_batch *batch) {
    size_t targets = 0;
    for (size_t i = 0; i < batch->tokens_used; i++)
        targets += batch->loss_mask[i] != 0;
    return targets;
}
