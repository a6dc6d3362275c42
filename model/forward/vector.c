#include "model/forward/vector.h"

#include <math.h>

#include "base/cpu.h"
#include "model/forward/vector_loops.h"

const struct ob_vector_loops *ob_vector_loops_of(enum ob_vector_isa isa) {
#if defined(__x86_64__)
    if (isa == OB_VECTOR_AVX512)
        return ob_cpu_has(OB_CPU_AVX512F | OB_CPU_FMA) ? &ob_vector_loops_avx512 : NULL;
    if (isa == OB_VECTOR_AVX2)
        return ob_cpu_has(OB_CPU_AVX2 | OB_CPU_FMA) ? &ob_vector_loops_avx2 : NULL;
#endif
    return isa == OB_VECTOR_PLAIN ? &ob_vector_loops_plain : NULL;
}

static const struct ob_vector_loops *loops(void) {
    const struct ob_vector_loops *best = ob_vector_loops_of(OB_VECTOR_AVX512);
    if (!best)
        best = ob_vector_loops_of(OB_VECTOR_AVX2);
    return best ? best : &ob_vector_loops_plain;
}

void ob_vector_norm(enum ob_norm_kind kind, float epsilon, size_t count, const float *x, const float *weight,
                    const float *bias, float *out) {
    const struct ob_vector_loops *l = loops();
    float mean = kind == OB_NORM_LAYER ? l->sum(count, x) / (float)count : 0.0f;
    float variance = l->squares(count, x, mean) / (float)count;
    l->scale(count, x, mean, 1.0f / sqrtf(variance + epsilon), weight, bias, out);
}

void ob_vector_activate(enum ob_activation activation, size_t count, float *x) {
    switch (activation) {
    case OB_ACTIVATION_GELU_TANH:
        loops()->gelu_tanh(count, x);
        break;
    case OB_ACTIVATION_GELU_ERF:
        loops()->gelu_erf(count, x);
        break;
    case OB_ACTIVATION_SILU:
        loops()->silu(count, x);
        break;
    case OB_ACTIVATION_RELU:
        loops()->relu(count, x);
        break;
    }
}

void ob_vector_multiply(size_t count, float *x, const float *y) {
    loops()->multiply(count, x, y);
}

void ob_vector_add(size_t count, float *x, const float *y) {
    loops()->add(count, x, y);
}

void ob_vector_softcap(size_t count, float cap, float *x) {
    for (size_t i = 0; i < count; i++)
        x[i] = cap * tanhf(x[i] / cap);
}

void ob_vector_to_bf16(size_t count, const float *x, uint16_t *ret_values) {
    loops()->to_bf16(count, x, ret_values);
}

void ob_vector_softmax(size_t count, float *x) {
    const struct ob_vector_loops *l = loops();
    l->times(count, 1.0f / l->exponentials(count, x, l->largest(count, x), x), x);
}

float ob_vector_exp(size_t count, float *x, float before, float *ret_sum) {
    const struct ob_vector_loops *l = loops();
    float largest = l->largest(count, x);
    largest = before > largest ? before : largest;
    *ret_sum = l->exponentials(count, x, largest, x);
    return largest;
}

void ob_vector_times(size_t count, float factor, float *x) {
    loops()->times(count, factor, x);
}

void ob_vector_exp_sum(size_t count, const float *x, float *ret_max, double *ret_sum) {
    const struct ob_vector_loops *l = loops();
    *ret_max = l->largest(count, x);
    *ret_sum = l->exponential_sum(count, x, *ret_max);
}

void ob_vector_rope(size_t half, const float *cosines, const float *sines, float *x) {
    loops()->rotate(half, cosines, sines, x);
}
