/* vector - the loops between the matrix products: norms, activations, softmax, rotary positions.
 *
 * Plain C in forms that compilers vectorise (model/forward/vector_loops.c), built for several instruction sets and
 * chosen at each call. Exponentials are a polynomial with a relative error below 2e-7 over the float range.
 * Threads: pure functions. */
#ifndef OB_MODEL_FORWARD_VECTOR_H
#define OB_MODEL_FORWARD_VECTOR_H

#include <stddef.h>
#include <stdint.h>

#include "model/families/config.h"

/* out (count) = norm of x (count); bias may be NULL. */
void ob_vector_norm(enum ob_norm_kind kind, float epsilon, size_t count, const float *x, const float *weight,
                    const float *bias, float *out);
/* x = activation(x) */
void ob_vector_activate(enum ob_activation activation, size_t count, float *x);
/* x *= y; x += y */
void ob_vector_multiply(size_t count, float *x, const float *y);
void ob_vector_add(size_t count, float *x, const float *y);
/* x = cap · tanh(x / cap) */
void ob_vector_softcap(size_t count, float cap, float *x);
/* Rounded to bfloat16, half to even. */
void ob_vector_to_bf16(size_t count, const float *x, uint16_t *ret_values);
/* In place over x (count): exp(x - max) / sum. */
void ob_vector_softmax(size_t count, float *x);
/* x = exp(x - m) in place, m the largest of x and `before`, which is returned; their sum. */
float ob_vector_exp(size_t count, float *x, float before, float *ret_sum);
/* x *= factor */
void ob_vector_times(size_t count, float factor, float *x);
/* Sum of exp(x - max) and the maximum itself. */
void ob_vector_exp_sum(size_t count, const float *x, float *ret_max, double *ret_sum);
/* Rotates pairs (i, i + half) of one head of width 2·half by the angles whose cosines and sines are given. */
void ob_vector_rope(size_t half, const float *cosines, const float *sines, float *x);

#endif
