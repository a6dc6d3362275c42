#include "model/forward/vector.h"

#include <math.h>

#include "model/forward/vector_loops.h"

void ob_vector_norm(const struct ob_vector_loops *loops, enum ob_norm_kind kind, float epsilon, size_t count,
                    const float *x, const float *weight, const float *bias, float *out) {
    float mean = kind == OB_NORM_LAYER ? loops->sum(count, x) / (float)count : 0.0f;
    float variance = loops->squares(count, x, mean) / (float)count;
    loops->scale(count, x, mean, 1.0f / sqrtf(variance + epsilon), weight, bias, out);
}

void ob_vector_activate(const struct ob_vector_loops *loops, enum ob_activation activation, size_t count,
                        float *x) {
    switch (activation) {
    case OB_ACTIVATION_GELU_TANH:
        loops->gelu_tanh(count, x);
        break;
    case OB_ACTIVATION_GELU_ERF:
        loops->gelu_erf(count, x);
        break;
    case OB_ACTIVATION_SILU:
        loops->silu(count, x);
        break;
    case OB_ACTIVATION_RELU:
        loops->relu(count, x);
        break;
    }
}

void ob_vector_multiply(const struct ob_vector_loops *loops, size_t count, float *x, const float *y) {
    loops->multiply(count, x, y);
}

void ob_vector_add(const struct ob_vector_loops *loops, size_t count, float *x, const float *y) {
    loops->add(count, x, y);
}

void ob_vector_softcap(size_t count, float cap, float *x) {
    for (size_t i = 0; i < count; i++)
        x[i] = cap * tanhf(x[i] / cap);
}

void ob_vector_to_bf16(const struct ob_vector_loops *loops, size_t count, const float *x,
                       uint16_t *ret_values) {
    loops->to_bf16(count, x, ret_values);
}

void ob_vector_residue(const struct ob_vector_loops *loops, size_t count, const float *x, float *ret_values) {
    loops->residue(count, x, ret_values);
}

float ob_vector_exp(const struct ob_vector_loops *loops, size_t count, float *x, float before,
                    float *ret_sum) {
    float largest = loops->largest(count, x);
    largest = before > largest ? before : largest;
    *ret_sum = loops->exponentials(count, x, largest, x);
    return largest;
}

void ob_vector_times(const struct ob_vector_loops *loops, size_t count, float factor, float *x) {
    loops->times(count, factor, x);
}

void ob_vector_less(const struct ob_vector_loops *loops, size_t count, const float *x, const float *y,
                    float *ret_values) {
    loops->less(count, x, y, ret_values);
}

float ob_vector_dot(const struct ob_vector_loops *loops, size_t count, const float *x, const float *y) {
    return loops->dot(count, x, y);
}

void ob_vector_add_times(const struct ob_vector_loops *loops, size_t count, float factor, const float *x,
                         float *y) {
    loops->add_times(count, factor, x, y);
}

void ob_vector_exp_sum(const struct ob_vector_loops *loops, size_t count, const float *x, float *ret_max,
                       double *ret_sum) {
    *ret_max = loops->largest(count, x);
    *ret_sum = loops->exponential_sum(count, x, *ret_max);
}

void ob_vector_rope(const struct ob_vector_loops *loops, size_t half, const float *cosines,
                    const float *sines, float *x) {
    loops->rotate(half, cosines, sines, x);
}
