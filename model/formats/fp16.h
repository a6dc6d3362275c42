/* fp16 - IEEE 754 float16 as it lies in checkpoints: exact to float32, and rounded half to even from it. */
#ifndef OB_MODEL_FORMATS_FP16_H
#define OB_MODEL_FORMATS_FP16_H

#include <stdint.h>
#include <string.h>

static inline float ob_float_from_bits(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline uint32_t ob_float_bits(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* Without branches, so that loops over it become vector loops. The exponent's bias is made a float's by an
 * addition; infinities and NaNs get the rest of it, and the bits of a subnormal are taken as a fraction above
 * 2^-14, from which that is subtracted: exact, and without a float that is subnormal. */
static inline float ob_float16_to_float(uint16_t float16) {
    uint32_t sign = (uint32_t)(float16 & 0x8000u) << 16, magnitude = (uint32_t)(float16 & 0x7fffu) << 13;
    uint32_t exponent = magnitude & 0x0f800000u;
    uint32_t is_largest = 0u - (uint32_t)(exponent == 0x0f800000u), is_least = 0u - (uint32_t)(exponent == 0);
    uint32_t normal = magnitude + 0x38000000u + (is_largest & 0x38000000u);
    uint32_t small = ob_float_bits(ob_float_from_bits(magnitude + 0x38800000u) - 0x1p-14f);
    return ob_float_from_bits(sign | (is_least & small) | (~is_least & normal));
}

static inline uint16_t ob_float16_from_float(float value) {
    uint32_t bits = ob_float_bits(value), sign = bits >> 16 & 0x8000, magnitude = bits & 0x7fffffff;
    if (magnitude > 0x7f800000)
        return (uint16_t)(sign | 0x7e00);
    if (magnitude >= 0x477ff000) /* 65520 and above round to infinity */
        return (uint16_t)(sign | 0x7c00);
    int exponent = (int)(magnitude >> 23) - 112; /* of the float16 */
    uint32_t mantissa = (magnitude & 0x7fffff) | 0x800000;
    int shift = exponent > 0 ? 13 : 14 - exponent;
    if (shift > 25)
        return (uint16_t)sign;
    uint32_t whole = mantissa >> shift, rest = mantissa & ((1u << shift) - 1), middle = 1u << (shift - 1);
    whole += rest > middle || (rest == middle && (whole & 1));
    /* a normal's hidden bit adds one to its exponent, as does a carry */
    return (uint16_t)(sign | (exponent > 0 ? ((uint32_t)(exponent - 1) << 10) + whole : whole));
}

#endif
