#include "spsa/kernels/avx2.h"

#include <immintrin.h>
#include <string.h>

#include "base/cpu.h"
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
    .accumulate = accumulate,
    .read = read_values,
    .read_pair = read_pair,
    .count_bits = ob_spsa_avx2_count_bits,
    .sum = sum,
    .reach = reach,
};
