/* dtype - how the numbers of a checkpoint are stored: plain floats, and GGUF's quantised blocks.
 *
 * A plain number is a block of one element. A quantised row is a sequence of blocks of 32 or 256 elements;
 * model/formats/dtype_blocks.h has their layouts. Decoding is exact: plain types convert without rounding, blocks
 * give the same float32 as the `gguf` Python package's dequantize, bit for bit.
 * Threads: pure functions.
 * Source:  the GGUF specification and ggml's block layouts. */
#ifndef OB_MODEL_FORMATS_DTYPE_H
#define OB_MODEL_FORMATS_DTYPE_H

#include <stddef.h>
#include <stdint.h>

#define OB_DTYPE_BLOCK_MAX 256 /* elements of the largest block */

enum ob_dtype {
    OB_DTYPE_F32,
    OB_DTYPE_F16,
    OB_DTYPE_BF16,
    OB_DTYPE_PLAIN_COUNT, /* these are written as well as read */
    OB_DTYPE_Q4_0 = OB_DTYPE_PLAIN_COUNT,
    OB_DTYPE_Q4_1,
    OB_DTYPE_Q5_0,
    OB_DTYPE_Q5_1,
    OB_DTYPE_Q8_0,
    OB_DTYPE_Q4_K,
    OB_DTYPE_Q5_K,
    OB_DTYPE_Q6_K,
    OB_DTYPE_COUNT, /* these are decoded; what follows is only known by name and size */
    OB_DTYPE_BOOL = OB_DTYPE_COUNT,
    OB_DTYPE_U8,
    OB_DTYPE_I8,
    OB_DTYPE_F8_E5M2,
    OB_DTYPE_F8_E4M3,
    OB_DTYPE_I16,
    OB_DTYPE_U16,
    OB_DTYPE_I32,
    OB_DTYPE_U32,
    OB_DTYPE_F64,
    OB_DTYPE_I64,
    OB_DTYPE_U64,
    OB_DTYPE_KNOWN_COUNT
};

const char *ob_dtype_name(enum ob_dtype dtype); /* "F32", "Q4_K" */
uint32_t ob_dtype_block_elements(enum ob_dtype dtype);
uint32_t ob_dtype_block_bytes(enum ob_dtype dtype);

/* Elements [first, first + count) of a decoded type: of a run of whole blocks at `data`, which needs no alignment. */
void ob_dtype_decode(enum ob_dtype dtype, const uint8_t *data, uint64_t first, size_t count,
                     float *ret_values);
/* Plain types only: rounds half to even; count · block_bytes bytes, little-endian. */
void ob_dtype_encode(enum ob_dtype dtype, const float *values, size_t count, uint8_t *ret_data);

#endif
