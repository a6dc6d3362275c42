/* Products in bfloat16 against sums in double of terms rounded the slow way. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "model/forward/bf16.h"
#include "tests/support/random.h"
#include "tests/unit/cmocka_all.h"

/* Half to even on the bits; subnormal results become zero. */
static float rounded(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    bits = (bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000;
    memcpy(&x, &bits, sizeof bits);
    return fabsf(x) < 1.17549435e-38f ? 0.0f : x;
}

static float draw(struct test_random *random) {
    return (float)(2 * test_random_unit(random) - 1);
}

/* Every element outside c's rows and columns must stay what it was. */
static void compare(size_t rows, size_t n, size_t k, bool transposed, bool accumulate) {
    size_t lda = k + 3, ldb = (transposed ? k : n) + 1, ldc = n + 2, brows = transposed ? n : k;
    float *a = malloc(rows * lda * sizeof *a), *b = malloc(brows * ldb * sizeof *b);
    float *c = malloc(rows * ldc * sizeof *c), *before = malloc(rows * ldc * sizeof *before);
    size_t bytes = (ob_bf16_scratch_bytes(rows) + 63) / 64 * 64;
    void *scratch = aligned_alloc(64, bytes);
    struct test_random random = {rows * 1000003 + n * 1009 + k};
    assert_true(a && b && c && before && scratch);
    for (size_t i = 0; i < rows * lda; i++)
        a[i] = draw(&random);
    for (size_t i = 0; i < brows * ldb; i++)
        b[i] = draw(&random);
    for (size_t i = 0; i < rows * ldc; i++)
        before[i] = c[i] = draw(&random);
    struct ob_bf16_product product = {a, b, c, lda, ldb, ldc, rows, n, k, transposed, accumulate};
    ob_bf16_multiply(&product, scratch);
    for (size_t row = 0; row < rows; row++)
        for (size_t column = 0; column < ldc; column++) {
            size_t at = row * ldc + column;
            double sum = column >= n || accumulate ? (double)before[at] : 0.0;
            for (size_t i = 0; i < k && column < n; i++)
                sum += (double)rounded(a[row * lda + i]) *
                       (double)rounded(transposed ? b[column * ldb + i] : b[i * ldb + column]);
            double slack = column < n ? 2e-6 * (double)(k + 1) : 0.0;
            if (fabs(sum - (double)c[at]) > slack)
                fail_msg("%zu × %zu × %zu: %g at %zu, %zu; should be %g", rows, n, k, (double)c[at], row,
                         column, sum);
        }
    free(a);
    free(b);
    free(c);
    free(before);
    free(scratch);
}

static void products_of_every_shape(void **state) {
    (void)state;
    static const size_t ROWS[] = {1, 3, 4, 13, 14, 15, 31, 47}, COLUMNS[] = {1, 15, 16, 17, 31, 32, 33, 70},
                        TERMS[] = {1, 2, 31, 32, 33, 63, 383, 384, 385, 800};
    if (!ob_bf16_available())
        skip();
    for (size_t r = 0; r < sizeof ROWS / sizeof *ROWS; r++)
        for (size_t c = 0; c < sizeof COLUMNS / sizeof *COLUMNS; c++)
            for (size_t t = 0; t < sizeof TERMS / sizeof *TERMS; t++)
                for (int way = 0; way < (TERMS[t] > 100 && r > 1 && c > 1 ? 1 : 4); way++)
                    compare(ROWS[r], COLUMNS[c], TERMS[t], way & 1, way & 2);
    compare(50, 70, 769, true, true);
    compare(50, 70, 769, false, false);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(products_of_every_shape)};
    return cmocka_run_group_tests_name("half", tests, NULL, NULL);
}
