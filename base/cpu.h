/* cpu - what this processor can do: the one place that asks.
 *
 * A kernel names its needs as a set of these features; whoever picks one calls ob_cpu_has. With a constant
 * argument the question is a load and a mask, so it may stand in an inner loop's entry.
 * Threads: pure functions. */
#ifndef OB_BASE_CPU_H
#define OB_BASE_CPU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum ob_cpu_feature {
    OB_CPU_AVX = 1 << 0,
    OB_CPU_AVX2 = 1 << 1,
    OB_CPU_FMA = 1 << 2,
    OB_CPU_POPCNT = 1 << 3,
    OB_CPU_AVX512F = 1 << 4,
    OB_CPU_AVX512BW = 1 << 5,
    OB_CPU_AVX512VL = 1 << 6,
    OB_CPU_AVX512DQ = 1 << 7,
    OB_CPU_AVX512BF16 = 1 << 8,
    OB_CPU_AVX512VNNI = 1 << 9,
    OB_CPU_AVX512VPOPCNTDQ = 1 << 10,
    OB_CPU_GFNI = 1 << 11,
    OB_CPU_AMX_BF16 = 1 << 12, /* with AMX_TILE */
    OB_CPU_AMX_INT8 = 1 << 13,
    OB_CPU_AVX512VBMI = 1 << 14,
};

/* Bits of AMX, which compilers of today cannot ask for: 0 where there is none. */
uint32_t ob_cpu_matrix_features(void);

/* Has this processor every feature of `wanted`? */
static inline bool ob_cpu_has(uint32_t wanted) {
#if defined(__x86_64__)
#define OB_CPU_LACKS(bit, name) ((wanted & (bit)) && !__builtin_cpu_supports(name))
    if (OB_CPU_LACKS(OB_CPU_AVX, "avx") || OB_CPU_LACKS(OB_CPU_AVX2, "avx2") ||
        OB_CPU_LACKS(OB_CPU_FMA, "fma") || OB_CPU_LACKS(OB_CPU_POPCNT, "popcnt") ||
        OB_CPU_LACKS(OB_CPU_AVX512F, "avx512f") || OB_CPU_LACKS(OB_CPU_AVX512BW, "avx512bw") ||
        OB_CPU_LACKS(OB_CPU_AVX512VL, "avx512vl") || OB_CPU_LACKS(OB_CPU_AVX512DQ, "avx512dq") ||
        OB_CPU_LACKS(OB_CPU_AVX512BF16, "avx512bf16") || OB_CPU_LACKS(OB_CPU_AVX512VNNI, "avx512vnni") ||
        OB_CPU_LACKS(OB_CPU_AVX512VPOPCNTDQ, "avx512vpopcntdq") || OB_CPU_LACKS(OB_CPU_GFNI, "gfni") ||
        OB_CPU_LACKS(OB_CPU_AVX512VBMI, "avx512vbmi"))
        return false;
#undef OB_CPU_LACKS
    const uint32_t matrix = OB_CPU_AMX_BF16 | OB_CPU_AMX_INT8;
    return (wanted & matrix) == 0 || (wanted & matrix & ~ob_cpu_matrix_features()) == 0;
#else
    return wanted == 0;
#endif
}

/* The features' names as /proc/cpuinfo has them, "avx2 fma …", cut to `bytes`; returns ret_text. */
const char *ob_cpu_names(char *ret_text, size_t bytes);

#endif
