#include "spsa/digest.h"

#include <assert.h>
#include <stdlib.h>

#include "spsa/kernels/kernels.h"
#include "spsa/kernels/reference.h"
#include "spsa/samples.h"

struct tree {
    const struct ob_spsa_weights *weights;
    struct ob_spsa_leaf *leaves;
    struct ob_hash *hashes;
};

static void hash_leaf(void *context, size_t index, unsigned thread) {
    (void)thread;
    const struct tree *tree = context;
    const struct ob_spsa_leaf *leaf = &tree->leaves[index];
    tree->hashes[index] = ob_spsa_leaf_hash(leaf, tree->weights->values[leaf->tensor] + leaf->first);
}

enum ob_err ob_spsa_digest(const struct ob_spsa_engine *engine, const struct ob_spsa_weights *weights,
                           struct ob_hash *ret_digest, struct ob_error *error) {
    size_t count = ob_spsa_leaf_count(weights->tensors, weights->count), at = 0;
    assert(count > 0);
    struct tree tree = {.weights = weights,
                        .leaves = calloc(count, sizeof *tree.leaves),
                        .hashes = calloc(count, sizeof *tree.hashes)};
    enum ob_err failed = OB_OK;
    if (!tree.leaves || !tree.hashes) {
        failed = ob_fail(error, OB_ENOMEM, "digest: out of memory");
    } else {
        struct ob_spsa_leaf leaf = ob_spsa_leaf_first(weights->tensors);
        do
            tree.leaves[at++] = leaf;
        while (ob_spsa_leaf_next(weights->tensors, weights->count, &leaf, &leaf));
        assert(at == count);
        ob_pool_run(engine->pool, count, hash_leaf, &tree);
        *ret_digest = ob_spsa_root_hash(weights->tensors, weights->count, tree.hashes);
    }
    free(tree.leaves);
    free(tree.hashes);
    return failed;
}

uint32_t ob_spsa_checksum(const struct ob_spsa_engine *engine, const struct ob_spsa_weights *weights) {
    uint32_t total = 0;
    for (size_t t = 0; t < weights->count; t++)
        total += engine->kernels->sum(weights->values[t], (size_t)weights->tensors[t].elements);
    return total;
}

/* Over the whole tensor, by the definition's kernels. */
static uint32_t direction_sum(const struct ob_spsa_engine *engine, const struct ob_spsa_rule *rule,
                              const struct ob_spsa_key *key, uint32_t tensor, uint64_t elements) {
    uint8_t stream[32 * OB_SPSA_BLOCK_BYTES];
    size_t each = ob_spsa_block_elements(rule->distribution);
    int64_t sum = 0;
    for (uint64_t at = 0; at < elements; at += 32 * each) {
        uint64_t left = elements - at;
        size_t count = left < 32 * each ? (size_t)left : 32 * each;
        engine->kernels->keystream(key, tensor, (uint32_t)(at / each), (count + each - 1) / each, stream);
        sum += ob_spsa_direction_sum(&ob_spsa_kernels_reference, rule->distribution, stream, count);
    }
    return (uint32_t)sum;
}

uint32_t ob_spsa_checksum_change(const struct ob_spsa_engine *engine, const struct ob_spsa_weights *weights,
                                 const struct ob_spsa_rule *rule, const struct ob_spsa_update *updates,
                                 size_t count) {
    uint32_t change = 0;
    struct ob_spsa_walk walk = {0};
    struct ob_spsa_group group;
    while (ob_spsa_next_group(rule, updates, count, &walk, &group))
        for (size_t t = 0; t < weights->count; t++) {
            int32_t steps[OB_SPSA_GROUP];
            ob_spsa_group_steps(engine->kernels, &group, &weights->tensors[t], (uint32_t)t, steps);
            for (size_t i = 0; i < group.count; i++)
                if (steps[i] != 0)
                    change -= (uint32_t)steps[i] * direction_sum(engine, rule, &group.keys[i], (uint32_t)t,
                                                                 weights->tensors[t].elements);
        }
    return change;
}
