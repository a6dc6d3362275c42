#include "spsa/leaf.h"

#include <assert.h>
#include <sodium.h>

#include "base/cursor.h"

#define LEAF_LABEL "onebyte/leaf"
#define ROOT_LABEL "onebyte/root"

static_assert(OB_SPSA_LEAF_ELEMENTS % OB_SPSA_BLOCK_ELEMENTS == 0, "leaves are whole blocks of keystream");

static uint64_t leaves_of(const struct ob_spsa_tensor *tensor) {
    return (tensor->elements + OB_SPSA_LEAF_ELEMENTS - 1) / OB_SPSA_LEAF_ELEMENTS;
}

static struct ob_spsa_leaf leaf_of(const struct ob_spsa_tensor *tensors, uint32_t tensor, uint64_t number) {
    uint64_t first = number * OB_SPSA_LEAF_ELEMENTS, left = tensors[tensor].elements - first;
    return (struct ob_spsa_leaf){.tensor = tensor,
                                 .number = number,
                                 .first = first,
                                 .count =
                                     left < OB_SPSA_LEAF_ELEMENTS ? (size_t)left : OB_SPSA_LEAF_ELEMENTS};
}

size_t ob_spsa_leaf_count(const struct ob_spsa_tensor *tensors, size_t tensor_count) {
    size_t count = 0;
    for (size_t t = 0; t < tensor_count; t++)
        count += (size_t)leaves_of(&tensors[t]);
    return count;
}

struct ob_spsa_leaf ob_spsa_leaf_first(const struct ob_spsa_tensor *tensors) {
    return leaf_of(tensors, 0, 0);
}

bool ob_spsa_leaf_next(const struct ob_spsa_tensor *tensors, size_t tensor_count,
                       const struct ob_spsa_leaf *leaf, struct ob_spsa_leaf *ret_leaf) {
    uint32_t tensor = leaf->tensor;
    uint64_t number = leaf->number + 1;
    if (number == leaves_of(&tensors[tensor])) {
        tensor++;
        number = 0;
    }
    if (tensor == tensor_count)
        return false;
    *ret_leaf = leaf_of(tensors, tensor, number);
    return true;
}

struct ob_spsa_leaf ob_spsa_leaf_at(const struct ob_spsa_tensor *tensors, size_t tensor_count, size_t index) {
    uint32_t tensor = 0;
    uint64_t number = index;
    while (number >= leaves_of(&tensors[tensor])) {
        number -= leaves_of(&tensors[tensor++]);
        assert(tensor < tensor_count);
    }
    return leaf_of(tensors, tensor, number);
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

struct ob_hash ob_spsa_leaf_hash(const struct ob_spsa_leaf *leaf, const int32_t *values) {
    uint8_t head[sizeof LEAF_LABEL - 1 + 12];
    struct ob_writer writer = ob_writer_init(head, sizeof head);
    ob_write_bytes(&writer, LEAF_LABEL, sizeof LEAF_LABEL - 1);
    ob_write_u32(&writer, leaf->tensor);
    ob_write_u64(&writer, leaf->number);
    crypto_generichash_state state;
    crypto_generichash_init(&state, NULL, 0, OB_HASH_BYTES);
    crypto_generichash_update(&state, head, sizeof head);
    hash_values(&state, values, leaf->count);
    struct ob_hash hash;
    crypto_generichash_final(&state, hash.bytes, OB_HASH_BYTES);
    return hash;
}

struct ob_hash ob_spsa_root_hash(const struct ob_spsa_tensor *tensors, size_t tensor_count,
                                 const struct ob_hash *leaves) {
    crypto_generichash_state state;
    crypto_generichash_init(&state, NULL, 0, OB_HASH_BYTES);
    crypto_generichash_update(&state, (const unsigned char *)ROOT_LABEL, sizeof ROOT_LABEL - 1);
    for (size_t t = 0; t < tensor_count; t++) {
        uint8_t elements[8];
        ob_store_u64(elements, tensors[t].elements);
        crypto_generichash_update(&state, elements, sizeof elements);
        for (uint64_t k = leaves_of(&tensors[t]); k > 0; k--)
            crypto_generichash_update(&state, (leaves++)->bytes, OB_HASH_BYTES);
    }
    struct ob_hash root;
    crypto_generichash_final(&state, root.bytes, sizeof root.bytes);
    return root;
}
