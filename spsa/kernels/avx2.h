/* avx2 - what other tables borrow of avx2.c. */
#ifndef OB_SPSA_KERNELS_AVX2_H
#define OB_SPSA_KERNELS_AVX2_H

#include <stddef.h>
#include <stdint.h>

void ob_spsa_avx2_accumulate_gaussian(int32_t *values, size_t blocks, const uint8_t *const *bytes,
                                      const int32_t *q, size_t count);
void ob_spsa_avx2_read_gaussian(const int32_t *values, size_t count, float unit, const uint8_t *bytes,
                                float step, float *plus, float *minus);
int64_t ob_spsa_avx2_sum_gaussian(const uint8_t *bytes, size_t count);
size_t ob_spsa_avx2_count_bits(const uint8_t *bits, size_t bytes);

#endif
