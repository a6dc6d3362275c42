/* bf16_avx512 - the kernel of model/forward/bf16.h for AVX512_BF16. */
#ifndef OB_MODEL_FORWARD_BF16_AVX512_H
#define OB_MODEL_FORWARD_BF16_AVX512_H

#include "base/cpu.h"
#include "model/forward/bf16_product.h"

#define OB_BF16_AVX512_NEEDS (OB_CPU_AVX512F | OB_CPU_AVX512BW | OB_CPU_AVX512VL | OB_CPU_AVX512BF16)

void ob_bf16_multiply_avx512(const struct ob_bf16_product *product, void *scratch);

#endif
