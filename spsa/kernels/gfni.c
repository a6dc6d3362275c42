/* AVX-512 with byte instructions and Galois-field transforms: eight records are combined before the weights
 * are touched. A transform transposes 8 × 8 bits, so that a byte holds one element's bits of eight records;
 * each half of it looks up the sum of four ±q in a table of sixteen. Per sixteen elements and eight records
 * that is two look-ups and two additions where masks take eight loads and eight additions (200·10⁹ elements ·
 * records a second against 54·10⁹, keystream apart). */
#include "spsa/kernels/kernels.h"

#include <immintrin.h>

#include "base/cpu.h"
#include "spsa/kernels/avx2.h"
#include "spsa/kernels/avx512.h"
#include "spsa/kernels/chacha_avx512.h"
#include "spsa/kernels/gaussian.h"

enum {
    SLICE = 8,                      /* records combined at a time */
    SLICES = 8,                     /* of one pass over the weights; more records take further passes */
    ROWS = OB_SPSA_BLOCK_BYTES / 8, /* vectors that hold a block's bytes of eight records */
};

struct tables {
    __m512i low, high; /* entry i: the sum of -q for clear and +q for set bits of i; records 0-3 and 4-7 */
};

static __m512i table_of(const int32_t q[4]) {
    int32_t entries[16];
    for (unsigned i = 0; i < 16; i++) {
        uint32_t sum = 0;
        for (unsigned r = 0; r < 4; r++)
            sum += i >> r & 1u ? (uint32_t)q[r] : 0u - (uint32_t)q[r];
        entries[i] = (int32_t)sum;
    }
    return _mm512_loadu_si512(entries);
}

/* One block of eight records: byte e of quarter L, half h of vector i belongs to element 8 · (16 L + 2 i + h)
 * + e, and its bit r is record r's. */
static void interleave(const uint8_t *const bits[SLICE], size_t at,
                       uint8_t out[static OB_SPSA_BLOCK_ELEMENTS]) {
    __m512i a[SLICE], b[SLICE];
    const __m512i identity = _mm512_set1_epi64((long long)0x8040201008040201u);
    for (int r = 0; r < SLICE; r++) /* the transform counts rows from the last byte */
        a[r] = _mm512_loadu_si512(bits[SLICE - 1 - r] + at);
    for (int r = 0; r < SLICE; r += 2) {
        b[r] = _mm512_unpacklo_epi8(a[r], a[r + 1]);
        b[r + 1] = _mm512_unpackhi_epi8(a[r], a[r + 1]);
    }
    for (int r = 0; r < SLICE; r += 4) {
        a[r] = _mm512_unpacklo_epi16(b[r], b[r + 2]);
        a[r + 1] = _mm512_unpackhi_epi16(b[r], b[r + 2]);
        a[r + 2] = _mm512_unpacklo_epi16(b[r + 1], b[r + 3]);
        a[r + 3] = _mm512_unpackhi_epi16(b[r + 1], b[r + 3]);
    }
    for (int r = 0; r < 4; r++) {
        b[2 * r] = _mm512_unpacklo_epi32(a[r], a[r + 4]);
        b[2 * r + 1] = _mm512_unpackhi_epi32(a[r], a[r + 4]);
    }
    for (int i = 0; i < ROWS; i++)
        _mm512_store_si512(out + 64 * i, _mm512_gf2p8affine_epi64_epi8(identity, b[i], 0));
}

/* Adds the looked-up sums to the sixteen elements of vector i, quarter L. */
static void add_sums(int32_t *values, const uint8_t *index, const struct tables *tables, size_t slices) {
    __m512i low = _mm512_loadu_si512(values), high = _mm512_setzero_si512();
    for (size_t s = 0; s < slices; s++) {
        __m512i at = _mm512_cvtepu8_epi32(
            _mm_load_si128((const __m128i *)(const void *)(index + s * OB_SPSA_BLOCK_ELEMENTS)));
        low = _mm512_add_epi32(low, _mm512_permutexvar_epi32(at, tables[s].low));
        high = _mm512_add_epi32(high, _mm512_permutexvar_epi32(_mm512_srli_epi32(at, 4), tables[s].high));
    }
    _mm512_storeu_si512(values, _mm512_add_epi32(low, high));
}

static void accumulate_slices(int32_t *values, size_t blocks, const uint8_t *const *bits, const int32_t *q,
                              size_t slices) {
    struct tables tables[SLICES];
    _Alignas(64) uint8_t index[SLICES][OB_SPSA_BLOCK_ELEMENTS];
    for (size_t s = 0; s < slices; s++)
        tables[s] = (struct tables){.low = table_of(q + s * SLICE), .high = table_of(q + s * SLICE + 4)};
    for (size_t block = 0; block < blocks; block++, values += OB_SPSA_BLOCK_ELEMENTS) {
        for (size_t s = 0; s < slices; s++)
            interleave(bits + s * SLICE, block * OB_SPSA_BLOCK_BYTES, index[s]);
        for (size_t i = 0; i < ROWS; i++)
            for (size_t quarter = 0; quarter < 4; quarter++)
                add_sums(values + 8 * (16 * quarter + 2 * i), index[0] + 64 * i + 16 * quarter, tables,
                         slices);
    }
}

static size_t count_bits(const uint8_t *bits, size_t bytes) {
    __m512i sums = _mm512_setzero_si512();
    size_t i = 0;
    for (; i + 64 <= bytes; i += 64)
        sums = _mm512_add_epi64(sums, _mm512_popcnt_epi64(_mm512_loadu_si512(bits + i)));
    __m512i rest = _mm512_maskz_loadu_epi8(((__mmask64)1 << (bytes - i)) - 1, bits + i); /* fewer than 64 */
    return (size_t)_mm512_reduce_add_epi64(_mm512_add_epi64(sums, _mm512_popcnt_epi64(rest)));
}

/* Up to three records are left to the masks: a slice of eight would be mostly empty. */
static void accumulate(int32_t *values, size_t blocks, const uint8_t *const *bits, const int32_t *q,
                       size_t count) {
    while (count > 3) {
        const uint8_t *some[SLICES * SLICE];
        int32_t steps[SLICES * SLICE];
        size_t part = count < SLICES * SLICE ? count : SLICES * SLICE, slices = (part + SLICE - 1) / SLICE;
        for (size_t j = 0; j < SLICES * SLICE; j++) { /* what is left is filled with steps of zero */
            some[j] = bits[j < part ? j : 0];
            steps[j] = j < part ? q[j] : 0;
        }
        accumulate_slices(values, blocks, some, steps, slices);
        bits += part;
        q += part;
        count -= part;
    }
    if (count > 0)
        ob_spsa_avx512_accumulate(values, blocks, bits, q, count);
}

/* 32 z of 64 bytes: the whole table is two registers, which one instruction looks up. */
static inline __attribute__((always_inline)) __m512i look_up(const __m512i table[2], __m512i bytes) {
    __m512i magnitude = _mm512_permutex2var_epi8(table[0], bytes, table[1]);
    return _mm512_mask_sub_epi8(magnitude, _mm512_movepi8_mask(bytes), _mm512_setzero_si512(), magnitude);
}

static void accumulate_gaussian(int32_t *values, size_t blocks, const uint8_t *const *bytes, const int32_t *q,
                                size_t count) {
    const __m512i table[2] = {_mm512_load_si512(OB_SPSA_GAUSSIAN_MAGNITUDES),
                              _mm512_load_si512(OB_SPSA_GAUSSIAN_MAGNITUDES + 64)};
    for (size_t i = 0; i < blocks * OB_SPSA_BLOCK_BYTES; i += 64) {
        __m512i sum[4];
        for (int v = 0; v < 4; v++)
            sum[v] = _mm512_loadu_si512(values + i + 16 * v);
        for (size_t j = 0; j < count; j++) {
            __m512i z = look_up(table, _mm512_loadu_si512(bytes[j] + i)), step = _mm512_set1_epi32(q[j]);
            const __m128i parts[4] = {_mm512_castsi512_si128(z), _mm512_extracti32x4_epi32(z, 1),
                                      _mm512_extracti32x4_epi32(z, 2), _mm512_extracti32x4_epi32(z, 3)};
            for (int v = 0; v < 4; v++)
                sum[v] = _mm512_sub_epi32(sum[v], _mm512_mullo_epi32(step, _mm512_cvtepi8_epi32(parts[v])));
        }
        for (int v = 0; v < 4; v++)
            _mm512_storeu_si512(values + i + 16 * v, sum[v]);
    }
}

/* In lanes of 32 bits, which 2^25 bytes cannot fill. */
static int64_t sum_gaussian(const uint8_t *bytes, size_t count) {
    const __m512i table[2] = {_mm512_load_si512(OB_SPSA_GAUSSIAN_MAGNITUDES),
                              _mm512_load_si512(OB_SPSA_GAUSSIAN_MAGNITUDES + 64)};
    const __m512i one = _mm512_set1_epi8(1), ones = _mm512_set1_epi16(1);
    int64_t total = 0;
    for (size_t i = 0; i < count;) {
        __m512i sum = _mm512_setzero_si512();
        for (size_t end = i + ((size_t)1 << 25); i < count && i < end; i += 64) {
            size_t left = count - i;
            __mmask64 live = left >= 64 ? ~(__mmask64)0 : ((__mmask64)1 << left) - 1;
            __m512i z = _mm512_maskz_mov_epi8(live, look_up(table, _mm512_maskz_loadu_epi8(live, bytes + i)));
            sum = _mm512_add_epi32(sum, _mm512_madd_epi16(_mm512_maddubs_epi16(one, z), ones));
        }
        total += _mm512_reduce_add_epi32(sum);
    }
    return total;
}

const struct ob_spsa_kernels ob_spsa_kernels_gfni = {
    .name = "avx512-gfni",
    .needs = OB_CPU_AVX512F | OB_CPU_AVX512BW | OB_CPU_AVX512VBMI | OB_CPU_GFNI | OB_CPU_AVX512VPOPCNTDQ |
             OB_CPU_AVX2 | OB_CPU_POPCNT,
    .keystream = ob_spsa_avx512_keystream,
    .keystreams = ob_spsa_avx512_keystreams,
    .accumulate = accumulate,
    .read = ob_spsa_avx512_read,
    .read_pair = ob_spsa_avx512_read_pair,
    .accumulate_gaussian = accumulate_gaussian,
    .read_gaussian = ob_spsa_avx2_read_gaussian,
    .sum_gaussian = sum_gaussian,
    .count_bits = count_bits,
    .sum = ob_spsa_avx512_sum,
    .reach = ob_spsa_avx512_reach,
};
