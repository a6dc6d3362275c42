/* Which tokens of a mini-batch go through the layers. A token is needed only if a later one of its sequence is a
 * target; tokens after the last target are left out. A sequence whose needed tokens repeat the beginning of the
 * one before it is not computed again: under causal attention its states are the same, so candidates of one token
 * cost no more than their prompt. */
#include <assert.h>
#include <string.h>

#include "model/forward/pass.h"

/* The place of a sequence's first token among the inputs: `count` tokens of a sequence of `length`. */
static size_t add_inputs(struct ob_pass *pass, const int32_t *tokens, size_t count, size_t length) {
    struct ob_forward *f = pass->forward;
    bool is_long = f->long_row > 0 && (double)length > f->config.rope.original_context;
    uint32_t row = is_long ? f->long_row : 0;
    if (pass->sequences > 0) {
        size_t before = f->starts[pass->sequences - 1];
        if (count <= pass->tokens - before && f->positions[before] == row &&
            memcmp(f->inputs + before, tokens, count * sizeof *tokens) == 0)
            return before;
    }
    size_t first = pass->tokens;
    memcpy(f->inputs + first, tokens, count * sizeof *tokens);
    for (size_t i = 0; i < count; i++)
        f->positions[first + i] = row + (uint32_t)i;
    pass->tokens += count;
    f->starts[++pass->sequences] = (uint32_t)pass->tokens;
    return first;
}

void ob_pass_pack(struct ob_pass *pass, const struct ob_batch *batch) {
    struct ob_forward *f = pass->forward;
    pass->tokens = pass->sequences = pass->target_count = 0;
    f->starts[0] = 0;
    for (size_t s = 0; s < batch->sequences; s++) {
        size_t begin = batch->offsets[s], last = batch->offsets[s + 1] - 1;
        while (last > begin && !batch->loss_mask[last])
            last--;
        f->targets_of[s] = (uint32_t)pass->target_count;
        f->packed_of[s] = (uint32_t)pass->sequences; /* the next one, when it has no target */
        if (last == begin)
            continue; /* no target */
        size_t first = add_inputs(pass, batch->tokens + begin, last - begin, batch->offsets[s + 1] - begin);
        f->packed_of[s] = (uint32_t)pass->sequences - 1;
        for (size_t p = begin + 1; p <= last; p++)
            if (batch->loss_mask[p]) {
                f->target_rows[pass->target_count] = (uint32_t)(first + p - 1 - begin);
                f->targets[pass->target_count++] = batch->tokens[p];
            }
    }
    f->targets_of[batch->sequences] = (uint32_t)pass->target_count;
}

void ob_pass_pack_until(struct ob_pass *pass, const struct ob_batch *batch, size_t position) {
    size_t s = 0;
    while (batch->offsets[s + 1] <= position)
        s++;
    assert(s < batch->sequences);
    size_t begin = batch->offsets[s];
    pass->tokens = pass->sequences = 0;
    pass->forward->starts[0] = 0;
    (void)add_inputs(pass, batch->tokens + begin, position + 1 - begin, position + 1 - begin);
    pass->forward->target_rows[0] = (uint32_t)(position - begin);
    pass->target_count = 1;
}
