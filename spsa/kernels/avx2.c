#include "spsa/kernels/avx2.h"

#include <immintrin.h>
#include <string.h>

#include "base/cpu.h"
#include "spsa/kernels/gaussian.h"
#include "spsa/kernels/reference.h"

/* Eight vectors of eight elements stay in registers while all records pass over them; see avx512.c. */
enum { VECTORS = 8, SPAN = VECTORS * 8 };

static __m256i selector(int octet) {
    return _mm256_slli_epi32(_mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128), 8 * octet);
}

static void accumulate_span(int32_t *values, size_t byte, const uint8_t *const *bits, const int32_t *q,
                            size_t count, __m256i total) {
    const __m256i select[4] = {selector(0), selector(1), selector(2), selector(3)};
    __m256i sum[VECTORS];
    for (int v = 0; v < VECTORS; v++)
        sum[v] = _mm256_sub_epi32(_mm256_loadu_si256((const __m256i *)(const void *)(values + 8 * v)), total);
    for (size_t j = 0; j < count; j++) {
        __m256i twice = _mm256_set1_epi32((int32_t)(2u * (uint32_t)q[j]));
        int32_t words[VECTORS / 4];
        memcpy(words, bits[j] + byte, sizeof words);
        for (int v = 0; v < VECTORS; v++) {
            __m256i chosen = _mm256_and_si256(_mm256_set1_epi32(words[v / 4]), select[v % 4]);
            __m256i mask = _mm256_cmpeq_epi32(chosen, select[v % 4]);
            sum[v] = _mm256_add_epi32(sum[v], _mm256_and_si256(mask, twice));
        }
    }
    for (int v = 0; v < VECTORS; v++)
        _mm256_storeu_si256((__m256i *)(void *)(values + 8 * v), sum[v]);
}

static void accumulate(int32_t *values, size_t blocks, const uint8_t *const *bits, const int32_t *q,
                       size_t count) {
    uint32_t total = 0;
    for (size_t j = 0; j < count; j++)
        total += (uint32_t)q[j];
    __m256i totals = _mm256_set1_epi32((int32_t)total);
    for (size_t i = 0; i < blocks * 512; i += SPAN)
        accumulate_span(values + i, i / 8, bits, q, count, totals);
}

static void read_values(const int32_t *values, size_t count, float unit, float *out) {
    __m256 units = _mm256_set1_ps(unit);
    size_t i = 0;
    for (; i + 8 <= count; i += 8) {
        __m256i m = _mm256_loadu_si256((const __m256i *)(const void *)(values + i));
        _mm256_storeu_ps(out + i, _mm256_mul_ps(_mm256_cvtepi32_ps(m), units));
    }
    ob_spsa_kernels_reference.read(values + i, count - i, unit, out + i);
}

static __m256 signs_at(const uint8_t *bits, size_t index, __m256i select) {
    uint16_t word;
    memcpy(&word, bits + index / 8, sizeof word);
    __m256i chosen = _mm256_and_si256(_mm256_set1_epi32(word >> (index % 8)), select);
    __m256i mask = _mm256_cmpeq_epi32(chosen, select);
    return _mm256_castsi256_ps(_mm256_slli_epi32(mask, 31));
}

static void read_pair(const int32_t *values, size_t count, float unit, const uint8_t *bits, size_t bit,
                      float step, float *plus, float *minus) {
    const __m256i select = selector(0);
    __m256 units = _mm256_set1_ps(unit), steps = _mm256_set1_ps(step);
    size_t i = 0;
    for (; i + 8 <= count; i += 8) {
        __m256i m = _mm256_loadu_si256((const __m256i *)(const void *)(values + i));
        __m256 weight = _mm256_mul_ps(_mm256_cvtepi32_ps(m), units);
        __m256 signed_step = _mm256_xor_ps(steps, signs_at(bits, bit + i, select));
        _mm256_storeu_ps(plus + i, _mm256_add_ps(weight, signed_step));
        _mm256_storeu_ps(minus + i, _mm256_sub_ps(weight, signed_step));
    }
    ob_spsa_kernels_reference.read_pair(values + i, count - i, unit, bits, bit + i, step, plus + i,
                                        minus + i);
}

/* ---- Gaussian directions ---- */

/* The table in eight rows of sixteen, each in both halves of a register. */
struct rows {
    __m256i row[8];
};

static struct rows table_rows(void) {
    struct rows rows;
    for (int i = 0; i < 8; i++)
        rows.row[i] = _mm256_broadcastsi128_si256(
            _mm_load_si128((const __m128i *)(const void *)(OB_SPSA_GAUSSIAN_MAGNITUDES + 16 * i)));
    return rows;
}

/* 32 z of 32 bytes, as signed bytes. */
static inline __attribute__((always_inline)) __m256i look_up(const struct rows *rows, __m256i bytes) {
    const __m256i nibble = _mm256_set1_epi8(15);
    __m256i low = _mm256_and_si256(bytes, nibble);
    __m256i high = _mm256_and_si256(_mm256_srli_epi16(bytes, 4), _mm256_set1_epi8(7));
    __m256i magnitude = _mm256_setzero_si256();
    for (int i = 0; i < 8; i++) {
        __m256i here = _mm256_cmpeq_epi8(high, _mm256_set1_epi8((char)i));
        magnitude =
            _mm256_or_si256(magnitude, _mm256_and_si256(here, _mm256_shuffle_epi8(rows->row[i], low)));
    }
    /* a byte of 1 keeps it, one below 0 negates it */
    return _mm256_sign_epi8(magnitude, _mm256_or_si256(bytes, _mm256_set1_epi8(1)));
}

/* Elements 8 v … 8 v + 7 of 32 signed bytes. */
static inline __attribute__((always_inline)) __m256i widen(__m256i z, int v) {
    __m128i half = v < 2 ? _mm256_castsi256_si128(z) : _mm256_extracti128_si256(z, 1);
    return _mm256_cvtepi8_epi32(v % 2 ? _mm_srli_si128(half, 8) : half);
}

static __m256i load(const void *from) {
    return _mm256_loadu_si256((const __m256i *)from);
}

void ob_spsa_avx2_accumulate_gaussian(int32_t *values, size_t blocks, const uint8_t *const *bytes,
                                      const int32_t *q, size_t count) {
    const struct rows rows = table_rows();
    for (size_t i = 0; i < blocks * OB_SPSA_BLOCK_BYTES; i += 32) {
        __m256i sum[4];
        for (int v = 0; v < 4; v++)
            sum[v] = load(values + i + 8 * v);
        for (size_t j = 0; j < count; j++) {
            __m256i z = look_up(&rows, load(bytes[j] + i)), step = _mm256_set1_epi32(q[j]);
            for (int v = 0; v < 4; v++)
                sum[v] = _mm256_sub_epi32(sum[v], _mm256_mullo_epi32(step, widen(z, v)));
        }
        for (int v = 0; v < 4; v++)
            _mm256_storeu_si256((__m256i *)(void *)(values + i + 8 * v), sum[v]);
    }
}

void ob_spsa_avx2_read_gaussian(const int32_t *values, size_t count, float unit, const uint8_t *bytes,
                                float step, float *plus, float *minus) {
    const struct rows rows = table_rows();
    __m256 units = _mm256_set1_ps(unit), steps = _mm256_set1_ps(step);
    size_t i = 0;
    for (; i + 32 <= count; i += 32) {
        __m256i z = look_up(&rows, load(bytes + i));
        for (int v = 0; v < 4; v++) {
            size_t at = i + 8 * (size_t)v;
            __m256 weight = _mm256_mul_ps(_mm256_cvtepi32_ps(load(values + at)), units);
            __m256 signed_step = _mm256_mul_ps(_mm256_cvtepi32_ps(widen(z, v)), steps);
            _mm256_storeu_ps(plus + at, _mm256_add_ps(weight, signed_step));
            _mm256_storeu_ps(minus + at, _mm256_sub_ps(weight, signed_step));
        }
    }
    ob_spsa_kernels_reference.read_gaussian(values + i, count - i, unit, bytes + i, step, plus + i,
                                            minus + i);
}

/* In lanes of 32 bits: 2^31 / (4 · 95) steps of 32 bytes before one could overflow. */
int64_t ob_spsa_avx2_sum_gaussian(const uint8_t *bytes, size_t count) {
    const struct rows rows = table_rows();
    const __m256i one = _mm256_set1_epi8(1), ones = _mm256_set1_epi16(1);
    int64_t total = 0;
    size_t i = 0;
    while (i + 32 <= count) {
        __m256i sum = _mm256_setzero_si256();
        for (size_t end = i + ((size_t)32 << 20); i + 32 <= count && i < end; i += 32) {
            __m256i pairs = _mm256_maddubs_epi16(one, look_up(&rows, load(bytes + i)));
            sum = _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, ones));
        }
        int32_t lanes[8];
        _mm256_storeu_si256((__m256i *)(void *)lanes, sum);
        for (int lane = 0; lane < 8; lane++)
            total += lanes[lane];
    }
    return total + ob_spsa_reference_sum_gaussian(bytes + i, count - i);
}

/* Every processor with AVX2 has this instruction; four sums, so that it is not waited for. */
size_t ob_spsa_avx2_count_bits(const uint8_t *bits, size_t bytes) {
    uint64_t sums[4] = {0};
    size_t i = 0;
    for (; i + 32 <= bytes; i += 32)
        for (size_t j = 0; j < 4; j++) {
            uint64_t word;
            memcpy(&word, bits + i + 8 * j, sizeof word);
            sums[j] += (uint64_t)_mm_popcnt_u64(word);
        }
    return (size_t)(sums[0] + sums[1] + sums[2] + sums[3]) +
           ob_spsa_reference_count_bits(bits + i, bytes - i);
}

static uint32_t sum(const int32_t *values, size_t count) {
    __m256i total = _mm256_setzero_si256();
    size_t i = 0;
    for (; i + 8 <= count; i += 8)
        total = _mm256_add_epi32(total, _mm256_loadu_si256((const __m256i *)(const void *)(values + i)));
    uint32_t lanes[8], all = ob_spsa_kernels_reference.sum(values + i, count - i);
    _mm256_storeu_si256((__m256i *)(void *)lanes, total);
    for (int lane = 0; lane < 8; lane++)
        all += lanes[lane];
    return all;
}

static uint32_t reach(const int32_t *values, size_t count) {
    __m256i all = _mm256_setzero_si256();
    size_t i = 0;
    for (; i + 8 <= count; i += 8) {
        __m256i m = _mm256_loadu_si256((const __m256i *)(const void *)(values + i));
        all = _mm256_or_si256(all, _mm256_xor_si256(m, _mm256_srai_epi32(m, 31)));
    }
    uint32_t lanes[8], folded = ob_spsa_kernels_reference.reach(values + i, count - i);
    _mm256_storeu_si256((__m256i *)(void *)lanes, all);
    for (int lane = 0; lane < 8; lane++)
        folded |= lanes[lane];
    return folded;
}

static void keystream(const struct ob_spsa_key *key, uint32_t tensor, uint32_t first_block, size_t blocks,
                      uint8_t *ret_bits) {
    ob_spsa_kernels_reference.keystream(key, tensor, first_block, blocks, ret_bits);
}

const struct ob_spsa_kernels ob_spsa_kernels_avx2 = {
    .name = "avx2",
    .needs = OB_CPU_AVX2 | OB_CPU_POPCNT,
    .keystream = keystream,
    .keystreams = ob_spsa_reference_keystreams,
    .accumulate = accumulate,
    .read = read_values,
    .read_pair = read_pair,
    .accumulate_gaussian = ob_spsa_avx2_accumulate_gaussian,
    .read_gaussian = ob_spsa_avx2_read_gaussian,
    .sum_gaussian = ob_spsa_avx2_sum_gaussian,
    .count_bits = ob_spsa_avx2_count_bits,
    .sum = sum,
    .reach = reach,
};
