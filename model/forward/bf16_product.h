/* bf16_product - what model/forward/bf16.c and its kernels agree on. */
#ifndef OB_MODEL_FORWARD_BF16_PRODUCT_H
#define OB_MODEL_FORWARD_BF16_PRODUCT_H

#include <stdbool.h>
#include <stddef.h>

#define OB_BF16_TERMS   384 /* of one block: a multiple of 32 */
#define OB_BF16_COLUMNS 32  /* of a panel */

/* c (rows, n) += a (rows, k) · b, or c = without `accumulate`; b is (k, n), or (n, k) when `transposed`.
 * lda, ldb, ldc: elements from one row to the next. */
struct ob_bf16_product {
    const float *a, *b;
    float *c;
    size_t lda, ldb, ldc, rows, n, k;
    bool transposed, accumulate;
};

#endif
