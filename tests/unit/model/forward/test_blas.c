#include "tests/unit/cmocka_all.h"

#include <signal.h>
#include <stdlib.h>

#include "model/forward/blas_check.h"

/* What each product below starts from. */
static void plain(size_t m, size_t n, size_t k, const float *a, size_t lda, const float *b, size_t ldb,
                  bool transposed, bool add, float *c, size_t ldc) {
    double *row = malloc(n * sizeof *row);
    assert_non_null(row);
    for (size_t i = 0; i < m; i++) {
        for (size_t j = 0; j < n; j++)
            row[j] = add ? (double)c[i * ldc + j] : 0.0;
        for (size_t l = 0; l < k; l++)
            for (size_t j = 0; j < n; j++)
                row[j] += (double)a[i * lda + l] * (double)(transposed ? b[j * ldb + l] : b[l * ldb + j]);
        for (size_t j = 0; j < n; j++)
            c[i * ldc + j] = (float)row[j];
    }
    free(row);
}

/* One element of a large product, at its far corner. */
static void wrong_corner(size_t m, size_t n, size_t k, const float *a, size_t lda, const float *b, size_t ldb,
                         bool transposed, bool add, float *c, size_t ldc) {
    plain(m, n, k, a, lda, b, ldb, transposed, add, c, ldc);
    if (m > 1000)
        c[(m - 1) * ldc + n - 1] += 0.05f;
}

/* A block of terms left out, as with a block size that does not fit. */
static void lost_terms(size_t m, size_t n, size_t k, const float *a, size_t lda, const float *b, size_t ldb,
                       bool transposed, bool add, float *c, size_t ldc) {
    plain(m, n, k > 1024 ? 1024 : k, a, lda, b, ldb, transposed, add, c, ldc);
}

static void beyond_the_row(size_t m, size_t n, size_t k, const float *a, size_t lda, const float *b,
                           size_t ldb, bool transposed, bool add, float *c, size_t ldc) {
    plain(m, n, k, a, lda, b, ldb, transposed, add, c, ldc);
    if (m > 1)
        c[n] = 0.0f;
}

static void crash(size_t m, size_t n, size_t k, const float *a, size_t lda, const float *b, size_t ldb,
                  bool transposed, bool add, float *c, size_t ldc) {
    plain(m, n, k, a, lda, b, ldb, transposed, add, c, ldc);
    (void)raise(SIGILL);
}

static void products_of_plain_c_are_right(void **state) {
    (void)state;
    assert_true(ob_blas_products_safe(plain));
}

static void products_of_the_library_are_right(void **state) {
    (void)state;
    assert_true(ob_blas_products_safe(ob_blas_sgemm));
}

static void products_wrong_in_one_element_are_found(void **state) {
    (void)state;
    assert_false(ob_blas_products_safe(wrong_corner));
}

static void products_without_some_terms_are_found(void **state) {
    (void)state;
    assert_false(ob_blas_products_safe(lost_terms));
}

static void products_that_write_beside_a_row_are_found(void **state) {
    (void)state;
    assert_false(ob_blas_products_safe(beyond_the_row));
}

static void products_that_crash_are_found(void **state) {
    (void)state;
    assert_false(ob_blas_products_safe(crash));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_of_plain_c_are_right),
        cmocka_unit_test(products_of_the_library_are_right),
        cmocka_unit_test(products_wrong_in_one_element_are_found),
        cmocka_unit_test(products_without_some_terms_are_found),
        cmocka_unit_test(products_that_write_beside_a_row_are_found),
        cmocka_unit_test(products_that_crash_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
