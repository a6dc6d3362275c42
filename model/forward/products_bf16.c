/* The processor's own instructions for bfloat16, and the shapes of packed factors (bf16_avx512.h). */
#include "model/forward/products_bf16.h"

#if defined(__x86_64__)
#include "model/forward/bf16_avx512.h"

static size_t tile_bytes(void *state, size_t n, size_t k) {
    (void)state;
    size_t panels = (n + OB_BF16_COLUMNS - 1) / OB_BF16_COLUMNS;
    return panels * OB_BF16_COLUMNS * ((k + 31) / 32 * 32) * sizeof(uint16_t);
}

static size_t staged_bytes(size_t rows, size_t k) {
    size_t blocks = (rows + OB_BF16_ROWS - 1) / OB_BF16_ROWS;
    return (blocks * OB_BF16_ROWS * ((k + 31) / 32 * 32) * sizeof(uint16_t) + 63) / 64 * 64;
}

static void pack(void *state, unsigned thread, const struct ob_matrix *matrix, void *ret_tile) {
    (void)state;
    (void)thread;
    ob_bf16_avx512_pack(matrix, ret_tile);
}

static void stage(void *state, unsigned thread, const float *a, size_t lda, size_t count, size_t k,
                  void *ret_rows) {
    (void)state;
    (void)thread;
    ob_bf16_avx512_stage(a, lda, count, k, ret_rows);
}

static void multiply(void *state, unsigned thread, const struct ob_product *product) {
    (void)state;
    (void)thread;
    ob_bf16_avx512_multiply(product);
}

const struct ob_products ob_products_bf16 = {
    .name = "bfloat16-native",
    .needs = OB_BF16_AVX512_NEEDS,
    .terms = 1,
    .packs = true,
    .tile_columns = 256,
    .tile_bytes = tile_bytes,
    .staged_bytes = staged_bytes,
    .pack = pack,
    .stage = stage,
    .multiply = multiply,
};
#endif
