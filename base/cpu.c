#include "base/cpu.h"

#include <stdio.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

uint32_t ob_cpu_matrix_features(void) {
    uint32_t features = 0;
#if defined(__x86_64__)
    unsigned a = 0, b = 0, c = 0, d = 0;
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d) &&
        (d >> 24 & 1u)) { /* Intel SDM, leaf 7: bits 22, 24, 25 of EDX */
        features |= d >> 22 & 1u ? OB_CPU_AMX_BF16 : 0;
        features |= d >> 25 & 1u ? OB_CPU_AMX_INT8 : 0;
    }
#endif
    return features;
}

const char *ob_cpu_names(char *ret_text, size_t bytes) {
    static const struct {
        uint32_t feature;
        const char *name;
    } NAMES[] = {
        {OB_CPU_AVX, "avx"},
        {OB_CPU_AVX2, "avx2"},
        {OB_CPU_FMA, "fma"},
        {OB_CPU_POPCNT, "popcnt"},
        {OB_CPU_AVX512F, "avx512f"},
        {OB_CPU_AVX512BW, "avx512bw"},
        {OB_CPU_AVX512VL, "avx512vl"},
        {OB_CPU_AVX512DQ, "avx512dq"},
        {OB_CPU_AVX512BF16, "avx512_bf16"},
        {OB_CPU_AVX512VNNI, "avx512_vnni"},
        {OB_CPU_AVX512VPOPCNTDQ, "avx512_vpopcntdq"},
        {OB_CPU_AVX512VBMI, "avx512vbmi"},
        {OB_CPU_GFNI, "gfni"},
        {OB_CPU_AMX_BF16, "amx_bf16"},
        {OB_CPU_AMX_INT8, "amx_int8"},
    };
    size_t used = 0;
    if (bytes > 0)
        ret_text[0] = 0;
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++) {
        if (!ob_cpu_has(NAMES[i].feature))
            continue;
        int wrote = snprintf(ret_text + used, bytes - used, "%s%s", used > 0 ? " " : "", NAMES[i].name);
        if (wrote < 0 || (size_t)wrote >= bytes - used)
            break;
        used += (size_t)wrote;
    }
    return ret_text;
}
