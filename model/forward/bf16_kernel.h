/* half_kernel - what model/forward/bf16.c and its kernels agree on. Private to them. */
#ifndef OB_MODEL_FORWARD_BF16_KERNEL_H
#define OB_MODEL_FORWARD_BF16_KERNEL_H

#include "model/forward/bf16.h"

#define OB_HALF_TERMS   384 /* of one block: a multiple of 32 */
#define OB_HALF_COLUMNS 32  /* of a panel */

#if defined(__x86_64__)
void ob_half_multiply_avx512(const struct ob_half_product *product, void *scratch);
#endif

#endif
