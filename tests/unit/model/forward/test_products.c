/* Every way to multiply against sums in double, of terms rounded the slow way where it rounds them. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "model/forward/products.h"
#include "model/forward/vector.h"
#include "tests/unit/cmocka_all.h"

/* Half to even on the bits; subnormal results become zero. */
static float rounded(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    bits = (bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000;
    memcpy(&x, &bits, sizeof bits);
    return fabsf(x) < 1.17549435e-38f ? 0.0f : x;
}

static float draw(uint64_t *state) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (float)((int32_t)(*state >> 32)) / 2147483648.0f;
}

/* One term of a sum, as the way is meant to make it. */
static double times(const struct ob_products *way, float x, float y) {
    if (way->terms == 0)
        return (double)x * (double)y;
    float a = rounded(x), b = rounded(y), c = rounded(x - a), d = rounded(y - b);
    double large = (double)a * (double)b;
    return way->terms == 1 ? large : large + (double)a * (double)d + (double)c * (double)b;
}

/* Every element outside c's rows and columns must stay what it was. */
static void compare(const struct ob_products *way, void *way_state, size_t rows, size_t n, size_t k,
                    bool transposed, bool accumulate) {
    size_t lda = k + 3, ldb = (transposed ? k : n) + 1, ldc = n + 2, brows = transposed ? n : k;
    float *a = malloc(rows * lda * sizeof *a), *b = malloc(brows * ldb * sizeof *b);
    float *c = malloc(rows * ldc * sizeof *c), *before = malloc(rows * ldc * sizeof *before);
    uint64_t state = rows * 1000003 + n * 1009 + k;
    assert_true(a && b && c && before);
    for (size_t i = 0; i < rows * lda; i++)
        a[i] = draw(&state);
    for (size_t i = 0; i < brows * ldb; i++)
        b[i] = draw(&state);
    for (size_t i = 0; i < rows * ldc; i++)
        before[i] = c[i] = draw(&state);
    struct ob_matrix matrix = {.values = b, .ld = ldb, .n = n, .k = k, .transposed = transposed};
    struct ob_product product = {.rows = a,
                                 .c = c,
                                 .lda = lda,
                                 .ldc = ldc,
                                 .count = rows,
                                 .n = n,
                                 .k = k,
                                 .accumulate = accumulate,
                                 .matrix = matrix};
    void *tile = NULL, *staged = NULL;
    if (way->packs) {
        assert_true(n <= way->tile_columns && way->tile_bytes(way_state, n, k) % 64 == 0);
        tile = aligned_alloc(64, way->tile_bytes(way_state, n, k));
        staged = aligned_alloc(64, way->staged_bytes(rows, k));
        assert_true(tile && staged);
        way->pack(way_state, 0, &matrix, tile);
        way->stage(way_state, 0, a, lda, rows, k, staged);
        product.rows = staged;
        product.tile = tile;
    }
    way->multiply(way_state, 0, &product);
    for (size_t row = 0; row < rows; row++)
        for (size_t column = 0; column < ldc; column++) {
            size_t at = row * ldc + column;
            double sum = column >= n || accumulate ? (double)before[at] : 0.0;
            for (size_t i = 0; i < k && column < n; i++)
                sum += times(way, a[row * lda + i], transposed ? b[column * ldb + i] : b[i * ldb + column]);
            double slack = column < n ? 2e-6 * (double)(k + 1) : 0.0;
            if (fabs(sum - (double)c[at]) > slack)
                fail_msg("%s, %zu × %zu × %zu: %g at %zu, %zu; should be %g", way->name, rows, n, k,
                         (double)c[at], row, column, sum);
        }
    free(a);
    free(b);
    free(c);
    free(before);
    free(tile);
    free(staged);
}

static void compare_all(const struct ob_products *way, void *way_state) {
    static const size_t ROWS[] = {1, 3, 4, 13, 14, 15, 31, 47}, COLUMNS[] = {1, 15, 16, 17, 31, 32, 33, 70},
                        TERMS[] = {1, 2, 31, 32, 33, 63, 383, 384, 385, 800};
    for (size_t r = 0; r < sizeof ROWS / sizeof *ROWS; r++)
        for (size_t c = 0; c < sizeof COLUMNS / sizeof *COLUMNS; c++)
            for (size_t t = 0; t < sizeof TERMS / sizeof *TERMS; t++)
                for (int how = 0; how < (TERMS[t] > 100 && r > 1 && c > 1 ? 1 : 4); how++)
                    compare(way, way_state, ROWS[r], COLUMNS[c], TERMS[t], how & 1, how & 2);
    compare(way, way_state, 50, 70, 769, true, true);
    compare(way, way_state, 50, 256, 769, false, false);
}

static void products_of_every_shape(void **state) {
    (void)state;
    const struct ob_products *way;
    for (size_t i = 0; (way = ob_products_at(i)); i++) {
        void *way_state = NULL;
        struct ob_error error = {0};
        const char *why;
        if (!ob_products_available(way, &why)) {
            print_message("skipped: %s: %s\n", way->name, why);
            continue;
        }
        if (way->open && way->open(1, ob_vector_best(), &way_state, &error)) {
            assert_int_equal(error.code, OB_EUNSUPPORTED);
            assert_non_null(strstr(error.text, way->name));
            print_message("skipped: %s\n", error.text);
            continue;
        }
        compare_all(way, way_state);
        if (way->close)
            way->close(way_state);
    }
}

/* Row r of a product is the same bits whatever rows come with it: states are kept on that. */
static void rows_do_not_depend_on_one_another(void **state) {
    (void)state;
    enum { ROWS = 60, N = 96, K = 416 };
    static float a[ROWS * K], b[K * N], all[ROWS * N], some[ROWS * N];
    uint64_t seed = 7;
    for (size_t i = 0; i < ROWS * K; i++)
        a[i] = draw(&seed);
    for (size_t i = 0; i < K * N; i++)
        b[i] = draw(&seed);
    const struct ob_products *way;
    for (size_t i = 0; (way = ob_products_at(i)); i++) {
        void *way_state = NULL;
        if (getenv("DNNL_MAX_CPU_ISA") && (strstr(way->name, "onednn") || way->terms == 2))
            continue; /* an emulated product of one row is summed in another order */
        if (!way->packs || !ob_products_available(way, NULL) ||
            (way->open && way->open(1, ob_vector_best(), &way_state, NULL)))
            continue;
        struct ob_matrix matrix = {.values = b, .ld = N, .n = N, .k = K};
        void *tile = aligned_alloc(64, way->tile_bytes(way_state, N, K));
        void *staged = aligned_alloc(64, way->staged_bytes(ROWS, K));
        assert_true(tile && staged);
        way->pack(way_state, 0, &matrix, tile);
        for (size_t count = ROWS; count > 0; count -= count > 20 ? 13 : 1) {
            way->stage(way_state, 0, a, K, count, K, staged);
            struct ob_product product = {.rows = staged,
                                         .tile = tile,
                                         .c = count == ROWS ? all : some,
                                         .ldc = N,
                                         .count = count,
                                         .n = N,
                                         .k = K};
            way->multiply(way_state, 0, &product);
            if (count < ROWS && memcmp(all, some, count * N * sizeof *all) != 0)
                fail_msg("%s: rows differ when they are %zu", way->name, count);
        }
        free(tile);
        free(staged);
        if (way->close)
            way->close(way_state);
    }
}

/* What is left out is small · small, 2^-16, and 2^-17 of each value; with one number it is 2^-7. */
static void two_terms_are_nearly_float32(void **state) {
    (void)state;
    const struct ob_products *way = NULL;
    for (size_t i = 0; ob_products_at(i) && !(way && way->terms == 2); i++)
        way = ob_products_at(i);
    uint64_t seed = 3;
    for (int i = 0; i < 1000 && way->terms == 2; i++) {
        float x = draw(&seed), y = draw(&seed);
        double exact = (double)x * (double)y;
        assert_true(fabs(times(way, x, y) - exact) <= 0x1p-15 * fabs(exact));
    }
}

/* "bfloat16" is a way that rounds to one number, never float32 or a slower one. */
static void names_are_found_or_refused(void **state) {
    (void)state;
    const struct ob_products *way;
    struct ob_error error = {0};
    assert_int_equal(ob_products_find("float32", &way, &error), OB_OK);
    assert_ptr_equal(way, ob_products_at(0));
    if (ob_products_find("bfloat16", &way, NULL) == OB_OK)
        assert_int_equal(way->terms, 1);
    assert_int_equal(ob_products_find("float8", &way, &error), OB_EUSAGE);
    assert_non_null(strstr(error.text, "float8"));
    for (size_t i = 0; ob_products_at(i); i++) {
        bool available = ob_products_available(ob_products_at(i), NULL);
        assert_int_equal(ob_products_find(ob_products_at(i)->name, &way, &error),
                         available ? OB_OK : OB_EUNSUPPORTED);
        if (!available)
            assert_non_null(strstr(error.text, ob_products_at(i)->name));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_of_every_shape),
        cmocka_unit_test(rows_do_not_depend_on_one_another),
        cmocka_unit_test(two_terms_are_nearly_float32),
        cmocka_unit_test(names_are_found_or_refused),
    };
    return cmocka_run_group_tests_name("products", tests, NULL, NULL);
}
