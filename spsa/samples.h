/* samples - the non-empty bytes of some updates, in groups, with the step of each in every tensor.
 * Private to spsa/: replay and the predicted checksum share it. */
#ifndef OB_SPSA_SAMPLES_H
#define OB_SPSA_SAMPLES_H

#include "spsa/update.h"

#define OB_SPSA_GROUP 64 /* samples of one pass over a leaf */

struct ob_spsa_group {
    size_t count; /* samples of this group, at most OB_SPSA_GROUP */
    struct ob_spsa_key keys[OB_SPSA_GROUP];
    struct ob_spsa_coefficient coefficients[OB_SPSA_GROUP];
};

/* Walks over updates; start with zeros. */
struct ob_spsa_walk {
    size_t update, byte;
};

/* The next group; false when there are no more samples that change anything. */
bool ob_spsa_next_group(const struct ob_spsa_rule *rule, const struct ob_spsa_update *updates, size_t count,
                        struct ob_spsa_walk *walk, struct ob_spsa_group *ret_group);

/* Σ 2^b z over the first `count` elements of keystream, b as ob_spsa_direction_bits_below gives it. */
int64_t ob_spsa_direction_sum(const struct ob_spsa_kernels *kernels, enum ob_spsa_distribution distribution,
                              const uint8_t *stream, size_t count);

/* One step for each sample of the group in `tensor`. */
void ob_spsa_group_steps(const struct ob_spsa_kernels *kernels, const struct ob_spsa_group *group,
                         const struct ob_spsa_tensor *tensor, uint32_t tensor_index,
                         int32_t ret_steps[OB_SPSA_GROUP]);

#endif
