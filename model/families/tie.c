#include "model/families/tie.h"

#include <string.h>

#define BLOCK 4096 /* elements compared at a time */

static int64_t find(const struct ob_family *family, const struct ob_checkpoint *checkpoint,
                    const char *name) {
    size_t prefix = strlen(family->optional_prefix);
    int64_t at = ob_checkpoint_find(checkpoint, name);
    if (at < 0 && strncmp(name, family->optional_prefix, prefix) == 0)
        at = ob_checkpoint_find(checkpoint, name + prefix);
    return at;
}

static int64_t find_slot(const struct ob_family *family, const struct ob_checkpoint *checkpoint,
                         enum ob_slot slot) {
    int64_t at = -1;
    for (size_t i = 0; i < family->tensor_count && at < 0; i++)
        if (family->tensors[i].slot == slot)
            at = find(family, checkpoint, family->tensors[i].name);
    if (at < 0 && slot == OB_SLOT_HEAD && family->head_alias)
        at = ob_checkpoint_find(checkpoint, family->head_alias);
    return at;
}

int64_t ob_family_locate(const struct ob_model_config *config, const struct ob_checkpoint *checkpoint,
                         enum ob_slot slot, const char *name) {
    if (slot == OB_SLOT_HEAD)
        return find_slot(config->family, checkpoint, slot);
    int64_t at = find(config->family, checkpoint, name);
    if (at < 0 && slot == OB_SLOT_TOKENS && config->tied)
        at = find_slot(config->family, checkpoint, OB_SLOT_HEAD);
    return at;
}

static bool same_values(const struct ob_checkpoint_tensor *a, const struct ob_checkpoint_tensor *b) {
    float x[BLOCK], y[BLOCK];
    if (a->dtype == b->dtype && !a->rows && !b->rows)
        return memcmp(a->data, b->data, (size_t)ob_checkpoint_tensor_bytes(a)) == 0;
    for (uint64_t at = 0; at < a->elements; at += BLOCK) {
        size_t count = a->elements - at < BLOCK ? (size_t)(a->elements - at) : BLOCK;
        ob_checkpoint_read(a, at, count, x);
        ob_checkpoint_read(b, at, count, y);
        if (memcmp(x, y, count * sizeof *x) != 0)
            return false;
    }
    return true;
}

/* Two that cannot be compared differ: assembling the model says what is wrong with either. */
static bool is_copy(const struct ob_checkpoint_tensor *head, const struct ob_checkpoint_tensor *tokens) {
    bool comparable = head->dims == 2 && tokens->dims == 2 && head->shape[0] == tokens->shape[0] &&
                      head->shape[1] == tokens->shape[1] && head->dtype < OB_DTYPE_COUNT &&
                      tokens->dtype < OB_DTYPE_COUNT;
    return comparable && same_values(head, tokens);
}

void ob_family_settle_head(struct ob_model_config *config, const struct ob_checkpoint *checkpoint) {
    if (!config->tied)
        return;
    int64_t tokens = find_slot(config->family, checkpoint, OB_SLOT_TOKENS);
    int64_t head = find_slot(config->family, checkpoint, OB_SLOT_HEAD);
    if (tokens < 0 || head < 0 || is_copy(&checkpoint->tensors[head], &checkpoint->tensors[tokens]))
        return;
    config->tied = false;
    config->parts |= OB_PART_HEAD;
}
