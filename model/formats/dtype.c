#include "model/formats/dtype.h"

#include <assert.h>
#include <endian.h>
#include <string.h>

#include "base/cursor.h"
#include "model/formats/dtype_blocks.h"
#include "model/formats/fp16.h"

static const struct {
    const char *name;
    uint32_t block_elements, block_bytes;
    void (*decode)(const uint8_t *block, float *ret_values); /* of a quantised type */
} DTYPES[OB_DTYPE_KNOWN_COUNT] = {
    [OB_DTYPE_F32] = {"F32", 1, 4, NULL},
    [OB_DTYPE_F16] = {"F16", 1, 2, NULL},
    [OB_DTYPE_BF16] = {"BF16", 1, 2, NULL},
    [OB_DTYPE_Q4_0] = {"Q4_0", 32, 18, ob_block_decode_q4_0},
    [OB_DTYPE_Q4_1] = {"Q4_1", 32, 20, ob_block_decode_q4_1},
    [OB_DTYPE_Q5_0] = {"Q5_0", 32, 22, ob_block_decode_q5_0},
    [OB_DTYPE_Q5_1] = {"Q5_1", 32, 24, ob_block_decode_q5_1},
    [OB_DTYPE_Q8_0] = {"Q8_0", 32, 34, ob_block_decode_q8_0},
    [OB_DTYPE_Q4_K] = {"Q4_K", 256, 144, ob_block_decode_q4_k},
    [OB_DTYPE_Q5_K] = {"Q5_K", 256, 176, ob_block_decode_q5_k},
    [OB_DTYPE_Q6_K] = {"Q6_K", 256, 210, ob_block_decode_q6_k},
    [OB_DTYPE_BOOL] = {"BOOL", 1, 1, NULL},
    [OB_DTYPE_U8] = {"U8", 1, 1, NULL},
    [OB_DTYPE_I8] = {"I8", 1, 1, NULL},
    [OB_DTYPE_F8_E5M2] = {"F8_E5M2", 1, 1, NULL},
    [OB_DTYPE_F8_E4M3] = {"F8_E4M3", 1, 1, NULL},
    [OB_DTYPE_I16] = {"I16", 1, 2, NULL},
    [OB_DTYPE_U16] = {"U16", 1, 2, NULL},
    [OB_DTYPE_I32] = {"I32", 1, 4, NULL},
    [OB_DTYPE_U32] = {"U32", 1, 4, NULL},
    [OB_DTYPE_F64] = {"F64", 1, 8, NULL},
    [OB_DTYPE_I64] = {"I64", 1, 8, NULL},
    [OB_DTYPE_U64] = {"U64", 1, 8, NULL},
};

const char *ob_dtype_name(enum ob_dtype dtype) {
    assert((unsigned)dtype < OB_DTYPE_KNOWN_COUNT);
    return DTYPES[dtype].name;
}

uint32_t ob_dtype_block_elements(enum ob_dtype dtype) {
    assert((unsigned)dtype < OB_DTYPE_KNOWN_COUNT);
    return DTYPES[dtype].block_elements;
}

uint32_t ob_dtype_block_bytes(enum ob_dtype dtype) {
    assert((unsigned)dtype < OB_DTYPE_KNOWN_COUNT);
    return DTYPES[dtype].block_bytes;
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
            ret_values[i] = ob_float_from_bits(load_u32(at + 4 * i));
    else if (dtype == OB_DTYPE_F16)
        for (size_t i = 0; i < count; i++)
            ret_values[i] = ob_float16_to_float(load_u16(at + 2 * i));
    else
        for (size_t i = 0; i < count; i++)
            ret_values[i] = ob_float_from_bits((uint32_t)load_u16(at + 2 * i) << 16);
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
            DTYPES[dtype].decode(block, ret_values);
        } else {
            DTYPES[dtype].decode(block, scratch);
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
    uint32_t bits = ob_float_bits(value);
    if ((bits & 0x7fffffff) > 0x7f800000)
        return (uint16_t)(bits >> 16 | 0x40);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

void ob_dtype_encode(enum ob_dtype dtype, const float *values, size_t count, uint8_t *ret_data) {
    assert(dtype < OB_DTYPE_PLAIN_COUNT);
    for (size_t i = 0; i < count; i++) {
        if (dtype == OB_DTYPE_F32)
            ob_store_u32(ret_data + 4 * i, ob_float_bits(values[i]));
        else
            ob_store_u16(ret_data + 2 * i,
                         dtype == OB_DTYPE_F16 ? ob_float16_from_float(values[i]) : to_bf16(values[i]));
    }
}
