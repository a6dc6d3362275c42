/* Plain C in forms that compilers vectorise. OB_VECTOR_TABLE is the name of the table, OB_VECTOR_NAME its
 * text: the build compiles this file once for each instruction set. */
#include "model/forward/vector_loops.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { LANES = 16 }; /* partial sums, so that the order of additions does not depend on the instruction set */

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
    uint32_t bits; /* no conversion: a number that is not finite has no integer */
    memcpy(&bits, &shifted, sizeof bits);
    bits = (bits + 127u) << 23;
    float power;
    memcpy(&power, &bits, sizeof power);
    return p * power;
}

/* erf(x) for x >= 0: 1 - (a1 t + … + a5 t^5) e^(-x²), t = 1 / (1 + p x); Abramowitz and Stegun 7.1.26,
 * absolute error below 1.5e-7. */
static inline float error_function(float x) {
    float t = 1.0f / (1.0f + 0.3275911f * x);
    float p = 1.061405429f;
    p = p * t - 1.453152027f;
    p = p * t + 1.421413741f;
    p = p * t - 0.284496736f;
    p = p * t + 0.254829592f;
    return 1.0f - p * t * exponential(-x * x);
}

static float total(const float part[LANES]) {
    float sum = 0;
    for (int i = 0; i < LANES; i++)
        sum += part[i];
    return sum;
}

static float sum(size_t count, const float *x) {
    float part[LANES] = {0};
    size_t i = 0;
    for (; i + LANES <= count; i += LANES)
        for (int k = 0; k < LANES; k++)
            part[k] += x[i + (size_t)k];
    for (; i < count; i++)
        part[0] += x[i];
    return total(part);
}

static float squares(size_t count, const float *x, float mean) {
    float part[LANES] = {0};
    size_t i = 0;
    for (; i + LANES <= count; i += LANES)
        for (int k = 0; k < LANES; k++)
            part[k] += (x[i + (size_t)k] - mean) * (x[i + (size_t)k] - mean);
    for (; i < count; i++)
        part[0] += (x[i] - mean) * (x[i] - mean);
    return total(part);
}

static void scale(size_t count, const float *x, float mean, float factor, const float *weight,
                  const float *bias, float *out) {
    if (bias)
        for (size_t i = 0; i < count; i++)
            out[i] = (x[i] - mean) * factor * weight[i] + bias[i];
    else
        for (size_t i = 0; i < count; i++)
            out[i] = (x[i] - mean) * factor * weight[i];
}

/* 0.5 x (1 + tanh u) = x / (1 + exp(-2u)), u = sqrt(2/π) (x + 0.044715 x^3) */
static void gelu_tanh(size_t count, float *x) {
    for (size_t i = 0; i < count; i++)
        x[i] = x[i] / (1.0f + exponential(-1.5957691216f * (x[i] + 0.044715f * x[i] * x[i] * x[i])));
}

/* 0.5 x (1 + erf(x / √2)) */
static void gelu_erf(size_t count, float *x) {
    for (size_t i = 0; i < count; i++) {
        float magnitude = x[i] < 0.0f ? -x[i] : x[i];
        float part = error_function(magnitude * 0.70710678f);
        x[i] = 0.5f * (x[i] + magnitude * part); /* x · erf(x/√2) is even */
    }
}

static void silu(size_t count, float *x) {
    for (size_t i = 0; i < count; i++)
        x[i] = x[i] / (1.0f + exponential(-x[i]));
}

static void relu(size_t count, float *x) {
    for (size_t i = 0; i < count; i++)
        x[i] = x[i] > 0.0f ? x[i] : 0.0f;
}

static void multiply(size_t count, float *x, const float *y) {
    for (size_t i = 0; i < count; i++)
        x[i] *= y[i];
}

static void add(size_t count, float *x, const float *y) {
    for (size_t i = 0; i < count; i++)
        x[i] += y[i];
}

static float largest(size_t count, const float *x) {
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

static float exponentials(size_t count, const float *x, float most, float *out) {
    float part[LANES] = {0};
    size_t i = 0;
    for (; i + LANES <= count; i += LANES)
        for (int k = 0; k < LANES; k++) {
            out[i + (size_t)k] = exponential(x[i + (size_t)k] - most);
            part[k] += out[i + (size_t)k];
        }
    for (; i < count; i++) {
        out[i] = exponential(x[i] - most);
        part[0] += out[i];
    }
    return total(part);
}

static double exponential_sum(size_t count, const float *x, float most) {
    double all = 0;
    for (size_t at = 0; at < count; at += 4096) { /* float32 sums of so many terms at most */
        size_t end = count - at < 4096 ? count : at + 4096, i = at;
        float part[LANES] = {0};
        for (; i + LANES <= end; i += LANES)
            for (int k = 0; k < LANES; k++)
                part[k] += exponential(x[i + (size_t)k] - most);
        for (; i < end; i++)
            part[0] += exponential(x[i] - most);
        all += (double)total(part);
    }
    return all;
}

static void times(size_t count, float factor, float *x) {
    for (size_t i = 0; i < count; i++)
        x[i] *= factor;
}

static void less(size_t count, const float *restrict x, const float *restrict y, float *restrict out) {
    for (size_t i = 0; i < count; i++)
        out[i] = x[i] - y[i];
}

/* Four sums for each lane: an addition need not wait for the one before. */
static float dot(size_t count, const float *restrict x, const float *restrict y) {
    float part[4 * LANES] = {0};
    size_t i = 0;
    for (; i + 4 * LANES <= count; i += 4 * LANES)
        for (int k = 0; k < 4 * LANES; k++)
            part[k] += x[i + (size_t)k] * y[i + (size_t)k];
    for (; i < count; i++)
        part[0] += x[i] * y[i];
    for (int k = 0; k < LANES; k++)
        part[k] = (part[k] + part[k + LANES]) + (part[k + 2 * LANES] + part[k + 3 * LANES]);
    return total(part);
}

static void add_times(size_t count, float factor, const float *restrict x, float *restrict y) {
    for (size_t i = 0; i < count; i++)
        y[i] += factor * x[i];
}

static inline uint16_t rounded_half(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    uint32_t rounded = bits + 0x7fff + (bits >> 16 & 1);
    bool nan = (bits & 0x7fffffff) > 0x7f800000;
    return (uint16_t)((nan ? bits | 0x400000 : rounded) >> 16);
}

static void residue(size_t count, const float *restrict x, float *restrict out) {
    for (size_t i = 0; i < count; i++) {
        uint32_t bits = (uint32_t)rounded_half(x[i]) << 16;
        float large;
        memcpy(&large, &bits, sizeof large);
        out[i] = x[i] - large;
    }
}

static void to_bf16(size_t count, const float *restrict x, uint16_t *restrict out) {
    for (size_t i = 0; i < count; i++) {
        out[i] = rounded_half(x[i]);
    }
}

static void rotate(size_t half, const float *cosines, const float *sines, float *x) {
    for (size_t i = 0; i < half; i++) {
        float a = x[i], b = x[i + half];
        x[i] = a * cosines[i] - b * sines[i];
        x[i + half] = b * cosines[i] + a * sines[i];
    }
}

const struct ob_vector_loops OB_VECTOR_TABLE = {
    .name = OB_VECTOR_NAME,
    .sum = sum,
    .squares = squares,
    .scale = scale,
    .gelu_tanh = gelu_tanh,
    .gelu_erf = gelu_erf,
    .silu = silu,
    .relu = relu,
    .multiply = multiply,
    .add = add,
    .largest = largest,
    .exponentials = exponentials,
    .exponential_sum = exponential_sum,
    .times = times,
    .less = less,
    .dot = dot,
    .add_times = add_times,
    .to_bf16 = to_bf16,
    .residue = residue,
    .rotate = rotate,
};
