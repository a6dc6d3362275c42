#include "spsa/replay.h"

#include <assert.h>
#include <stdlib.h>

#include "spsa/kernels.h"
#include "spsa/samples.h"

/* A work item is up to 128 blocks of one tensor; inside, 32 blocks at a time, what the keystream's kernel
 * makes at once: 64 KiB of weights and 128 KiB of keystream for a full group, which stay in the second-level
 * cache. */
#define ITEM_BLOCKS  128
#define CHUNK_BLOCKS 32

struct item {
    uint32_t tensor;
    uint32_t first_block;
    uint32_t blocks;
};

struct replay {
    const struct ob_spsa_engine *engine;
    struct ob_spsa_weights *weights;
    const struct ob_spsa_rule *rule;
    bool undo;
    struct ob_spsa_group group;
    int32_t (*steps)[OB_SPSA_GROUP]; /* one row for each tensor */
    struct item *items;
    size_t item_count;
};

static uint64_t blocks_of(const struct ob_spsa_tensor *tensor) {
    return (tensor->elements + OB_SPSA_BLOCK_ELEMENTS - 1) / OB_SPSA_BLOCK_ELEMENTS;
}

static size_t list_items(const struct ob_spsa_weights *weights, struct item *items) {
    size_t count = 0;
    for (size_t t = 0; t < weights->count; t++) {
        uint64_t blocks = blocks_of(&weights->tensors[t]);
        for (uint64_t at = 0; at < blocks; at += ITEM_BLOCKS, count++) {
            if (!items)
                continue;
            uint64_t left = blocks - at;
            items[count] = (struct item){.tensor = (uint32_t)t,
                                         .first_block = (uint32_t)at,
                                         .blocks = left < ITEM_BLOCKS ? (uint32_t)left : ITEM_BLOCKS};
        }
    }
    return count;
}

static void compute_steps(void *context, size_t tensor, unsigned thread) {
    (void)thread;
    struct replay *replay = context;
    int32_t *steps = replay->steps[tensor];
    ob_spsa_group_steps(replay->rule, &replay->group, &replay->weights->tensors[tensor], (uint32_t)tensor,
                        steps);
    if (replay->undo)
        for (size_t i = 0; i < replay->group.count; i++)
            steps[i] = -steps[i];
}

static void replay_chunk(const struct replay *replay, const struct item *item, uint32_t first_block,
                         size_t blocks) {
    const struct ob_spsa_kernels *kernels = replay->engine->kernels;
    uint8_t stream[OB_SPSA_GROUP][CHUNK_BLOCKS * OB_SPSA_BLOCK_BYTES + OB_SPSA_BITS_SLACK];
    const uint8_t *bits[OB_SPSA_GROUP];
    int32_t q[OB_SPSA_GROUP];
    size_t count = 0;
    for (size_t i = 0; i < replay->group.count; i++) {
        if (replay->steps[item->tensor][i] == 0)
            continue; /* too small a step here: no keystream is needed */
        kernels->keystream(&replay->group.keys[i], item->tensor, first_block, blocks, stream[count]);
        bits[count] = stream[count];
        q[count++] = replay->steps[item->tensor][i];
    }
    int32_t *values = replay->weights->values[item->tensor] + (size_t)first_block * OB_SPSA_BLOCK_ELEMENTS;
    if (count > 0)
        kernels->accumulate(values, blocks, bits, q, count);
}

static void replay_item(void *context, size_t index, unsigned thread) {
    (void)thread;
    const struct replay *replay = context;
    const struct item *item = &replay->items[index];
    for (uint32_t at = 0; at < item->blocks; at += CHUNK_BLOCKS) {
        uint32_t left = item->blocks - at;
        replay_chunk(replay, item, item->first_block + at, left < CHUNK_BLOCKS ? left : CHUNK_BLOCKS);
    }
}

static enum ob_err run(const struct ob_spsa_engine *engine, struct ob_spsa_weights *weights,
                       const struct ob_spsa_rule *rule, const struct ob_spsa_update *updates, size_t count,
                       bool undo, struct ob_error *error) {
    struct replay *replay = calloc(1, sizeof *replay);
    if (!replay)
        return ob_fail(error, OB_ENOMEM, "replay: out of memory");
    replay->engine = engine;
    replay->weights = weights;
    replay->rule = rule;
    replay->undo = undo;
    replay->item_count = list_items(weights, NULL);
    assert(replay->item_count > 0);
    replay->items = calloc(replay->item_count, sizeof *replay->items);
    replay->steps = calloc(weights->count, sizeof *replay->steps);
    enum ob_err failed = OB_OK;
    if (!replay->items || !replay->steps) {
        failed = ob_fail(error, OB_ENOMEM, "replay: out of memory");
    } else {
        list_items(weights, replay->items);
        struct ob_spsa_walk walk = {0};
        while (ob_spsa_next_group(rule, updates, count, &walk, &replay->group)) {
            ob_pool_run(engine->pool, weights->count, compute_steps, replay);
            ob_pool_run(engine->pool, replay->item_count, replay_item, replay);
        }
    }
    free(replay->items);
    free(replay->steps);
    free(replay);
    return failed;
}

enum ob_err ob_spsa_apply(const struct ob_spsa_engine *engine, struct ob_spsa_weights *weights,
                          const struct ob_spsa_rule *rule, const struct ob_spsa_update *updates, size_t count,
                          struct ob_error *error) {
    return run(engine, weights, rule, updates, count, false, error);
}

enum ob_err ob_spsa_unapply(const struct ob_spsa_engine *engine, struct ob_spsa_weights *weights,
                            const struct ob_spsa_rule *rule, const struct ob_spsa_update *updates,
                            size_t count, struct ob_error *error) {
    return run(engine, weights, rule, updates, count, true, error);
}
