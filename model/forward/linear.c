#include <assert.h>
#include <cblas.h>
#include <string.h>

#include "model/forward/bf16.h"
#include "model/forward/pass.h"
#include "model/forward/vector.h"

#define READ_ELEMENTS 32768 /* of one thread's read */
#define TERMS         384   /* of a sum that OpenBLAS adds up at a time */

struct read_job {
    const struct ob_pass *pass;
    size_t tensor;
    uint64_t first;
    size_t count;
};

static void read_part(void *context, size_t index, unsigned thread) {
    (void)thread;
    const struct read_job *job = context;
    const struct ob_pass *pass = job->pass;
    size_t at = index * READ_ELEMENTS;
    size_t count = job->count - at < READ_ELEMENTS ? job->count - at : READ_ELEMENTS;
    float *const lanes[2] = {pass->forward->lanes[0].tile + at, pass->forward->lanes[1].tile + at};
    ob_source_read(pass->source, job->tensor, job->first + at, count, lanes);
}

void ob_pass_materialize(const struct ob_pass *pass, size_t tensor, uint64_t first, size_t count) {
    assert(count <= pass->forward->tile_elements);
    struct read_job job = {.pass = pass, .tensor = tensor, .first = first, .count = count};
    ob_pool_run(pass->forward->pool, (count + READ_ELEMENTS - 1) / READ_ELEMENTS, read_part, &job);
}

struct multiply_job {
    const struct ob_pass *pass;
    const struct ob_product *product;
    size_t blocks; /* of rows, for each lane */
};

/* Puts the bias under the rows, or adds it to them; returns whether c holds something to add to. */
static bool place_bias(const struct ob_product *p, unsigned lane, size_t from, size_t to) {
    if (!p->bias[lane])
        return p->accumulate;
    for (size_t row = from; row < to; row++) {
        float *c = p->c[lane] + row * p->ldc;
        if (p->accumulate)
            ob_vector_add(p->n, c, p->bias[lane]);
        else
            memcpy(c, p->bias[lane], p->n * sizeof *c);
    }
    return true;
}

static void multiply_rows(const struct ob_pass *pass, const struct ob_product *p, unsigned lane, size_t from,
                          size_t to, unsigned thread) {
    const struct ob_forward *f = pass->forward;
    bool add = place_bias(p, lane, from, to);
    if (!f->bf16) {
        cblas_sgemm(CblasRowMajor, CblasNoTrans, p->transposed ? CblasTrans : CblasNoTrans, (int)(to - from),
                    (int)p->n, (int)p->k, 1.0f, p->a[lane] + from * p->lda, (int)p->lda, f->lanes[lane].tile,
                    (int)p->ldb, add ? 1.0f : 0.0f, p->c[lane] + from * p->ldc, (int)p->ldc);
        return;
    }
    struct ob_bf16_product bf16 = {.a = p->a[lane] + from * p->lda,
                                   .b = f->lanes[lane].tile,
                                   .c = p->c[lane] + from * p->ldc,
                                   .lda = p->lda,
                                   .ldb = p->ldb,
                                   .ldc = p->ldc,
                                   .rows = to - from,
                                   .n = p->n,
                                   .k = p->k,
                                   .transposed = p->transposed,
                                   .accumulate = add};
    ob_bf16_multiply(&bf16, f->bf16 + thread * f->bf16_bytes);
}

static void multiply_part(void *context, size_t index, unsigned thread) {
    const struct multiply_job *job = context;
    const struct ob_product *p = job->product;
    size_t block = index % job->blocks;
    unsigned lane = (unsigned)(index / job->blocks);
    size_t from = p->rows * block / job->blocks, to = p->rows * (block + 1) / job->blocks;
    if (from == to)
        return;
    multiply_rows(job->pass, p, lane, from, to, thread);
    if (p->finish)
        p->finish(job->pass, lane, from, to, p->context);
}

void ob_pass_multiply(const struct ob_pass *pass, const struct ob_product *product) {
    unsigned threads = ob_pool_threads(pass->forward->pool);
    struct multiply_job job = {
        .pass = pass, .product = product, .blocks = (threads + pass->lanes - 1) / pass->lanes};
    ob_pool_run(pass->forward->pool, pass->lanes * job.blocks, multiply_part, &job);
}

/* The bias of both lanes into small vectors; false: the model has none. */
static bool read_bias(const struct ob_pass *pass, const struct ob_linear *linear) {
    int64_t bias = ob_model_slot(pass->source->model, linear->layer, linear->bias);
    if (bias < 0)
        return false;
    float *const vectors[2] = {pass->forward->lanes[0].b, pass->forward->lanes[1].b};
    ob_source_read(pass->source, (size_t)bias, 0, linear->out, vectors);
    return true;
}

/* (out, in): a tile is some rows, and makes some columns of y. */
static void multiply_output_major(const struct ob_pass *pass, const struct ob_linear *l, size_t tensor,
                                  const float *const bias[2]) {
    size_t rows = pass->forward->tile_elements / l->in;
    for (size_t at = 0; at < l->out; at += rows) {
        size_t n = l->out - at < rows ? l->out - at : rows;
        ob_pass_materialize(pass, tensor, (uint64_t)at * l->in, n * l->in);
        struct ob_product product = {.a = {l->x[0], l->x[1]},
                                     .c = {l->y[0] + at, l->y[1] ? l->y[1] + at : NULL},
                                     .bias = {bias[0] ? bias[0] + at : NULL, bias[1] ? bias[1] + at : NULL},
                                     .lda = l->ldx,
                                     .ldb = l->in,
                                     .ldc = l->ldy,
                                     .rows = l->rows,
                                     .n = n,
                                     .k = l->in,
                                     .transposed = true,
                                     .accumulate = l->accumulate};
        ob_pass_multiply(pass, &product);
    }
}

/* Rows of an (in, out) tile. Each tile passes over all of y, as OpenBLAS does by itself after so many terms:
 * tiles of a multiple of that cost nothing more. */
static size_t input_rows(const struct ob_forward *forward, const struct ob_linear *l) {
    size_t rows = forward->tile_elements / l->out;
    if (rows >= l->in)
        return l->in;
    return rows > TERMS ? rows / TERMS * TERMS : rows;
}

/* (in, out): a tile is some rows, and adds some terms to all of y. */
static void multiply_input_major(const struct ob_pass *pass, const struct ob_linear *l, size_t tensor,
                                 const float *const bias[2]) {
    size_t rows = input_rows(pass->forward, l);
    for (size_t at = 0; at < l->in; at += rows) {
        size_t k = l->in - at < rows ? l->in - at : rows;
        ob_pass_materialize(pass, tensor, (uint64_t)at * l->out, k * l->out);
        struct ob_product product = {.a = {l->x[0] + at, l->x[1] ? l->x[1] + at : NULL},
                                     .c = {l->y[0], l->y[1]},
                                     .bias = {at == 0 ? bias[0] : NULL, at == 0 ? bias[1] : NULL},
                                     .lda = l->ldx,
                                     .ldb = l->out,
                                     .ldc = l->ldy,
                                     .rows = l->rows,
                                     .n = l->out,
                                     .k = k,
                                     .accumulate = l->accumulate || at > 0};
        ob_pass_multiply(pass, &product);
    }
}

/* y += scale · (x · Aᵀ) · Bᵀ; `a` is A, and the next tensor B. */
static void add_adapter(const struct ob_pass *pass, const struct ob_linear *linear, size_t a) {
    const struct ob_forward *f = pass->forward;
    size_t rank = f->config.adapter_rank;
    const float *none[2] = {NULL, NULL};
    struct ob_linear down = *linear, up = *linear;
    down.out = down.ldy = up.in = up.ldx = rank;
    down.accumulate = false;
    up.accumulate = true;
    for (unsigned lane = 0; lane < pass->lanes; lane++)
        up.x[lane] = down.y[lane] = f->lanes[lane].low;
    multiply_output_major(pass, &down, a, none);
    for (unsigned lane = 0; lane < pass->lanes; lane++)
        for (size_t i = 0; i < linear->rows * rank; i++)
            f->lanes[lane].low[i] *= f->config.adapter_scale;
    multiply_output_major(pass, &up, a + 1, none);
}

void ob_pass_linear(const struct ob_pass *pass, const struct ob_linear *linear) {
    int64_t tensor = ob_model_slot(pass->source->model, linear->layer, linear->weight);
    assert(tensor >= 0);
    const float *bias[2] = {NULL, NULL};
    if (read_bias(pass, linear))
        for (unsigned lane = 0; lane < pass->lanes; lane++)
            bias[lane] = pass->forward->lanes[lane].b;
    if (pass->forward->config.family->input_major)
        multiply_input_major(pass, linear, (size_t)tensor, bias);
    else
        multiply_output_major(pass, linear, (size_t)tensor, bias);
    const int64_t *adapters = pass->source->model->adapter_of;
    if (adapters && adapters[tensor] >= 0 && pass->source->weights)
        add_adapter(pass, linear, (size_t)adapters[tensor]);
}
