/* blas_test - are the products right? OpenBLAS picks kernels and block sizes from what the processor says of
 * itself; on processors newer than the library that has gone wrong before: wrong sums, or a crash. A few
 * awkward shapes are multiplied and checked in milliseconds, in a child process, so that a crash is an answer
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

/* In this process. False: some element is wrong, or there was no memory for the test. */
bool ob_blas_products_right(ob_blas_product_fn product);
/* The same in a child: also false when it crashes or computes for longer than ten seconds. */
bool ob_blas_products_safe(ob_blas_product_fn product);
/* OpenBLAS's sgemm as the core in use has it. */
void ob_blas_sgemm(size_t m, size_t n, size_t k, const float *a, size_t lda, const float *b, size_t ldb,
                   bool transposed, bool add, float *c, size_t ldc);

#endif
