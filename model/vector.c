#include "model/vector.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

/* Function multiversioning needs a loader with indirect functions; sanitizers start too late for those. */
#if defined(__x86_64__) && defined(__gnu_linux__) && !defined(__SANITIZE_ADDRESS__) &&                       \
    !defined(__SANITIZE_THREAD__) && !defined(__clang__)
#define MANY_TARGETS __attribute__((target_clones("arch=skylake-avx512", "arch=haswell", "default")))
#else
#define MANY_TARGETS
#endif

/* exp(x) = 2^n · e^r with n = round(x / ln 2), |r| <= ln(2)/2, and a polynomial for e^r (Cephes' expf). */
static inline float exponential(float x) {
    x = x > 88.0f ? 88.0f : x;
    x = x < -87.0f ? -87.0f : x;
    float shifted = x * 1.44269504f + 12582912.0f; /* 1.5 · 2^23: its low bits are n */
    float n = shifted - 12582912.0f;
    float r = x - n * 0.693359375f + n * 2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1.0f;
    int32_t power = ((int32_t)n + 127) << 23;
    float scale;
    memcpy(&scale, &power, sizeof scale);
    return p * scale;
}

enum { LANES = 16 }; /* partial sums, so that the order of additions does not depend on the instruction set */

static float total(const float part[LANES]) {
    float sum = 0;
    for (int i = 0; i < LANES; i++)
        sum += part[i];
    return sum;
}

MANY_TARGETS static float sum_of(size_t count, const float *x) {
    float part[LANES] = {0};
    size_t i = 0;
    for (; i + LANES <= count; i += LANES)
        for (int k = 0; k < LANES; k++)
            part[k] += x[i + (size_t)k];
    for (; i < count; i++)
        part[0] += x[i];
    return total(part);
}

MANY_TARGETS static float squares_of(size_t count, const float *x, float mean) {
    float part[LANES] = {0};
    size_t i = 0;
    for (; i + LANES <= count; i += LANES)
        for (int k = 0; k < LANES; k++)
            part[k] += (x[i + (size_t)k] - mean) * (x[i + (size_t)k] - mean);
    for (; i < count; i++)
        part[0] += (x[i] - mean) * (x[i] - mean);
    return total(part);
}

MANY_TARGETS static void scale_all(size_t count, const float *x, float mean, float factor,
                                   const float *weight, const float *bias, float *out) {
    if (bias)
        for (size_t i = 0; i < count; i++)
            out[i] = (x[i] - mean) * factor * weight[i] + bias[i];
    else
        for (size_t i = 0; i < count; i++)
            out[i] = (x[i] - mean) * factor * weight[i];
}

void ob_vector_norm(enum ob_norm_kind kind, float epsilon, size_t count, const float *x, const float *weight,
                    const float *bias, float *out) {
    float mean = kind == OB_NORM_LAYER ? sum_of(count, x) / (float)count : 0.0f;
    float variance = squares_of(count, x, mean) / (float)count;
    scale_all(count, x, mean, 1.0f / sqrtf(variance + epsilon), weight, bias, out);
}

/* 0.5 x (1 + tanh u) = x / (1 + exp(-2u)), u = sqrt(2/π) (x + 0.044715 x^3) */
MANY_TARGETS static void gelu_tanh(size_t count, float *x) {
    for (size_t i = 0; i < count; i++)
        x[i] = x[i] / (1.0f + exponential(-1.5957691216f * (x[i] + 0.044715f * x[i] * x[i] * x[i])));
}

MANY_TARGETS static void silu(size_t count, float *x) {
    for (size_t i = 0; i < count; i++)
        x[i] = x[i] / (1.0f + exponential(-x[i]));
}

static void gelu_erf(size_t count, float *x) {
    for (size_t i = 0; i < count; i++)
        x[i] = 0.5f * x[i] * (1.0f + erff(x[i] * 0.70710678f));
}

void ob_vector_activate(enum ob_activation activation, size_t count, float *x) {
    switch (activation) {
    case OB_ACTIVATION_GELU_TANH:
        gelu_tanh(count, x);
        break;
    case OB_ACTIVATION_GELU_ERF:
        gelu_erf(count, x);
        break;
    case OB_ACTIVATION_SILU:
        silu(count, x);
        break;
    case OB_ACTIVATION_RELU:
        for (size_t i = 0; i < count; i++)
            x[i] = x[i] > 0.0f ? x[i] : 0.0f;
        break;
    }
}

MANY_TARGETS void ob_vector_multiply(size_t count, float *x, const float *y) {
    for (size_t i = 0; i < count; i++)
        x[i] *= y[i];
}

MANY_TARGETS void ob_vector_add(size_t count, float *x, const float *y) {
    for (size_t i = 0; i < count; i++)
        x[i] += y[i];
}

MANY_TARGETS static float largest_of(size_t count, const float *x) {
    float part[LANES];
    for (int k = 0; k < LANES; k++)
        part[k] = x[0];
    size_t i = 0;
    for (; i + LANES <= count; i += LANES)
        for (int k = 0; k < LANES; k++)
            part[k] = x[i + (size_t)k] > part[k] ? x[i + (size_t)k] : part[k];
    for (; i < count; i++)
        part[0] = x[i] > part[0] ? x[i] : part[0];
    for (int k = 1; k < LANES; k++)
        part[0] = part[k] > part[0] ? part[k] : part[0];
    return part[0];
}

MANY_TARGETS static void exponentials(size_t count, const float *x, float largest, float *out) {
    for (size_t i = 0; i < count; i++)
        out[i] = exponential(x[i] - largest);
}

MANY_TARGETS void ob_vector_softmax(size_t count, float *x) {
    exponentials(count, x, largest_of(count, x), x);
    float factor = 1.0f / sum_of(count, x);
    for (size_t i = 0; i < count; i++)
        x[i] *= factor;
}

void ob_vector_exp_sum(size_t count, const float *x, float *ret_max, double *ret_sum) {
    float part[256], largest = largest_of(count, x);
    double sum = 0;
    for (size_t at = 0; at < count; at += 256) {
        size_t some = count - at < 256 ? count - at : 256;
        exponentials(some, x + at, largest, part);
        sum += (double)sum_of(some, part);
    }
    *ret_max = largest;
    *ret_sum = sum;
}

MANY_TARGETS void ob_vector_rotate(size_t half, const float *cosines, const float *sines, float *x) {
    for (size_t i = 0; i < half; i++) {
        float a = x[i], b = x[i + half];
        x[i] = a * cosines[i] - b * sines[i];
        x[i + half] = b * cosines[i] + a * sines[i];
    }
}
