/* avx512 - what gfni.c borrows of avx512.c. */
#ifndef OB_SPSA_KERNELS_AVX512_H
#define OB_SPSA_KERNELS_AVX512_H

#include "spsa/kernels/kernels.h"

void ob_spsa_avx512_accumulate(int32_t *values, size_t blocks, const uint8_t *const *bits, const int32_t *q,
                               size_t count);
void ob_spsa_avx512_read(const int32_t *values, size_t count, float unit, float *out);
void ob_spsa_avx512_read_pair(const int32_t *values, size_t count, float unit, const uint8_t *bits,
                              size_t bit, float step, float *plus, float *minus);
uint32_t ob_spsa_avx512_sum(const int32_t *values, size_t count);
uint32_t ob_spsa_avx512_reach(const int32_t *values, size_t count);

#endif
