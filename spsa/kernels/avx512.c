#include "spsa/kernels/avx512.h"

#include <immintrin.h>
#include <string.h>

#include "base/cpu.h"
#include "spsa/kernels/avx2.h"
#include "spsa/kernels/chacha_avx512.h"

/* Sixteen vectors of sixteen elements stay in registers while all records pass over them. Each starts from
 * m - sum(q); a set bit (z = -1) gives back 2q. */
enum { VECTORS = 16, SPAN = VECTORS * 16 };

static void accumulate_span(int32_t *values, size_t byte, const uint8_t *const *bits, const int32_t *q,
                            size_t count, __m512i total) {
    __m512i sum[VECTORS];
    for (int v = 0; v < VECTORS; v++)
        sum[v] = _mm512_sub_epi32(_mm512_loadu_si512(values + 16 * v), total);
    for (size_t j = 0; j < count; j++) {
        __m512i twice = _mm512_set1_epi32((int32_t)(2u * (uint32_t)q[j]));
        uint16_t masks[VECTORS];
        memcpy(masks, bits[j] + byte, sizeof masks);
        for (int v = 0; v < VECTORS; v++)
            sum[v] = _mm512_mask_add_epi32(sum[v], masks[v], sum[v], twice);
    }
    for (int v = 0; v < VECTORS; v++)
        _mm512_storeu_si512(values + 16 * v, sum[v]);
}

void ob_spsa_avx512_accumulate(int32_t *values, size_t blocks, const uint8_t *const *bits, const int32_t *q,
                               size_t count) {
    uint32_t total = 0;
    for (size_t j = 0; j < count; j++)
        total += (uint32_t)q[j];
    __m512i totals = _mm512_set1_epi32((int32_t)total);
    for (size_t i = 0; i < blocks * 512; i += SPAN)
        accumulate_span(values + i, i / 8, bits, q, count, totals);
}

/* The first `count` of sixteen lanes. Masked stores are slow on some processors: only ends of slices use
 * them. */
static __mmask16 first_lanes(size_t count) {
    return count >= 16 ? (__mmask16)0xffff : (__mmask16)((1u << count) - 1u);
}

void ob_spsa_avx512_read(const int32_t *values, size_t count, float unit, float *out) {
    __m512 units = _mm512_set1_ps(unit);
    size_t i = 0;
    for (; i + 16 <= count; i += 16)
        _mm512_storeu_ps(out + i, _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_loadu_si512(values + i)), units));
    __mmask16 live = first_lanes(count - i);
    __m512i m = _mm512_maskz_loadu_epi32(live, values + i);
    _mm512_mask_storeu_ps(out + i, live, _mm512_mul_ps(_mm512_cvtepi32_ps(m), units));
}

static uint32_t bits_at(const uint8_t *bits, size_t index) {
    uint32_t word;
    memcpy(&word, bits + index / 8, sizeof word);
    return word >> (index % 8);
}

/* The sixteen steps of the elements whose bits are the low half of `word`. */
static __m512 signed_steps(uint32_t word, __m512 up, __m512 down) {
    return _mm512_mask_blend_ps((__mmask16)word, up, down);
}

void ob_spsa_avx512_read_pair(const int32_t *values, size_t count, float unit, const uint8_t *bits,
                              size_t bit, float step, float *plus, float *minus) {
    __m512 units = _mm512_set1_ps(unit);
    __m512 up = _mm512_set1_ps(step), down = _mm512_set1_ps(-step);
    size_t i = 0;
    for (; i + 16 <= count; i += 16) {
        __m512 weight = _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_loadu_si512(values + i)), units);
        __m512 steps = signed_steps(bits_at(bits, bit + i), up, down);
        _mm512_storeu_ps(plus + i, _mm512_add_ps(weight, steps));
        _mm512_storeu_ps(minus + i, _mm512_sub_ps(weight, steps));
    }
    if (i == count)
        return;
    __mmask16 live = first_lanes(count - i);
    __m512 weight = _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_maskz_loadu_epi32(live, values + i)), units);
    __m512 steps = signed_steps(bits_at(bits, bit + i), up, down);
    _mm512_mask_storeu_ps(plus + i, live, _mm512_add_ps(weight, steps));
    _mm512_mask_storeu_ps(minus + i, live, _mm512_sub_ps(weight, steps));
}

uint32_t ob_spsa_avx512_sum(const int32_t *values, size_t count) {
    __m512i total = _mm512_setzero_si512();
    for (size_t i = 0; i < count; i += 16) {
        __mmask16 live = count - i >= 16 ? (__mmask16)0xffff : (__mmask16)((1u << (count - i)) - 1u);
        total = _mm512_add_epi32(total, _mm512_maskz_loadu_epi32(live, values + i));
    }
    return (uint32_t)_mm512_reduce_add_epi32(total);
}

uint32_t ob_spsa_avx512_reach(const int32_t *values, size_t count) {
    __m512i all = _mm512_setzero_si512();
    for (size_t i = 0; i < count; i += 16) {
        __mmask16 live = count - i >= 16 ? (__mmask16)0xffff : (__mmask16)((1u << (count - i)) - 1u);
        __m512i m = _mm512_maskz_loadu_epi32(live, values + i);
        all = _mm512_or_si512(all, _mm512_xor_si512(m, _mm512_srai_epi32(m, 31)));
    }
    return (uint32_t)_mm512_reduce_or_epi32(all);
}

const struct ob_spsa_kernels ob_spsa_kernels_avx512 = {
    .name = "avx512",
    .needs = OB_CPU_AVX512F | OB_CPU_AVX2 | OB_CPU_POPCNT,
    .keystream = ob_spsa_avx512_keystream,
    .keystreams = ob_spsa_avx512_keystreams,
    .accumulate = ob_spsa_avx512_accumulate,
    .read = ob_spsa_avx512_read,
    .read_pair = ob_spsa_avx512_read_pair,
    .accumulate_gaussian = ob_spsa_avx2_accumulate_gaussian,
    .read_gaussian = ob_spsa_avx2_read_gaussian,
    .sum_gaussian = ob_spsa_avx2_sum_gaussian,
    .count_bits = ob_spsa_avx2_count_bits,
    .sum = ob_spsa_avx512_sum,
    .reach = ob_spsa_avx512_reach,
};
