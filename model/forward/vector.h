/* vector - the loops between the matrix products: norms, activations, softmax, rotary positions.
 *
 * Plain C in forms that compilers vectorise (model/forward/vector_loops.c), built for several instruction sets:
 * `loops` says for which. Exponentials are a polynomial with a relative error below 2e-7 over the float range.
 * Threads: pure functions. */
#ifndef OB_MODEL_FORWARD_VECTOR_H
#define OB_MODEL_FORWARD_VECTOR_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/race.h"
#include "model/families/config.h"

struct ob_vector_loops; /* model/forward/vector_loops.h, private to model/forward/ */

/* The last table that runs here, without a measurement. */
const struct ob_vector_loops *ob_vector_best(void);
/* The fastest one here, over what lies between the products of a layer; takes a millisecond or two. */
const struct ob_vector_loops *ob_vector_fastest(uint64_t (*now_ns)(void), struct ob_race *ret_race);
/* By name. Errors: OB_EUSAGE lists the names; OB_EUNSUPPORTED: this processor lacks what it needs. */
OB_MUST_USE enum ob_err ob_vector_named(const char *name, const struct ob_vector_loops **ret_loops,
                                        struct ob_error *error);
const char *ob_vector_name(const struct ob_vector_loops *loops);

/* out (count) = norm of x (count); bias may be NULL. */
void ob_vector_norm(const struct ob_vector_loops *loops, enum ob_norm_kind kind, float epsilon, size_t count,
                    const float *x, const float *weight, const float *bias, float *out);
/* x = activation(x) */
void ob_vector_activate(const struct ob_vector_loops *loops, enum ob_activation activation, size_t count,
                        float *x);
/* x *= y; x += y */
void ob_vector_multiply(const struct ob_vector_loops *loops, size_t count, float *x, const float *y);
void ob_vector_add(const struct ob_vector_loops *loops, size_t count, float *x, const float *y);
/* x = cap · tanh(x / cap) */
void ob_vector_softcap(size_t count, float cap, float *x);
/* Rounded to bfloat16, half to even. */
void ob_vector_to_bf16(const struct ob_vector_loops *loops, size_t count, const float *x,
                       uint16_t *ret_values);
/* What that leaves: x less its rounding. */
void ob_vector_residue(const struct ob_vector_loops *loops, size_t count, const float *x, float *ret_values);
/* x = exp(x - m) in place, m the largest of x and `before`, which is returned; their sum. */
float ob_vector_exp(const struct ob_vector_loops *loops, size_t count, float *x, float before,
                    float *ret_sum);
/* x *= factor */
void ob_vector_times(const struct ob_vector_loops *loops, size_t count, float factor, float *x);
/* out = x - y, which out does not overlap. */
void ob_vector_less(const struct ob_vector_loops *loops, size_t count, const float *x, const float *y,
                    float *ret_values);
/* Sum of x · y; y += factor · x, which do not overlap. */
float ob_vector_dot(const struct ob_vector_loops *loops, size_t count, const float *x, const float *y);
void ob_vector_add_times(const struct ob_vector_loops *loops, size_t count, float factor, const float *x,
                         float *y);
/* Sum of exp(x - max) and the maximum itself. */
void ob_vector_exp_sum(const struct ob_vector_loops *loops, size_t count, const float *x, float *ret_max,
                       double *ret_sum);
/* Rotates pairs (i, i + half) of one head of width 2·half by the angles whose cosines and sines are given. */
void ob_vector_rope(const struct ob_vector_loops *loops, size_t half, const float *cosines,
                    const float *sines, float *x);

#endif
