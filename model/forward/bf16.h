/* bf16 - matrix products with bfloat16 terms and float32 sums, for processors that multiply those twice as
 * fast.
 *
 * Both factors are rounded to bfloat16 (eight bits of precision, half to even; subnormal numbers become zero)
 * while they are packed; every product of two terms is exact and sums are float32. A loss moves by what the
 * rounding does to it: docs/performance.md has what that means for an estimate. Weights never change here.
 *
 * Owns:    nothing; scratch is the caller's, one piece for each thread.
 * Threads: pure functions.
 * Source:  Intel, "BFLOAT16 - Hardware Numerics Definition" (2018), on VDPBF16PS. */
#ifndef OB_MODEL_FORWARD_BF16_H
#define OB_MODEL_FORWARD_BF16_H

#include <stdbool.h>

#include "model/forward/bf16_product.h"

/* Does this processor have the instructions? */
bool ob_bf16_available(void);

/* Bytes of scratch, 64-byte aligned, for products of at most `rows` rows. */
size_t ob_bf16_scratch_bytes(size_t rows);

void ob_bf16_multiply(const struct ob_bf16_product *product, void *scratch);

#endif
