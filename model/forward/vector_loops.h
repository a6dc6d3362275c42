/* vector_loops - the loops of model/forward/vector.h, built once for each instruction set from one source. Private to
 * model/ and its tests: vector.c picks the table. Results of the tables differ only by rounding (fused multiply-add);
 * the order of sums is the same. */
#ifndef OB_MODEL_FORWARD_VECTOR_LOOPS_H
#define OB_MODEL_FORWARD_VECTOR_LOOPS_H

#include <stddef.h>
#include <stdint.h>

struct ob_vector_loops {
    const char *name;
    float (*sum)(size_t count, const float *x);
    float (*squares)(size_t count, const float *x, float mean); /* sum of (x - mean)^2 */
    void (*scale)(size_t count, const float *x, float mean, float factor, const float *weight,
                  const float *bias, float *out); /* (x - mean) · factor · weight + bias; bias may be NULL */
    void (*gelu_tanh)(size_t count, float *x);
    void (*gelu_erf)(size_t count, float *x);
    void (*silu)(size_t count, float *x);
    void (*relu)(size_t count, float *x);
    void (*multiply)(size_t count, float *x, const float *y);
    void (*add)(size_t count, float *x, const float *y);
    float (*largest)(size_t count, const float *x); /* count >= 1 */
    float (*exponentials)(size_t count, const float *x, float largest,
                          float *out); /* their sum; out may be x */
    double (*exponential_sum)(size_t count, const float *x, float largest);
    void (*times)(size_t count, float factor, float *x);
    void (*less)(size_t count, const float *x, const float *y, float *out); /* x - y, apart from out */
    float (*dot)(size_t count, const float *x, const float *y);
    void (*add_times)(size_t count, float factor, const float *x, float *y); /* y += factor · x; apart */
    void (*to_bf16)(size_t count, const float *x, uint16_t *out);
    void (*residue)(size_t count, const float *x, float *out); /* x less what to_bf16 makes of it */
    void (*rotate)(size_t half, const float *cosines, const float *sines, float *x);
};

enum ob_vector_isa { OB_VECTOR_PLAIN, OB_VECTOR_AVX2, OB_VECTOR_AVX512, OB_VECTOR_ISA_COUNT };
/* NULL: this processor does not support it. */
const struct ob_vector_loops *ob_vector_loops_of(enum ob_vector_isa isa);

extern const struct ob_vector_loops ob_vector_loops_plain;
#if defined(__x86_64__)
extern const struct ob_vector_loops ob_vector_loops_avx2;
extern const struct ob_vector_loops ob_vector_loops_avx512;
#endif

#endif
