/* Panels of 32 columns of the weights stay in the first-level cache while all rows of a pass by; a block of
 * terms at a time, so that a panel fits. */
#include "model/forward/bf16_avx512.h"

#include <immintrin.h>
#include <string.h>

#define ROWS OB_BF16_ROWS

static __mmask16 first_lanes(size_t count) {
    return (__mmask16)(count >= 16 ? 0xffff : (1u << count) - 1);
}

/* 32 floats, the first `count` of which exist, as 16 pairs. */
static __m512i pairs_of(const float *x, size_t count) {
    __m512 low = _mm512_maskz_loadu_ps(first_lanes(count), x);
    __m512 high = count > 16 ? _mm512_maskz_loadu_ps(first_lanes(count - 16), x + 16) : _mm512_setzero_ps();
    return (__m512i)_mm512_cvtne2ps_pbh(high, low);
}

/* 16 × 16 pairs: rows become columns. */
static void transpose(__m512i x[16]) {
    __m512i y[16];
    for (int i = 0; i < 16; i += 2) {
        y[i] = _mm512_unpacklo_epi32(x[i], x[i + 1]);
        y[i + 1] = _mm512_unpackhi_epi32(x[i], x[i + 1]);
    }
    for (int i = 0; i < 16; i += 4) {
        x[i] = _mm512_unpacklo_epi64(y[i], y[i + 2]);
        x[i + 1] = _mm512_unpackhi_epi64(y[i], y[i + 2]);
        x[i + 2] = _mm512_unpacklo_epi64(y[i + 1], y[i + 3]);
        x[i + 3] = _mm512_unpackhi_epi64(y[i + 1], y[i + 3]);
    }
    for (int i = 0; i < 4; i++) {
        y[i] = _mm512_shuffle_i32x4(x[i], x[i + 4], 0x88);
        y[i + 4] = _mm512_shuffle_i32x4(x[i], x[i + 4], 0xdd);
        y[i + 8] = _mm512_shuffle_i32x4(x[i + 8], x[i + 12], 0x88);
        y[i + 12] = _mm512_shuffle_i32x4(x[i + 8], x[i + 12], 0xdd);
    }
    for (int i = 0; i < 4; i++) {
        x[i] = _mm512_shuffle_i32x4(y[i], y[i + 8], 0x88);
        x[i + 8] = _mm512_shuffle_i32x4(y[i], y[i + 8], 0xdd);
        x[i + 4] = _mm512_shuffle_i32x4(y[i + 4], y[i + 12], 0x88);
        x[i + 12] = _mm512_shuffle_i32x4(y[i + 4], y[i + 12], 0xdd);
    }
}

static size_t padded(size_t terms) {
    return (terms + 31) / 32 * 32;
}

/* Rows [row, row + ROWS) of a block of terms. Zeros for rows that are not there and behind the last term. */
static void stage_group(const float *a, size_t lda, size_t rows, size_t terms, uint16_t *ret_rows) {
    for (size_t at = 0; at < terms; at += 32) {
        __m512i x[16];
        for (size_t i = 0; i < 16; i++)
            x[i] = i < ROWS && i < rows ? pairs_of(a + i * lda + at, terms - at) : _mm512_setzero_si512();
        transpose(x);
        uint16_t *to = ret_rows + at * ROWS;
        for (size_t i = 0; i < 16; i++)
            _mm512_mask_storeu_epi32(to + i * 2 * ROWS, (1u << ROWS) - 1, x[i]);
    }
}

void ob_bf16_avx512_stage(const float *a, size_t lda, size_t count, size_t k, void *ret_rows) {
    uint16_t *to = ret_rows;
    for (size_t from = 0; from < k; from += OB_BF16_TERMS) {
        size_t terms = k - from < OB_BF16_TERMS ? k - from : OB_BF16_TERMS;
        for (size_t row = 0; row < count; row += ROWS, to += padded(terms) * ROWS)
            stage_group(a + row * lda + from, lda, count - row, terms, to);
    }
}

/* Columns [first, first + columns) of an (n, k) factor: each is a row in memory. */
static void pack_transposed(const struct ob_matrix *m, size_t first, size_t columns, size_t from,
                            size_t terms, uint16_t *ret_panel) {
    for (size_t at = 0; at < terms; at += 32)
        for (size_t half = 0; half < OB_BF16_COLUMNS; half += 16) {
            __m512i x[16];
            for (size_t i = 0; i < 16; i++)
                x[i] = half + i < columns
                           ? pairs_of(m->values + (first + half + i) * m->ld + from + at, terms - at)
                           : _mm512_setzero_si512();
            transpose(x);
            for (size_t i = 0; i < 16; i++)
                _mm512_store_si512(ret_panel + (at / 2 + i) * 2 * OB_BF16_COLUMNS + 2 * half, x[i]);
        }
}

/* The same of a (k, n) factor: two rows make pairs. */
static void pack_straight(const struct ob_matrix *m, size_t first, size_t columns, size_t from, size_t terms,
                          uint16_t *ret_panel) {
    for (size_t at = 0; at < padded(terms); at += 2)
        for (size_t half = 0; half < OB_BF16_COLUMNS; half += 16) {
            __mmask16 lanes = half < columns ? first_lanes(columns - half) : 0;
            const float *row = m->values + (from + at) * m->ld + first + half;
            __m512 even = at < terms ? _mm512_maskz_loadu_ps(lanes, row) : _mm512_setzero_ps();
            __m512 odd = at + 1 < terms ? _mm512_maskz_loadu_ps(lanes, row + m->ld) : _mm512_setzero_ps();
            __m512i low = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(even));
            __m512i high = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(odd));
            _mm512_store_si512(ret_panel + at * OB_BF16_COLUMNS + 2 * half,
                               _mm512_or_si512(low, _mm512_slli_epi32(high, 16)));
        }
}

void ob_bf16_avx512_pack(const struct ob_matrix *matrix, void *ret_tile) {
    uint16_t *to = ret_tile;
    for (size_t from = 0; from < matrix->k; from += OB_BF16_TERMS) {
        size_t terms = matrix->k - from < OB_BF16_TERMS ? matrix->k - from : OB_BF16_TERMS;
        for (size_t first = 0; first < matrix->n; first += OB_BF16_COLUMNS) {
            size_t columns = matrix->n - first < OB_BF16_COLUMNS ? matrix->n - first : OB_BF16_COLUMNS;
            if (matrix->transposed)
                pack_transposed(matrix, first, columns, from, terms, to);
            else
                pack_straight(matrix, first, columns, from, terms, to);
            to += padded(terms) * OB_BF16_COLUMNS;
        }
    }
}

/* Sums of `count` rows (a constant where it is called) times a panel. */
static inline __attribute__((always_inline)) void sum_rows(size_t count, size_t pairs, const uint16_t *rows,
                                                           const uint16_t *panel, float *c, size_t ldc,
                                                           const __mmask16 lanes[2], bool add) {
    __m512 sums[ROWS][2];
#pragma GCC unroll 14
    for (size_t i = 0; i < count; i++) {
        _mm_prefetch(c + i * ldc, _MM_HINT_T0);
        _mm_prefetch(c + i * ldc + 16, _MM_HINT_T0);
    }
#pragma GCC unroll 14
    for (size_t i = 0; i < count; i++)
        sums[i][0] = sums[i][1] = _mm512_setzero_ps();
    for (size_t pair = 0; pair < pairs; pair++) {
        __m512bh left = (__m512bh)_mm512_load_si512(panel + pair * 2 * OB_BF16_COLUMNS);
        __m512bh right = (__m512bh)_mm512_load_si512(panel + pair * 2 * OB_BF16_COLUMNS + 32);
#pragma GCC unroll 14
        for (size_t i = 0; i < count; i++) {
            int32_t two;
            memcpy(&two, rows + 2 * (pair * ROWS + i), sizeof two);
            __m512bh x = (__m512bh)_mm512_set1_epi32(two);
            sums[i][0] = _mm512_dpbf16_ps(sums[i][0], x, left);
            sums[i][1] = _mm512_dpbf16_ps(sums[i][1], x, right);
        }
    }
#pragma GCC unroll 14
    for (size_t i = 0; i < count; i++)
        for (size_t half = 0; half < 2; half++) {
            float *to = c + i * ldc + 16 * half;
            __m512 before = add && lanes[half] ? _mm512_maskz_loadu_ps(lanes[half], to) : _mm512_setzero_ps();
            if (lanes[half])
                _mm512_mask_storeu_ps(to, lanes[half], _mm512_add_ps(before, sums[i][half]));
        }
}

/* All rows times a panel. */
static void multiply_panel(const struct ob_product *p, size_t first, size_t terms, const uint16_t *rows,
                           const uint16_t *panel, bool add) {
    size_t columns = p->n - first < OB_BF16_COLUMNS ? p->n - first : OB_BF16_COLUMNS;
    const __mmask16 lanes[2] = {first_lanes(columns), columns > 16 ? first_lanes(columns - 16) : 0};
    size_t pairs = (terms + 1) / 2, row = 0;
    for (; row + ROWS <= p->count; row += ROWS, rows += padded(terms) * ROWS)
        sum_rows(ROWS, pairs, rows, panel, p->c + row * p->ldc + first, p->ldc, lanes, add);
    for (; row + 4 <= p->count; row += 4, rows += 8)
        sum_rows(4, pairs, rows, panel, p->c + row * p->ldc + first, p->ldc, lanes, add);
    for (; row < p->count; row++, rows += 2)
        sum_rows(1, pairs, rows, panel, p->c + row * p->ldc + first, p->ldc, lanes, add);
}

void ob_bf16_avx512_multiply(const struct ob_product *p) {
    const uint16_t *rows = p->rows, *panel = p->tile;
    size_t groups = (p->count + ROWS - 1) / ROWS;
    for (size_t from = 0; from < p->k; from += OB_BF16_TERMS) {
        size_t terms = p->k - from < OB_BF16_TERMS ? p->k - from : OB_BF16_TERMS;
        for (size_t first = 0; first < p->n; first += OB_BF16_COLUMNS) {
            multiply_panel(p, first, terms, rows, panel, p->accumulate || from > 0);
            panel += padded(terms) * OB_BF16_COLUMNS;
        }
        rows += groups * padded(terms) * ROWS;
    }
}
