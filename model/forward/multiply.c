#include "model/forward/multiply.h"

#include <assert.h>
#include <string.h>

#include "model/forward/vector.h"

#define STAGED_BYTES ((size_t)768 << 10) /* of a block of rows: stays in the second-level cache */
#define ROWS_STEP    56                  /* both kernels' groups of rows divide it, or nearly */

size_t ob_multiply_rows_max(const struct ob_products *way, size_t k) {
    size_t rows = STAGED_BYTES / (k * way->terms * sizeof(uint16_t)) / ROWS_STEP * ROWS_STEP;
    return rows < OB_MULTIPLY_ROWS_MIN ? OB_MULTIPLY_ROWS_MIN : rows;
}

size_t ob_pass_tile_bytes(struct ob_forward *forward, size_t n, size_t k) {
    struct ob_tile_size *sizes = forward->in_use.tile_sizes;
    size_t i = 0;
    while (i < OB_TILE_SIZES - 1 && sizes[i].bytes && !(sizes[i].n == n && sizes[i].k == k))
        i++;
    if (!sizes[i].bytes || sizes[i].n != n || sizes[i].k != k) {
        size_t bytes = forward->in_use.products->tile_bytes(forward->in_use.state, n, k);
        sizes[i] = (struct ob_tile_size){.n = n, .k = k, .bytes = bytes};
    }
    return sizes[i].bytes;
}

static size_t tiles_of(const struct ob_products *way, size_t n) {
    return way->packs ? (n + way->tile_columns - 1) / way->tile_columns : 1;
}

/* ---- packing ---- */

struct pack_job {
    struct ob_forward *forward;
    const struct ob_packing *jobs;
    size_t n, k, tiles, tile_bytes;
    bool transposed;
};

static void pack_tile(void *context, size_t index, unsigned thread) {
    const struct pack_job *job = context;
    const struct ob_products *way = job->forward->in_use.products;
    const struct ob_packing *one = &job->jobs[index / job->tiles];
    size_t tile = index % job->tiles, first = tile * way->tile_columns, left = job->n - first;
    struct ob_matrix matrix = {.values = one->values + first * (job->transposed ? job->k : 1),
                               .ld = job->transposed ? job->k : job->n,
                               .n = left < way->tile_columns ? left : way->tile_columns,
                               .k = job->k,
                               .transposed = job->transposed};
    way->pack(job->forward->in_use.state, thread, &matrix, one->packed + tile * job->tile_bytes);
}

void ob_pack(struct ob_forward *forward, size_t n, size_t k, bool transposed, const struct ob_packing *jobs,
             size_t count) {
    const struct ob_products *way = forward->in_use.products;
    struct pack_job job = {.forward = forward,
                           .jobs = jobs,
                           .n = n,
                           .k = k,
                           .tiles = tiles_of(way, n),
                           .tile_bytes = ob_pass_tile_bytes(forward, way->tile_columns, k),
                           .transposed = transposed};
    ob_pool_run(forward->pool, count * job.tiles, pack_tile, &job);
}

/* ---- products ---- */

struct multiply_job {
    const struct ob_pass *pass;
    const struct ob_step *step;
    size_t block;                     /* rows of an item at most */
    size_t tiles, tile_bytes, groups; /* column tiles; groups of them are items of their own */
};

static size_t blocks_of(const struct multiply_job *job, const struct ob_operand *operand) {
    return (operand->rows.rows + job->block - 1) / job->block;
}

/* The view of a row, from `view` on. */
static size_t view_of(const struct ob_pass *pass, const struct ob_step *step, size_t row, size_t view) {
    for (;; view++) {
        const struct ob_span *span = step->targets ? &pass->views[view].targets : &pass->views[view].inputs;
        if (row < span->first + span->rows)
            return view;
    }
}

/* Puts the bias under the rows, or adds it to them; returns whether y holds something to add to. */
static bool place_bias(const struct ob_pass *pass, const struct ob_step *step, const struct ob_span *rows,
                       const struct ob_span *columns) {
    if (!step->bias.values)
        return step->accumulate;
    size_t view = 0;
    for (size_t row = rows->first; row < rows->first + rows->rows; row++) {
        float *y = step->y + row * step->ldy + columns->first;
        view = step->bias.stride ? view_of(pass, step, row, view) : 0;
        const float *bias = step->bias.values + view * step->bias.stride + columns->first;
        if (step->accumulate)
            ob_vector_add(pass->forward->loops, columns->rows, y, bias);
        else
            memcpy(y, bias, columns->rows * sizeof *y);
    }
    return true;
}

/* ---- rows beside the centre's ----
 * What a row has more than the centre's row of the same token is small. Rounded by itself, it keeps its digits; and
 * the rounding of the centre's row is in all views, so that it cancels in what a direction changes. */

/* The row of the centre for `row` of a view. */
static size_t centre_row(const struct ob_pass *pass, const struct ob_step *step, size_t row, size_t view) {
    const struct ob_view *v = &pass->views[view], *centre = &pass->views[pass->view_count - 1];
    if (step->targets)
        return centre->targets.first + v->first_target - centre->first_target + row - v->targets.first;
    return centre->inputs.first + v->first_input - centre->first_input + row - v->inputs.first;
}

/* Rows less those of the centre, without gaps. */
static const float *take_centre(const struct ob_pass *pass, const struct ob_step *step,
                                const struct ob_span *rows, unsigned thread) {
    const struct ob_forward *f = pass->forward;
    float *all = f->beside + thread * f->beside_elements;
    size_t view = 0;
    assert(rows->rows * step->k <= f->beside_elements);
    for (size_t i = 0; i < rows->rows; i++) {
        size_t row = rows->first + i;
        view = view_of(pass, step, row, view);
        ob_vector_less(f->loops, step->k, step->x + row * step->ldx,
                       step->x + centre_row(pass, step, row, view) * step->ldx, all + i * step->k);
    }
    return all;
}

/* y of some columns of the rows gets the centre's. */
static void add_centre(const struct ob_pass *pass, const struct ob_step *step, const struct ob_span *rows,
                       const struct ob_span *columns) {
    size_t view = 0;
    for (size_t row = rows->first; row < rows->first + rows->rows; row++) {
        view = view_of(pass, step, row, view);
        const float *centre = step->y + centre_row(pass, step, row, view) * step->ldy;
        ob_vector_add(pass->forward->loops, columns->rows, step->y + row * step->ldy + columns->first,
                      centre + columns->first);
    }
}

static void multiply_tiles(const struct multiply_job *job, const struct ob_operand *operand,
                           const struct ob_span *rows, size_t group, unsigned thread) {
    const struct ob_step *s = job->step;
    const struct ob_forward *f = job->pass->forward;
    size_t from = job->tiles * group / job->groups, to = job->tiles * (group + 1) / job->groups;
    size_t width = s->way->packs ? s->way->tile_columns : s->n;
    struct ob_span columns = {.first = from * width,
                              .rows = (to * width < s->n ? to * width : s->n) - from * width};
    struct ob_product product = {.rows = s->x + rows->first * s->ldx,
                                 .lda = s->ldx,
                                 .ldc = s->ldy,
                                 .count = rows->rows,
                                 .k = s->k,
                                 .accumulate = place_bias(job->pass, s, rows, &columns),
                                 .matrix = {.values = operand->values,
                                            .ld = s->transposed ? s->k : s->n,
                                            .transposed = s->transposed}};
    if (s->way->packs) {
        uint8_t *staged = f->in_use.staged + thread * f->in_use.staged_bytes;
        const float *x = s->beside ? take_centre(job->pass, s, rows, thread) : product.rows;
        s->way->stage(f->in_use.state, thread, x, s->beside ? s->k : s->ldx, rows->rows, s->k, staged);
        product.rows = staged;
    }
    for (size_t tile = from; tile < to; tile++) {
        product.n = s->n - tile * width < width ? s->n - tile * width : width;
        product.c = s->y + rows->first * s->ldy + tile * width;
        product.tile = operand->packed ? operand->packed + tile * job->tile_bytes : NULL;
        s->way->multiply(s->way->packs ? f->in_use.state : NULL, thread, &product);
        if (s->beside)
            add_centre(job->pass, s, rows, &(struct ob_span){.first = tile * width, .rows = product.n});
    }
}

static void multiply_item(void *context, size_t index, unsigned thread) {
    const struct multiply_job *job = context;
    const struct ob_step *s = job->step;
    size_t group = index % job->groups, number = index / job->groups, operand = 0;
    while (number >= blocks_of(job, &s->operands[operand]))
        number -= blocks_of(job, &s->operands[operand++]);
    const struct ob_span *all = &s->operands[operand].rows;
    size_t at = number * job->block, left = all->rows - at;
    struct ob_span rows = {.first = all->first + at, .rows = left < job->block ? left : job->block};
    multiply_tiles(job, &s->operands[operand], &rows, group, thread);
    if (!s->finish)
        return;
    struct ob_row_block block = {
        .view = view_of(job->pass, s, rows.first, 0), .first = rows.first, .count = rows.rows};
    s->finish(job->pass, &block, s->context);
}

/* The rows of packed sequence number `index` of those that the pass has. */
static struct ob_span rows_of_sequence(const struct ob_pass *pass, size_t index) {
    const struct ob_forward *f = pass->forward;
    const struct ob_view *view = pass->views;
    while (index >= view->sequences)
        index -= view++->sequences;
    size_t sequence = view->first_sequence + index, first = f->starts[sequence];
    return (struct ob_span){.first = view->inputs.first + first - view->first_input,
                            .rows = f->starts[sequence + 1] - first};
}

static void multiply_sequence(void *context, size_t index, unsigned thread) {
    const struct multiply_job *job = context;
    struct ob_span rows = rows_of_sequence(job->pass, index);
    multiply_tiles(job, &job->step->operands[0], &rows, 0, thread);
}

static void multiply_apart(const struct ob_pass *pass, const struct ob_step *step) {
    struct multiply_job job = {.pass = pass, .step = step, .tiles = 1, .groups = 1};
    size_t sequences = 0;
    assert(step->operand_count == 1 && !step->targets && !step->finish);
    for (size_t v = 0; v < pass->view_count; v++)
        sequences += pass->views[v].sequences;
    ob_pool_run(pass->forward->pool, sequences, multiply_sequence, &job);
}

static size_t block_rows(const struct ob_forward *f, const struct ob_step *s, size_t rows, size_t threads) {
    if (!s->way->packs)
        return (rows + threads - 1) / threads;
    size_t most = ob_multiply_rows_max(s->way, s->k), fit = f->beside_elements / s->k / ROWS_STEP * ROWS_STEP;
    most = s->beside && fit < most ? fit : most;
    size_t share = (rows + 2 * threads - 1) / (2 * threads);
    share = (share + ROWS_STEP - 1) / ROWS_STEP * ROWS_STEP;
    return share < most ? share : most;
}

void ob_multiply(const struct ob_pass *pass, const struct ob_step *step) {
    struct ob_forward *f = pass->forward;
    size_t threads = ob_pool_threads(f->pool), rows = 0, blocks = 0;
    for (size_t i = 0; i < step->operand_count; i++)
        rows += step->operands[i].rows.rows;
    if (rows == 0)
        return;
    if (pass->apart && !step->way->packs) {
        multiply_apart(pass, step);
        return;
    }
    struct multiply_job job = {
        .pass = pass, .step = step, .groups = 1, .tiles = tiles_of(step->way, step->n)};
    job.block = block_rows(f, step, rows, threads);
    job.tile_bytes = step->way->packs ? ob_pass_tile_bytes(f, step->way->tile_columns, step->k) : 0;
    for (size_t i = 0; i < step->operand_count; i++)
        blocks += blocks_of(&job, &step->operands[i]);
    if (blocks < threads && !step->finish) /* few rows: columns are shared out */
        job.groups =
            (threads + blocks - 1) / blocks < job.tiles ? (threads + blocks - 1) / blocks : job.tiles;
    ob_pool_run(f->pool, blocks * job.groups, multiply_item, &job);
}
