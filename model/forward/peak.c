#include "model/forward/peak.h"

#include <stdlib.h>

#include "base/clock.h"
#include "model/forward/vector.h"

#define ROWS    448
#define COLUMNS 256
#define TERMS   768
#define ITEMS   16 /* products of a thread in one measurement */
#define REPEATS 5  /* the best counts */

struct operands {
    float *a, *b, *c; /* of all threads; one thread's lie after another's */
    uint8_t *tile, *staged;
    size_t staged_bytes;
};

struct job {
    const struct ob_products *way;
    void *state;
    const struct operands *operands;
};

static struct ob_matrix matrix_of(const struct operands *o) {
    return (struct ob_matrix){.values = o->b, .ld = COLUMNS, .n = COLUMNS, .k = TERMS};
}

static void multiply_one(void *context, size_t index, unsigned thread) {
    (void)index;
    const struct job *job = context;
    const struct operands *o = job->operands;
    bool packs = job->way->packs;
    struct ob_product product = {.rows = packs ? (const void *)(o->staged + thread * o->staged_bytes) : o->a,
                                 .tile = o->tile,
                                 .c = o->c + (size_t)thread * ROWS * COLUMNS,
                                 .lda = TERMS,
                                 .ldc = COLUMNS,
                                 .count = ROWS,
                                 .n = COLUMNS,
                                 .k = TERMS,
                                 .matrix = matrix_of(o)};
    job->way->multiply(job->state, thread, &product);
}

static bool allocate(const struct job *job, unsigned threads, struct operands *o) {
    o->a = aligned_alloc(64, ROWS * TERMS * sizeof *o->a);
    o->b = aligned_alloc(64, TERMS * COLUMNS * sizeof *o->b);
    o->c = aligned_alloc(64, (size_t)threads * ROWS * COLUMNS * sizeof *o->c);
    if (job->way->packs) {
        o->staged_bytes = job->way->staged_bytes(ROWS, TERMS);
        o->tile = aligned_alloc(64, job->way->tile_bytes(job->state, COLUMNS, TERMS));
        o->staged = aligned_alloc(64, threads * o->staged_bytes);
    }
    return o->a && o->b && o->c && (!job->way->packs || (o->tile && o->staged));
}

static void fill(const struct job *job, unsigned threads, const struct operands *o) {
    for (size_t i = 0; i < (size_t)ROWS * TERMS; i++)
        o->a[i] = (float)(i % 1021) * 1e-3f;
    for (size_t i = 0; i < (size_t)TERMS * COLUMNS; i++)
        o->b[i] = (float)(i % 509) * 1e-3f;
    if (!job->way->packs)
        return;
    struct ob_matrix matrix = matrix_of(o);
    job->way->pack(job->state, 0, &matrix, o->tile);
    for (unsigned i = 0; i < threads; i++)
        job->way->stage(job->state, 0, o->a, TERMS, ROWS, TERMS, o->staged + i * o->staged_bytes);
}

static double best_seconds(struct job *job, struct ob_pool *pool) {
    double best = 0;
    size_t items = (size_t)ITEMS * ob_pool_threads(pool);
    for (int i = 0; i <= REPEATS; i++) { /* the first warms the caches */
        uint64_t start = ob_now_ns();
        ob_pool_run(pool, items, multiply_one, job);
        double seconds = ob_seconds_since(start);
        best = i <= 1 || seconds < best ? seconds : best;
    }
    return best;
}

enum ob_err ob_products_peak(const struct ob_products *way, struct ob_pool *pool,
                             double *ret_operations_per_second, struct ob_error *error) {
    unsigned threads = ob_pool_threads(pool);
    struct operands operands = {0};
    struct job job = {.way = way, .operands = &operands};
    const char *why;
    if (!ob_products_available(way, &why))
        return ob_fail(error, OB_EUNSUPPORTED, "products = %s is not available: %s", way->name, why);
    enum ob_err failed = way->open ? way->open(threads, ob_vector_best(), &job.state, error) : OB_OK;
    if (failed)
        return failed;
    if (allocate(&job, threads, &operands)) {
        fill(&job, threads, &operands);
        double operations = 2.0 * ROWS * COLUMNS * TERMS * ITEMS * threads;
        *ret_operations_per_second = operations / best_seconds(&job, pool);
    } else {
        failed = ob_fail(error, OB_ENOMEM, "not enough memory to measure %s", way->name);
    }
    free(operands.a);
    free(operands.b);
    free(operands.c);
    free(operands.tile);
    free(operands.staged);
    if (way->close)
        way->close(job.state);
    return failed;
}
