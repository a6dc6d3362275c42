#include "model/forward/blas_check.h"

#include <cblas.h>
#include <math.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAD        3  /* rows are not packed: the gaps must stay as they are */
#define PATIENCE_S 60 /* the slowest core that is right needs seconds, with sanitizers tens of them */

struct shape {
    size_t m, n, k;
    bool transposed, add;
};

/* Ones, primes around the kernels' register tiles, and two that cross the block sizes of every core. */
static const struct shape SHAPES[] = {
    {1, 1, 1, false, false},        {1, 65, 17, true, true},       {3, 17, 5, false, true},
    {33, 65, 129, true, false},     {17, 49, 385, false, true},    {64, 48, 1, false, false},
    {1030, 391, 523, false, false}, {389, 1031, 1051, true, true},
};
enum { SHAPE_COUNT = sizeof SHAPES / sizeof *SHAPES, PLAIN_BELOW = 1 << 20 };

/* Uniform in [-1, 1). */
static float next_value(uint32_t *state) {
    *state = *state * 1664525u + 1013904223u;
    return (float)(int32_t)*state * 0x1p-31f;
}

static void fill(float *values, size_t count, uint32_t *state) {
    for (size_t i = 0; i < count; i++)
        values[i] = next_value(state);
}

struct operands {
    const struct shape *shape;
    size_t lda, ldb, ldc;
    float *a, *b, *c, *before; /* before: what c held */
};

static double b_at(const struct operands *o, size_t row, size_t column) {
    return (double)(o->shape->transposed ? o->b[column * o->ldb + row] : o->b[row * o->ldb + column]);
}

/* |error| of a sum of k products of values below 1, with room: float32 rounds each partial sum. */
static bool near(double got, double expected, double terms) {
    return fabs(got - expected) <= 4e-7 * sqrt(terms) * 4.0 + 1e-6 * fabs(expected);
}

static bool elements_right(const struct operands *o) {
    const struct shape *s = o->shape;
    for (size_t i = 0; i < s->m; i++)
        for (size_t j = 0; j < s->n; j++) {
            double expected = s->add ? (double)o->before[i * o->ldc + j] : 0.0;
            for (size_t l = 0; l < s->k; l++)
                expected += (double)o->a[i * o->lda + l] * b_at(o, l, j);
            if (!near((double)o->c[i * o->ldc + j], expected, (double)s->k))
                return false;
        }
    return true;
}

/* v (n) and product (k) are scratch. */
static bool rows_right(const struct operands *o, double *v, double *product, uint32_t *state) {
    const struct shape *s = o->shape;
    for (size_t j = 0; j < s->n; j++)
        v[j] = (double)next_value(state);
    for (size_t l = 0; l < s->k; l++) {
        product[l] = 0;
        for (size_t j = 0; j < s->n; j++)
            product[l] += b_at(o, l, j) * v[j];
    }
    for (size_t i = 0; i < s->m; i++) {
        double got = 0, expected = 0;
        for (size_t j = 0; j < s->n; j++) {
            got += (double)o->c[i * o->ldc + j] * v[j];
            expected += s->add ? (double)o->before[i * o->ldc + j] * v[j] : 0.0;
        }
        for (size_t l = 0; l < s->k; l++)
            expected += (double)o->a[i * o->lda + l] * product[l];
        if (!near(got, expected, (double)(s->k * s->n)))
            return false;
    }
    return true;
}

static bool gaps_untouched(const struct operands *o) {
    for (size_t i = 0; i < o->shape->m; i++)
        for (size_t j = o->shape->n; j < o->ldc; j++)
            if (o->c[i * o->ldc + j] != o->before[i * o->ldc + j])
                return false;
    return true;
}

static bool shape_right(ob_blas_product_fn product, const struct shape *s, uint32_t *state) {
    struct operands o = {
        .shape = s, .lda = s->k + PAD, .ldb = (s->transposed ? s->k : s->n) + PAD, .ldc = s->n + PAD};
    size_t a_count = s->m * o.lda, b_count = (s->transposed ? s->n : s->k) * o.ldb, c_count = s->m * o.ldc;
    float *all = malloc((a_count + b_count + 2 * c_count) * sizeof *all);
    double *scratch = malloc((s->n + s->k) * sizeof *scratch);
    bool right = false;
    if (all && scratch) {
        o.a = all;
        o.b = o.a + a_count;
        o.c = o.b + b_count;
        o.before = o.c + c_count;
        fill(all, a_count + b_count + c_count, state);
        for (size_t i = 0; i < c_count; i++)
            o.before[i] = o.c[i];
        product(s->m, s->n, s->k, o.a, o.lda, o.b, o.ldb, s->transposed, s->add, o.c, o.ldc);
        right = gaps_untouched(&o) &&
                (s->m * s->n * s->k < PLAIN_BELOW ? elements_right(&o)
                                                  : rows_right(&o, scratch, scratch + s->n, state));
    }
    free(all);
    free(scratch);
    return right;
}

bool ob_blas_products_right(ob_blas_product_fn product) {
    uint32_t state = 20260624;
    for (int i = 0; i < SHAPE_COUNT; i++)
        if (!shape_right(product, &SHAPES[i], &state))
            return false;
    return true;
}

bool ob_blas_products_safe(ob_blas_product_fn product) {
    pid_t child = fork();
    if (child < 0)
        return ob_blas_products_right(product); /* no more processes: the answer matters more than a crash */
    if (child == 0) {
        static const int DEADLY[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE};
        for (size_t i = 0; i < sizeof DEADLY / sizeof *DEADLY; i++) /* whatever handlers the parent has */
            (void)signal(DEADLY[i], SIG_DFL);
        const struct rlimit patience = {PATIENCE_S,
                                        PATIENCE_S}; /* of its own: a busy machine is no wrong product */
        (void)setrlimit(RLIMIT_CPU, &patience);
        _exit(ob_blas_products_right(product) ? 0 : 1);
    }
    int status;
    while (waitpid(child, &status, 0) < 0)
        continue;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

void ob_blas_sgemm(size_t m, size_t n, size_t k, const float *a, size_t lda, const float *b, size_t ldb,
                   bool transposed, bool add, float *c, size_t ldc) {
    cblas_sgemm(CblasRowMajor, CblasNoTrans, transposed ? CblasTrans : CblasNoTrans, (int)m, (int)n, (int)k,
                1.0f, a, (int)lda, b, (int)ldb, add ? 1.0f : 0.0f, c, (int)ldc);
}
