#include "model/forward/bf16.h"

#include <assert.h>
#include <stdint.h>

#include "model/forward/bf16_avx512.h"

bool ob_bf16_available(void) {
#if defined(__x86_64__)
    return ob_cpu_has(OB_BF16_AVX512_NEEDS);
#else
    return false;
#endif
}

/* Rounded rows of a block of terms, and a panel. */
size_t ob_bf16_scratch_bytes(size_t rows) {
    return (rows + 16 + OB_BF16_COLUMNS) * OB_BF16_TERMS * sizeof(uint16_t);
}

void ob_bf16_multiply(const struct ob_bf16_product *product, void *scratch) {
    assert(ob_bf16_available() && (uintptr_t)scratch % 64 == 0);
#if defined(__x86_64__)
    ob_bf16_multiply_avx512(product, scratch);
#else
    (void)product;
#endif
}
