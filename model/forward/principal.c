#include "model/forward/principal.h"

#include <cblas.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define OVERSAMPLING 8
#define STEPS_MAX    300
#define RESIDUAL     1e-4 /* of its eigenvalue */
#define NOTHING      1e-7

/* Fortran's; OpenBLAS has it. */
void dsyev_(const char *jobz, const char *uplo, const int *n, double *a, const int *lda, double *w,
            double *work, const int *lwork, int *info);

/* A block of k directions of n elements, row-major (k, n). */
struct block {
    size_t n, k;

    double *matrix;          /* (n, n), its upper triangle */
    double *v, *image;       /* (k, n): directions, and the matrix times them */
    double *small, *rotated; /* (k, k); (k, n) */
    double *values, *work;   /* (k); (8 k) */
};

static uint64_t next_random(uint64_t *state) { /* splitmix64 */
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static double dot(const double *a, const double *b, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

/* Modified Gram–Schmidt, twice. A direction that vanishes is drawn anew. */
static void orthonormalize(struct block *b, uint64_t *random) {
    for (size_t r = 0; r < b->k; r++) {
        double *v = b->v + r * b->n;
        double before = sqrt(dot(v, v, b->n));
        for (int round = 0; round < 2; round++)
            for (size_t q = 0; q < r; q++) {
                double part = dot(b->v + q * b->n, v, b->n);
                for (size_t i = 0; i < b->n; i++)
                    v[i] -= part * b->v[q * b->n + i];
            }
        double length = sqrt(dot(v, v, b->n));
        if (!(length > 1e-12 * before)) {
            for (size_t i = 0; i < b->n; i++)
                v[i] = (double)(int64_t)next_random(random) * 0x1p-63;
            r--;
            continue;
        }
        for (size_t i = 0; i < b->n; i++)
            v[i] /= length;
    }
}

static void multiply(struct block *b) {
    /* of (k, n) row-major the transpose is (n, k) column-major; the upper triangle row-major is the lower one */
    cblas_dsymm(CblasColMajor, CblasLeft, CblasLower, (int)b->n, (int)b->k, 1.0, b->matrix, (int)b->n, b->v,
                (int)b->n, 0.0, b->image, (int)b->n);
}

static void rotate(const struct block *b, double *rows) {
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)b->k, (int)b->n, (int)b->k, 1.0, b->small,
                (int)b->k, rows, (int)b->n, 0.0, b->rotated, (int)b->n);
    memcpy(rows, b->rotated, b->k * b->n * sizeof *rows);
}

/* Turns the block's directions to the eigenvectors within it, falling, and their images alike. */
static bool solve_small(struct block *b) {
    int k = (int)b->k, room = 8 * k, info = 0;
    for (size_t r = 0; r < b->k; r++)
        for (size_t q = 0; q < b->k; q++)
            b->small[r * b->k + q] = (dot(b->v + r * b->n, b->image + q * b->n, b->n) +
                                      dot(b->v + q * b->n, b->image + r * b->n, b->n)) /
                                     2;
    dsyev_("V", "U", &k, b->small, &k, b->values, b->work, &room, &info);
    if (info != 0)
        return false;
    /* LAPACK's columns are our rows, rising */
    for (size_t r = 0; r < b->k / 2; r++) {
        size_t other = b->k - 1 - r;
        double value = b->values[r];
        b->values[r] = b->values[other];
        b->values[other] = value;
        for (size_t q = 0; q < b->k; q++) {
            double element = b->small[r * b->k + q];
            b->small[r * b->k + q] = b->small[other * b->k + q];
            b->small[other * b->k + q] = element;
        }
    }
    rotate(b, b->v);
    rotate(b, b->image);
    return true;
}

static bool is_converged(const struct block *b, size_t rank) {
    for (size_t r = 0; r < rank; r++) {
        double square = 0;
        for (size_t i = 0; i < b->n; i++) {
            double rest = b->image[r * b->n + i] - b->values[r] * b->v[r * b->n + i];
            square += rest * rest;
        }
        if (sqrt(square) > RESIDUAL * b->values[r])
            return false;
    }
    return true;
}

static enum ob_err iterate(struct block *b, size_t rank, struct ob_error *error) {
    uint64_t random = 0x6f6e6562797465u; /* any fixed number: "onebyte" */
    for (size_t i = 0; i < b->k * b->n; i++)
        b->v[i] = (double)(int64_t)next_random(&random) * 0x1p-63;
    for (int step = 0; step < STEPS_MAX; step++) {
        orthonormalize(b, &random);
        multiply(b);
        if (!solve_small(b))
            return ob_fail(error, OB_ENOTFINITE,
                           "inputs that are not finite numbers have no principal directions");
        if (is_converged(b, rank))
            break;
        if (step + 1 < STEPS_MAX)
            memcpy(b->v, b->image, b->k * b->n * sizeof *b->v);
    }
    if (!(b->values[rank - 1] > NOTHING * b->values[0]))
        return ob_fail(error, OB_EMISMATCH, "the inputs span fewer than %zu directions", rank);
    return OB_OK;
}

static void put_results(const struct block *b, size_t rank, double *ret_values, double *ret_vectors) {
    for (size_t r = 0; r < rank; r++) {
        const double *v = b->v + r * b->n;
        size_t largest = 0;
        for (size_t i = 1; i < b->n; i++)
            largest = fabs(v[i]) > fabs(v[largest]) ? i : largest;
        double sign = v[largest] < 0 ? -1 : 1;
        for (size_t i = 0; i < b->n; i++)
            ret_vectors[r * b->n + i] = sign * v[i];
        ret_values[r] = b->values[r];
    }
}

enum ob_err ob_principal(const float *upper, size_t n, size_t rank, double *ret_values, double *ret_vectors,
                         struct ob_error *error) {
    if (rank > n)
        return ob_fail(error, OB_EMISMATCH, "%zu inputs have no %zu directions", n, rank);
    size_t more = rank > OVERSAMPLING ? rank : OVERSAMPLING, k = rank + more < n ? rank + more : n;
    struct block b = {.n = n, .k = k};
    double *doubles = calloc(n * n + 3 * k * n + k * k + 9 * k, sizeof *doubles);
    enum ob_err failed =
        doubles ? OB_OK : ob_fail(error, OB_ENOMEM, "not enough memory for %zu directions", k);
    if (!failed) {
        b.v = doubles;
        b.image = b.v + k * n;
        b.rotated = b.image + k * n;
        b.small = b.rotated + k * n;
        b.values = b.small + k * k;
        b.work = b.values + k;
        b.matrix = b.work + 8 * k;
        for (size_t i = 0; i < n; i++)
            for (size_t j = i; j < n; j++)
                b.matrix[i * n + j] = (double)upper[i * n + j];
        failed = iterate(&b, rank, error);
    }
    if (!failed)
        put_results(&b, rank, ret_values, ret_vectors);
    free(doubles);
    return failed;
}
