/* avx2 - what other tables borrow of avx2.c. */
#ifndef OB_SPSA_KERNELS_AVX2_H
#define OB_SPSA_KERNELS_AVX2_H

#include <stddef.h>
#include <stdint.h>

size_t ob_spsa_avx2_count_bits(const uint8_t *bits, size_t bytes);

#endif
