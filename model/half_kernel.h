/* half_kernel - what model/half.c and its kernels agree on. Private to them. */
#ifndef OB_MODEL_HALF_KERNEL_H
#define OB_MODEL_HALF_KERNEL_H

#include "model/half.h"

#define OB_HALF_TERMS   384 /* of one block: a multiple of 32 */
#define OB_HALF_COLUMNS 32  /* of a panel */

#if defined(__x86_64__)
void ob_half_multiply_avx512(const struct ob_half_product *product, void *scratch);
#endif

#endif
