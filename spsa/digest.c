#include "spsa/digest.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>

#include "base/cursor.h"
#include "spsa/kernels.h"
#include "spsa/samples.h"

#define LEAF_LABEL "onebyte/leaf"
#define ROOT_LABEL "onebyte/root"

struct leaf {
    uint32_t tensor;
    uint64_t number;
    struct ob_hash hash;
};

struct tree {
    const struct ob_spsa_weights *weights;
    struct leaf *leaves;
};

static uint64_t leaves_of(const struct ob_spsa_tensor *tensor) {
    return (tensor->elements + OB_SPSA_LEAF_ELEMENTS - 1) / OB_SPSA_LEAF_ELEMENTS;
}

static void hash_values(crypto_generichash_state *state, const int32_t *values, size_t count) {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    crypto_generichash_update(state, (const unsigned char *)values, count * sizeof *values);
#else
    for (size_t i = 0; i < count; i++) {
        uint8_t bytes[4];
        ob_store_u32(bytes, (uint32_t)values[i]);
        crypto_generichash_update(state, bytes, sizeof bytes);
    }
#endif
}

static void hash_leaf(void *context, size_t index, unsigned thread) {
    (void)thread;
    const struct tree *tree = context;
    struct leaf *leaf = &tree->leaves[index];
    uint64_t first = leaf->number * OB_SPSA_LEAF_ELEMENTS;
    uint64_t left = tree->weights->tensors[leaf->tensor].elements - first;
    size_t count = left < OB_SPSA_LEAF_ELEMENTS ? (size_t)left : OB_SPSA_LEAF_ELEMENTS;
    uint8_t head[sizeof LEAF_LABEL - 1 + 12];
    struct ob_writer writer = ob_writer_init(head, sizeof head);
    ob_write_bytes(&writer, LEAF_LABEL, sizeof LEAF_LABEL - 1);
    ob_write_u32(&writer, leaf->tensor);
    ob_write_u64(&writer, leaf->number);
    crypto_generichash_state state;
    crypto_generichash_init(&state, NULL, 0, OB_HASH_BYTES);
    crypto_generichash_update(&state, head, sizeof head);
    hash_values(&state, tree->weights->values[leaf->tensor] + first, count);
    crypto_generichash_final(&state, leaf->hash.bytes, OB_HASH_BYTES);
}

static struct ob_hash hash_root(const struct tree *tree) {
    crypto_generichash_state state;
    crypto_generichash_init(&state, NULL, 0, OB_HASH_BYTES);
    crypto_generichash_update(&state, (const unsigned char *)ROOT_LABEL, sizeof ROOT_LABEL - 1);
    size_t leaf = 0;
    for (size_t t = 0; t < tree->weights->count; t++) {
        uint8_t elements[8];
        ob_store_u64(elements, tree->weights->tensors[t].elements);
        crypto_generichash_update(&state, elements, sizeof elements);
        for (uint64_t k = leaves_of(&tree->weights->tensors[t]); k > 0; k--)
            crypto_generichash_update(&state, tree->leaves[leaf++].hash.bytes, OB_HASH_BYTES);
    }
    struct ob_hash root;
    crypto_generichash_final(&state, root.bytes, sizeof root.bytes);
    return root;
}

enum ob_err ob_spsa_digest(const struct ob_spsa_engine *engine, const struct ob_spsa_weights *weights,
                           struct ob_hash *ret_digest, struct ob_error *error) {
    size_t count = 0, leaf = 0;
    for (size_t t = 0; t < weights->count; t++)
        count += (size_t)leaves_of(&weights->tensors[t]);
    assert(count > 0);
    struct tree tree = {.weights = weights, .leaves = calloc(count, sizeof *tree.leaves)};
    if (!tree.leaves)
        return ob_fail(error, OB_ENOMEM, "digest: out of memory");
    for (size_t t = 0; t < weights->count; t++)
        for (uint64_t k = 0; k < leaves_of(&weights->tensors[t]); k++)
            tree.leaves[leaf++] = (struct leaf){.tensor = (uint32_t)t, .number = k};
    assert(leaf == count);
    ob_pool_run(engine->pool, count, hash_leaf, &tree);
    *ret_digest = hash_root(&tree);
    free(tree.leaves);
    return OB_OK;
}

uint32_t ob_spsa_checksum(const struct ob_spsa_engine *engine, const struct ob_spsa_weights *weights) {
    uint32_t total = 0;
    for (size_t t = 0; t < weights->count; t++)
        total += engine->kernels->sum(weights->values[t], (size_t)weights->tensors[t].elements);
    return total;
}

/* Σz over the whole tensor: elements - 2 · (bits that are set). */
static uint32_t direction_sum(const struct ob_spsa_engine *engine, const struct ob_spsa_key *key,
                              uint32_t tensor, uint64_t elements) {
    uint8_t bits[32 * OB_SPSA_BLOCK_BYTES];
    uint64_t set = 0;
    for (uint64_t at = 0; at < elements; at += sizeof bits * 8) {
        uint64_t left = elements - at;
        size_t count = left < sizeof bits * 8 ? (size_t)left : sizeof bits * 8;
        size_t blocks = (count + OB_SPSA_BLOCK_ELEMENTS - 1) / OB_SPSA_BLOCK_ELEMENTS;
        engine->kernels->keystream(key, tensor, (uint32_t)(at / OB_SPSA_BLOCK_ELEMENTS), blocks, bits);
        for (size_t i = 0; i < count / 8; i++)
            set += (uint64_t)__builtin_popcount(bits[i]);
        if (count % 8)
            set += (uint64_t)__builtin_popcount(bits[count / 8] & ((1u << (count % 8)) - 1u));
    }
    return (uint32_t)(elements - 2 * set);
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
            ob_spsa_group_steps(rule, &group, &weights->tensors[t], (uint32_t)t, steps);
            for (size_t i = 0; i < group.count; i++)
                if (steps[i] != 0)
                    change -= (uint32_t)steps[i] * direction_sum(engine, &group.keys[i], (uint32_t)t,
                                                                 weights->tensors[t].elements);
        }
    return change;
}
