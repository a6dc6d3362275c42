/* products_bf16 - bfloat16 terms and float32 sums, with our own kernels, for processors that multiply bfloat16
 * twice as fast.
 *
 * Both factors are rounded to bfloat16 (eight bits of precision, half to even; subnormal numbers become
 * zero); every product of two terms is exact, and sums are float32. The rounding changes losses;
 * docs/performance.md shows by how much an estimate changes. The weights themselves never change.
 *
 * Source:  Intel, "BFLOAT16 - Hardware Numerics Definition" (2018), on VDPBF16PS. */
#ifndef OB_MODEL_FORWARD_PRODUCTS_BF16_H
#define OB_MODEL_FORWARD_PRODUCTS_BF16_H

#include "model/forward/product_way.h"

#if defined(__x86_64__)
extern const struct ob_products ob_products_bf16;
#endif

#endif
