/* dtype_blocks - the quantised blocks of GGUF. For dtype.c.
 *
 *   TYPE  BYTES LAYOUT (h: float16; element i of a block)
 *   Q4_0    18  h d, 16 bytes: low nibbles are elements 0-15, high ones 16-31   w = d (q - 8)
 *   Q4_1    20  h d, h m, 16 bytes as above                                      w = d q + m
 *   Q5_0    22  h d, le32 fifth bits (bit i of element i), 16 bytes as above     w = d (q - 16)
 *   Q5_1    24  h d, h m, le32 fifth bits, 16 bytes                              w = d q + m
 *   Q8_0    34  h d, 32 int8                                                     w = d q
 *   Q4_K   144  h d, h dmin, 12 bytes of eight 6-bit scales and minima, 128 bytes: the 32 low nibbles, then
 *               the 32 high ones of each 32 bytes                                w = (d s) q - dmin m
 *   Q5_K   176  as Q4_K with 32 bytes of fifth bits before the nibbles: bit j of byte i belongs to element
 *               32 j + i                                                         w = (d s) q - dmin m
 *   Q6_K   210  128 bytes of low nibbles, 64 bytes of two high bits, 16 int8 scales, h d
 *                                                                                w = (d s) (q - 32)
 *
 * Blocks of 32 elements; of the _K types 256. Products and sums are float32, each rounded, in this order. */
#ifndef OB_MODEL_FORMATS_DTYPE_BLOCKS_H
#define OB_MODEL_FORMATS_DTYPE_BLOCKS_H

#include <stdint.h>

/* One whole block each. */
void ob_block_decode_q4_0(const uint8_t *block, float *ret_values);
void ob_block_decode_q4_1(const uint8_t *block, float *ret_values);
void ob_block_decode_q5_0(const uint8_t *block, float *ret_values);
void ob_block_decode_q5_1(const uint8_t *block, float *ret_values);
void ob_block_decode_q8_0(const uint8_t *block, float *ret_values);
void ob_block_decode_q4_k(const uint8_t *block, float *ret_values);
void ob_block_decode_q5_k(const uint8_t *block, float *ret_values);
void ob_block_decode_q6_k(const uint8_t *block, float *ret_values);

#endif
