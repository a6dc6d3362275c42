/* bf16_avx512 - the kernel of products_bf16 for AVX512_BF16.
 *
 * A packed tile is blocks of OB_BF16_TERMS terms (the last one shorter, rounded up to 32), each of them
 * panels of OB_BF16_COLUMNS columns: 32 pairs of terms, pair after pair, zeros where there is nothing.
 * Staged rows are the same blocks, each of them groups of OB_BF16_ROWS rows: their first pairs, their second
 * pairs … Sums run over a block's pairs in order, and over blocks in order. */
#ifndef OB_MODEL_FORWARD_BF16_AVX512_H
#define OB_MODEL_FORWARD_BF16_AVX512_H

#include "base/cpu.h"
#include "model/forward/product_way.h"

#define OB_BF16_TERMS   384 /* of one block: a multiple of 32, so that a panel fits the first-level cache */
#define OB_BF16_COLUMNS 32
#define OB_BF16_ROWS    14 /* times two vectors of sums fill the registers */

#define OB_BF16_AVX512_NEEDS (OB_CPU_AVX512F | OB_CPU_AVX512BW | OB_CPU_AVX512VL | OB_CPU_AVX512BF16)

void ob_bf16_avx512_pack(const struct ob_matrix *matrix, void *ret_tile);
void ob_bf16_avx512_stage(const float *a, size_t lda, size_t count, size_t k, void *ret_rows);
void ob_bf16_avx512_multiply(const struct ob_product *product);

#endif
