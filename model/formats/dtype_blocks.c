#include "model/formats/dtype_blocks.h"

#include <stddef.h>

#include "base/cursor.h"
#include "model/formats/fp16.h"

static float float16_at(const uint8_t *at) {
    return ob_float16_to_float(ob_load_u16(at));
}

#define NO_MINIMUM (-0.0f) /* the one number that adds nothing to a zero of either sign */

/* Q4_0 … Q5_1: nibbles, perhaps with a fifth bit, times d, plus m or less a fixed middle. */
static void decode_nibbles(const uint8_t *nibbles, uint32_t fifth, int middle, float d, float m,
                           float *ret_values) {
    for (unsigned i = 0; i < 16; i++) {
        int low = nibbles[i] & 15, high = nibbles[i] >> 4;
        low |= (int)(fifth >> i & 1) << 4;
        high |= (int)(fifth >> (i + 16) & 1) << 4;
        ret_values[i] = d * (float)(low - middle) + m;
        ret_values[i + 16] = d * (float)(high - middle) + m;
    }
}

void ob_block_decode_q8_0(const uint8_t *block, float *ret_values) {
    float d = float16_at(block);
    for (unsigned i = 0; i < 32; i++)
        ret_values[i] = d * (float)(int8_t)block[2 + i];
}

/* Scale and minimum of the eight groups of 32 elements: 6 bits each in 12 bytes. */
static void unpack_scales(const uint8_t packed[12], uint8_t ret_scales[8], uint8_t ret_minima[8]) {
    for (unsigned i = 0; i < 4; i++) {
        ret_scales[i] = packed[i] & 63;
        ret_minima[i] = packed[i + 4] & 63;
        ret_scales[i + 4] = (uint8_t)((packed[i + 8] & 15) | (packed[i] >> 6) << 4);
        ret_minima[i + 4] = (uint8_t)((packed[i + 8] >> 4) | (packed[i + 4] >> 6) << 4);
    }
}

/* fifth: 32 bytes of high bits, or NULL for Q4_K. */
static void decode_q45_k(const uint8_t *block, const uint8_t *fifth, const uint8_t *nibbles,
                         float *ret_values) {
    uint8_t scales[8], minima[8];
    float d = float16_at(block), smallest = float16_at(block + 2);
    unpack_scales(block + 4, scales, minima);
    for (unsigned group = 0; group < 8; group++) {
        float scale = d * (float)scales[group], minimum = smallest * (float)minima[group];
        const uint8_t *bytes = nibbles + (size_t)group / 2 * 32;
        for (unsigned i = 0; i < 32; i++) {
            unsigned q = group % 2 ? bytes[i] >> 4 : bytes[i] & 15u;
            if (fifth)
                q |= (fifth[i] >> group & 1u) << 4;
            ret_values[32 * group + i] = scale * (float)q - minimum;
        }
    }
}

/* Each half of the block: 64 bytes of nibbles and 32 of high bits for four groups of 32 elements; a scale
 * for each 16. */
void ob_block_decode_q6_k(const uint8_t *block, float *ret_values) {
    float d = float16_at(block + 208);
    for (unsigned group = 0; group < 8; group++) {
        unsigned half = group / 4, part = group % 4;
        const uint8_t *low = block + (size_t)64 * half + (size_t)32 * (part % 2);
        const uint8_t *high = block + 128 + (size_t)32 * half;
        for (unsigned i = 0; i < 32; i++) {
            unsigned q = (part < 2 ? low[i] & 15u : low[i] >> 4) | (high[i] >> 2 * part & 3u) << 4;
            float scale = d * (float)(int8_t)block[192 + 2 * group + i / 16];
            ret_values[32 * group + i] = scale * (float)((int)q - 32);
        }
    }
}

void ob_block_decode_q4_0(const uint8_t *block, float *ret_values) {
    decode_nibbles(block + 2, 0, 8, float16_at(block), NO_MINIMUM, ret_values);
}

void ob_block_decode_q4_1(const uint8_t *block, float *ret_values) {
    decode_nibbles(block + 4, 0, 0, float16_at(block), float16_at(block + 2), ret_values);
}

void ob_block_decode_q5_0(const uint8_t *block, float *ret_values) {
    decode_nibbles(block + 6, ob_load_u32(block + 2), 16, float16_at(block), NO_MINIMUM, ret_values);
}

void ob_block_decode_q5_1(const uint8_t *block, float *ret_values) {
    decode_nibbles(block + 8, ob_load_u32(block + 4), 0, float16_at(block), float16_at(block + 2),
                   ret_values);
}

void ob_block_decode_q4_k(const uint8_t *block, float *ret_values) {
    decode_q45_k(block, NULL, block + 16, ret_values);
}

void ob_block_decode_q5_k(const uint8_t *block, float *ret_values) {
    decode_q45_k(block, block + 16, block + 48, ret_values);
}
