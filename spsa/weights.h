/* weights - exact integer weights: w = m · 2^-f with int32 m and one exponent f per tensor.
 *
 * Values of each tensor start at a 64-byte boundary and are padded to a multiple of
 * OB_SPSA_BLOCK_ELEMENTS, so that kernels work on whole keystream blocks; the padding is ignored and
 * enters no digest.
 *
 * Owns:    ob_spsa_weights_new allocates one arena; ob_spsa_weights_free releases it (NULL is fine).
 * Threads: many readers, or one writer (replay).
 * Errors:  OB_ENOMEM; OB_ENOTFINITE for a base value that is not finite; OB_ETOOBIG. */
#ifndef OB_SPSA_WEIGHTS_H
#define OB_SPSA_WEIGHTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "spsa/direction.h"
#include "spsa/engine.h"

#define OB_SPSA_EXPONENT_MAX 26
#define OB_SPSA_EXPONENT_MIN (-64)

struct ob_spsa_tensor {
    uint64_t elements;  /* at least 1, below 2^41 (block counter is 32 bits) */
    int32_t exponent;   /* f, OB_SPSA_EXPONENT_MIN … OB_SPSA_EXPONENT_MAX */
    int32_t log2_scale; /* log2 of the direction scale, -16 … 16 */
};

struct ob_spsa_weights {
    size_t count;
    struct ob_spsa_tensor *tensors;
    int32_t **values; /* count pointers into the arena; elements of each, zero at first */
    void *arena;
    size_t arena_bytes;
    enum ob_spsa_distribution distribution; /* of the directions that read_pair adds; Rademacher at first */
    uint32_t
        *sums; /* of each leaf, predicted from the log (spsa/memory_check.h); NULL: no check was started */
};

/* Copies `tensors`. No memory check is started. */
OB_MUST_USE enum ob_err ob_spsa_weights_new(const struct ob_spsa_tensor *tensors, size_t count,
                                            struct ob_spsa_weights **ret_weights, struct ob_error *error);
void ob_spsa_weights_free(struct ob_spsa_weights *weights);
/* Same layout; no memory check of `to` is started. */
void ob_spsa_weights_copy(struct ob_spsa_weights *to, const struct ob_spsa_weights *from);

/* f = min(26, 28 - ceil(log2 max)) from the largest magnitude of a tensor (0: 26); exact, from the bits. */
int32_t ob_spsa_exponent_for(float largest_magnitude);

/* Rounds `count` base floats half to even, on their bits; `first` is the number of the first, for messages.
 * Errors: OB_ENOTFINITE (the message has the element), OB_ETOOBIG when a value does not fit int32. */
OB_MUST_USE enum ob_err ob_spsa_fixed_point(int32_t exponent, uint64_t first, size_t count, const float *base,
                                            int32_t *ret_values, struct ob_error *error);
/* The same into tensor's elements [first, first+count). */
OB_MUST_USE enum ob_err ob_spsa_weights_set(struct ob_spsa_weights *weights, uint32_t tensor, uint64_t first,
                                            size_t count, const float *base, struct ob_error *error);

/* Materialises weights as floats. `plus` and `minus` are scratch: the master never changes.
 *   read:      out[i]   = (float)m · 2^-f
 *   read_pair: plus[i]  = (float)m · 2^-f + epsilon · 2^log2_scale · z,  minus[i] the same with a minus; of a Gaussian z the
 *              addend is (epsilon · 2^log2_scale · 2^-5) · (32 z)
 * Any slice; out buffers need no alignment. Same bits from every kernel table. */
void ob_spsa_weights_read(const struct ob_spsa_engine *engine, const struct ob_spsa_weights *weights,
                          uint32_t tensor, uint64_t first, size_t count, float *ret_values);
void ob_spsa_weights_read_pair(const struct ob_spsa_engine *engine, const struct ob_spsa_weights *weights,
                               const struct ob_spsa_key *key, float epsilon, uint32_t tensor, uint64_t first,
                               size_t count, float *ret_plus, float *ret_minus);

/* The first tensor that holds an |m| beyond half the range (2^30), or -1. */
int64_t ob_spsa_weights_overrange(const struct ob_spsa_engine *engine, const struct ob_spsa_weights *weights);

#endif
