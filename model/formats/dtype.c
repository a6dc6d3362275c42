#include "model/formats/dtype.h"

#include <assert.h>
#include <endian.h>
#include <string.h>

#include "base/cursor.h"
#include "model/formats/dtype_blocks.h"

static const struct {
    const char *name;
    uint32_t block_elements, block_bytes;
} DTYPES[OB_DTYPE_COUNT] = {
    [OB_DTYPE_F32] = {"F32", 1, 4},       [OB_DTYPE_F16] = {"F16", 1, 2},
    [OB_DTYPE_BF16] = {"BF16", 1, 2},     [OB_DTYPE_Q4_0] = {"Q4_0", 32, 18},
    [OB_DTYPE_Q4_1] = {"Q4_1", 32, 20},   [OB_DTYPE_Q5_0] = {"Q5_0", 32, 22},
    [OB_DTYPE_Q5_1] = {"Q5_1", 32, 24},   [OB_DTYPE_Q8_0] = {"Q8_0", 32, 34},
    [OB_DTYPE_Q4_K] = {"Q4_K", 256, 144}, [OB_DTYPE_Q5_K] = {"Q5_K", 256, 176},
    [OB_DTYPE_Q6_K] = {"Q6_K", 256, 210},
};

const char *ob_dtype_name(enum ob_dtype dtype) {
    assert((unsigned)dtype < OB_DTYPE_COUNT);
    return DTYPES[dtype].name;
}

uint32_t ob_dtype_block_elements(enum ob_dtype dtype) {
    assert((unsigned)dtype < OB_DTYPE_COUNT);
    return DTYPES[dtype].block_elements;
}

uint32_t ob_dtype_block_bytes(enum ob_dtype dtype) {
    assert((unsigned)dtype < OB_DTYPE_COUNT);
    return DTYPES[dtype].block_bytes;
}

static float from_bits(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static uint32_t bits_of(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* Without branches, so that loops over it become vector loops. The exponent's bias is made a float's by an
 * addition; infinities and NaNs get the rest of it, and the bits of a subnormal are taken as a fraction above
 * 2^-14, from which that is subtracted: exact, and without a float that is subnormal. */
static inline float half_to_float(uint16_t half) {
    uint32_t sign = (uint32_t)(half & 0x8000u) << 16, magnitude = (uint32_t)(half & 0x7fffu) << 13;
    uint32_t exponent = magnitude & 0x0f800000u;
    uint32_t is_largest = 0u - (uint32_t)(exponent == 0x0f800000u), is_least = 0u - (uint32_t)(exponent == 0);
    uint32_t normal = magnitude + 0x38000000u + (is_largest & 0x38000000u);
    uint32_t small = bits_of(from_bits(magnitude + 0x38800000u) - 0x1p-14f);
    return from_bits(sign | (is_least & small) | (~is_least & normal));
}

float ob_half_to_float(uint16_t half) {
    return half_to_float(half);
}

/* In forms that compilers turn into vector loads: a forward pass over frozen weights lives on these. */
static inline uint16_t load_u16(const uint8_t *at) {
    uint16_t value;
    memcpy(&value, at, sizeof value);
    return le16toh(value);
}

static inline uint32_t load_u32(const uint8_t *at) {
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return le32toh(value);
}

static void decode_plain(enum ob_dtype dtype, const uint8_t *at, size_t count, float *ret_values) {
    if (dtype == OB_DTYPE_F32)
        for (size_t i = 0; i < count; i++)
            ret_values[i] = from_bits(load_u32(at + 4 * i));
    else if (dtype == OB_DTYPE_F16)
        for (size_t i = 0; i < count; i++)
            ret_values[i] = half_to_float(load_u16(at + 2 * i));
    else
        for (size_t i = 0; i < count; i++)
            ret_values[i] = from_bits((uint32_t)load_u16(at + 2 * i) << 16);
}

/* Whole blocks straight into place; of the first and the last perhaps a part, by way of scratch. */
static void decode_blocks(enum ob_dtype dtype, const uint8_t *data, uint64_t first, size_t count,
                          float *ret_values) {
    uint32_t elements = DTYPES[dtype].block_elements, bytes = DTYPES[dtype].block_bytes;
    float scratch[OB_DTYPE_BLOCK_MAX];
    const uint8_t *block = data + first / elements * bytes;
    for (size_t skip = (size_t)(first % elements); count > 0; skip = 0, block += bytes) {
        size_t part = elements - skip < count ? elements - skip : count;
        if (part == elements) {
            ob_blocks_decode(dtype, block, ret_values);
        } else {
            ob_blocks_decode(dtype, block, scratch);
            memcpy(ret_values, scratch + skip, part * sizeof *scratch);
        }
        ret_values += part;
        count -= part;
    }
}

void ob_dtype_decode(enum ob_dtype dtype, const uint8_t *data, uint64_t first, size_t count,
                     float *ret_values) {
    assert((unsigned)dtype < OB_DTYPE_COUNT);
    if (dtype < OB_DTYPE_PLAIN_COUNT)
        decode_plain(dtype, data + first * DTYPES[dtype].block_bytes, count, ret_values);
    else
        decode_blocks(dtype, data, first, count, ret_values);
}

/* Half to even, in integers. */
static uint16_t to_bf16(float value) {
    uint32_t bits = bits_of(value);
    if ((bits & 0x7fffffff) > 0x7f800000)
        return (uint16_t)(bits >> 16 | 0x40);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

static uint16_t to_half(float value) {
    uint32_t bits = bits_of(value), sign = bits >> 16 & 0x8000, magnitude = bits & 0x7fffffff;
    if (magnitude > 0x7f800000)
        return (uint16_t)(sign | 0x7e00);
    if (magnitude >= 0x477ff000) /* 65520 and above round to infinity */
        return (uint16_t)(sign | 0x7c00);
    int exponent = (int)(magnitude >> 23) - 112; /* of the half */
    uint32_t mantissa = (magnitude & 0x7fffff) | 0x800000;
    int shift = exponent > 0 ? 13 : 14 - exponent;
    if (shift > 25)
        return (uint16_t)sign;
    uint32_t whole = mantissa >> shift, rest = mantissa & ((1u << shift) - 1), middle = 1u << (shift - 1);
    whole += rest > middle || (rest == middle && (whole & 1));
    /* a normal's hidden bit adds one to its exponent, as does a carry */
    return (uint16_t)(sign | (exponent > 0 ? ((uint32_t)(exponent - 1) << 10) + whole : whole));
}

void ob_dtype_encode(enum ob_dtype dtype, const float *values, size_t count, uint8_t *ret_data) {
    assert(dtype < OB_DTYPE_PLAIN_COUNT);
    for (size_t i = 0; i < count; i++) {
        if (dtype == OB_DTYPE_F32)
            ob_store_u32(ret_data + 4 * i, bits_of(values[i]));
        else
            ob_store_u16(ret_data + 2 * i, dtype == OB_DTYPE_F16 ? to_half(values[i]) : to_bf16(values[i]));
    }
}
