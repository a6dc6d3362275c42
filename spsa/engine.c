#include "spsa/engine.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>

#include "spsa/kernels.h"

static const struct ob_spsa_kernels *kernels_of(enum ob_spsa_isa isa) {
#if defined(__x86_64__)
    if (isa == OB_SPSA_GFNI)
        return &ob_spsa_kernels_gfni;
    if (isa == OB_SPSA_AVX512)
        return &ob_spsa_kernels_avx512;
    if (isa == OB_SPSA_AVX2)
        return &ob_spsa_kernels_avx2;
#endif
    assert(isa == OB_SPSA_REFERENCE);
    return &ob_spsa_kernels_reference;
}

bool ob_spsa_isa_available(enum ob_spsa_isa isa) {
#if defined(__x86_64__)
    if (isa == OB_SPSA_GFNI)
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("gfni") && __builtin_cpu_supports("avx512vpopcntdq");
    if (isa == OB_SPSA_AVX512)
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("popcnt");
    if (isa == OB_SPSA_AVX2)
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("popcnt");
#endif
    return isa == OB_SPSA_REFERENCE;
}

const char *ob_spsa_isa_name(enum ob_spsa_isa isa) {
    static const char *const NAMES[OB_SPSA_ISA_COUNT] = {"reference", "avx2", "avx512", "avx512-gfni"};
    assert((unsigned)isa < OB_SPSA_ISA_COUNT);
    return NAMES[isa];
}

struct ob_spsa_engine ob_spsa_engine_with(enum ob_spsa_isa isa, struct ob_pool *pool) {
    assert(ob_spsa_isa_available(isa));
    if (sodium_init() < 0)
        abort(); /* no source of randomness: nothing of this program can be done */
    return (struct ob_spsa_engine){.kernels = kernels_of(isa), .pool = pool};
}

struct ob_spsa_engine ob_spsa_engine_best(struct ob_pool *pool) {
    enum ob_spsa_isa isa = OB_SPSA_ISA_COUNT - 1;
    while (!ob_spsa_isa_available(isa))
        isa--;
    return ob_spsa_engine_with(isa, pool);
}

enum ob_spsa_isa ob_spsa_engine_isa(const struct ob_spsa_engine *engine) {
    return engine->kernels->isa;
}
