/* reference - the kernels in plain C: the definition, and what vector kernels leave their ends to. */
#ifndef OB_SPSA_KERNELS_REFERENCE_H
#define OB_SPSA_KERNELS_REFERENCE_H

#include "spsa/kernels/kernels.h"

extern const struct ob_spsa_kernels ob_spsa_kernels_reference;
void ob_spsa_reference_keystreams(const struct ob_spsa_key *keys, size_t count, uint32_t tensor, uint32_t use,
                                  uint32_t first_block, size_t blocks, uint8_t *const *to);
int64_t ob_spsa_reference_sum_gaussian(const uint8_t *bytes, size_t count);
size_t ob_spsa_reference_count_bits(const uint8_t *bits, size_t bytes);

#endif
