/* blas_check - does OpenBLAS compute correct products here? It chooses kernels and block sizes by what the
 * processor reports. On processors newer than the library, that has produced wrong sums and crashes. The check
 * multiplies a few awkward shapes, which takes milliseconds, in a child process, so that a crash is an answer
 * too.
 *
 * Small shapes are compared with plain C, element by element. Large ones, which cross every block size, by
 * Freivalds' method: C·v against A·(B·v) in double, for a vector of random reals. */
#ifndef OB_MODEL_FORWARD_BLAS_CHECK_H
#define OB_MODEL_FORWARD_BLAS_CHECK_H

#include <stdbool.h>
#include <stddef.h>

/* c (m, n; rows ldc apart) = a (m, k) · b, b being (k, n), or (n, k) when `transposed`; plus c when `add`. */
typedef void (*ob_blas_product_fn)(size_t m, size_t n, size_t k, const float *a, size_t lda, const float *b,
                                   size_t ldb, bool transposed, bool add, float *c, size_t ldc);

/* Checks in this process. False: an element is wrong, or there was not enough memory for the check. */
bool ob_blas_products_right(ob_blas_product_fn product);
/* Checks in a child process: also false if it crashes or takes longer than ten seconds. */
bool ob_blas_products_safe(ob_blas_product_fn product);
/* OpenBLAS's sgemm, from the core in use. */
void ob_blas_sgemm(size_t m, size_t n, size_t k, const float *a, size_t lda, const float *b, size_t ldb,
                   bool transposed, bool add, float *c, size_t ldc);

#endif
