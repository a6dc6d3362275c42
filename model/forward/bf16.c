#include "model/forward/bf16.h"

#include <assert.h>
#include <stdint.h>

#include "model/forward/bf16_kernel.h"

bool ob_half_available(void) {
#if defined(__x86_64__)
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bf16");
#else
    return false;
#endif
}

/* Rounded rows of a block of terms, and a panel. */
size_t ob_half_scratch_bytes(size_t rows) {
    return (rows + 16 + OB_HALF_COLUMNS) * OB_HALF_TERMS * sizeof(uint16_t);
}

void ob_half_multiply(const struct ob_half_product *product, void *scratch) {
    assert(ob_half_available() && (uintptr_t)scratch % 64 == 0);
#if defined(__x86_64__)
    ob_half_multiply_avx512(product, scratch);
#else
    (void)product;
#endif
}
