/* chacha_avx512 - the keystream for every table with AVX-512. */
#ifndef OB_SPSA_KERNELS_CHACHA_AVX512_H
#define OB_SPSA_KERNELS_CHACHA_AVX512_H

#include "spsa/kernels/keystream.h"

void ob_spsa_avx512_keystream(const struct ob_spsa_key *key, uint32_t tensor, uint32_t first_block,
                              size_t blocks, uint8_t *ret_bits);
void ob_spsa_avx512_keystreams(const struct ob_spsa_key *keys, size_t count, uint32_t tensor, uint32_t use,
                               uint32_t first_block, size_t blocks, uint8_t *const *to);

#endif
