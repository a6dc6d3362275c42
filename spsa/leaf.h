/* leaf - pieces of the weights, of at most 65,536 elements of one tensor: the units of digests, checksums and
 * partial replay. Leaves are numbered through all tensors, in order.
 *
 * Leaf hash:  leaf(t, k) = BLAKE2b-256("onebyte/leaf" ‖ le32(t) ‖ le64(k) ‖ the little-endian int32 values
 *             [k·65536, (k+1)·65536) of tensor t)
 * Root:       BLAKE2b-256("onebyte/root" ‖ for each tensor le64(elements) ‖ its leaves in order), the weights
 *             digest.
 * Pure functions. */
#ifndef OB_SPSA_LEAF_H
#define OB_SPSA_LEAF_H

#include "spsa/weights.h"

#define OB_SPSA_LEAF_ELEMENTS 65536 /* a multiple of OB_SPSA_BLOCK_ELEMENTS */

struct ob_spsa_leaf {
    uint32_t tensor;
    uint64_t number; /* within its tensor */
    uint64_t first;  /* element of the tensor */
    size_t count;    /* elements, 1 … OB_SPSA_LEAF_ELEMENTS */
};

size_t ob_spsa_leaf_count(const struct ob_spsa_tensor *tensors, size_t tensor_count);
/* The first leaf of all; then the one after `leaf`, false when there is none (ret_leaf untouched). */
struct ob_spsa_leaf ob_spsa_leaf_first(const struct ob_spsa_tensor *tensors);
bool ob_spsa_leaf_next(const struct ob_spsa_tensor *tensors, size_t tensor_count,
                       const struct ob_spsa_leaf *leaf, struct ob_spsa_leaf *ret_leaf);
/* Leaf number `index` of all; index < ob_spsa_leaf_count. */
struct ob_spsa_leaf ob_spsa_leaf_at(const struct ob_spsa_tensor *tensors, size_t tensor_count, size_t index);

/* `values`: leaf->count of them. */
struct ob_hash ob_spsa_leaf_hash(const struct ob_spsa_leaf *leaf, const int32_t *values);
/* `leaves`: the hashes of all leaves, in order. */
struct ob_hash ob_spsa_root_hash(const struct ob_spsa_tensor *tensors, size_t tensor_count,
                                 const struct ob_hash *leaves);

#endif
