/* An adapter of few directions is a few sums over a row of x and as many rows added to one of y: a general product of
 * so narrow a matrix, one for each view, costs several times that. A factor that is not trained (a basis) is read
 * once for all views. */
#include <assert.h>

#include "model/forward/pass.h"
#include "model/forward/vector.h"

#define RANK_MAX 8
#define ROWS     16 /* of an item of work */

/* One view's factors in the tile: A (rank, in) if it is trained, B (out, rank) as it is stored, and transposed. */
struct adapter {
    const struct ob_linear *linear;
    size_t a, rank; /* a: A's tensor; B is the next */
    bool trained_a;
    size_t shared, slot; /* elements: of A for all views, at the beginning; of a view's factors */
};

static size_t factor_elements(size_t count) {
    return (count + 15) / 16 * 16;
}

static float *a_of(const struct ob_pass *pass, const struct adapter *adapter, size_t view) {
    float *tile = pass->forward->tile;
    return adapter->trained_a ? tile + adapter->shared + view * adapter->slot : tile;
}

/* Transposed; with one direction that is how it is stored. */
static float *b_of(const struct ob_pass *pass, const struct adapter *adapter, size_t view) {
    size_t before = adapter->trained_a ? factor_elements(adapter->rank * adapter->linear->in) : 0;
    return pass->forward->tile + adapter->shared + view * adapter->slot + before;
}

static float *stored_b_of(const struct ob_pass *pass, const struct adapter *adapter, size_t view) {
    size_t elements = adapter->rank > 1 ? factor_elements(adapter->rank * adapter->linear->out) : 0;
    return b_of(pass, adapter, view) + elements;
}

/* A trained factor comes for both sides of a pair at once. */
static void read_factor(const struct ob_pass *pass, size_t view, size_t tensor, size_t count,
                        float *const to[2]) {
    if (pass->views[view].side == 0 || !ob_pass_trained(pass, (int64_t)tensor))
        ob_pass_read(pass, view, tensor, 0, count, to);
}

struct factors_job {
    const struct ob_pass *pass;
    const struct adapter *adapter;
};

static void read_factors(void *context, size_t view, unsigned thread) {
    (void)thread;
    const struct factors_job *job = context;
    const struct ob_pass *pass = job->pass;
    const struct adapter *adapter = job->adapter;
    float *const b[2] = {stored_b_of(pass, adapter, view), stored_b_of(pass, adapter, view + 1)};
    read_factor(pass, view, adapter->a + 1, adapter->rank * adapter->linear->out, b);
    if (!adapter->trained_a)
        return;
    float *const a[2] = {a_of(pass, adapter, view), a_of(pass, adapter, view + 1)};
    read_factor(pass, view, adapter->a, adapter->rank * adapter->linear->in, a);
}

static void transpose(void *context, size_t view, unsigned thread) {
    (void)thread;
    const struct factors_job *job = context;
    const float *from = stored_b_of(job->pass, job->adapter, view);
    float *to = b_of(job->pass, job->adapter, view);
    size_t rank = job->adapter->rank, out = job->adapter->linear->out;
    for (size_t i = 0; i < out; i++)
        for (size_t j = 0; j < rank; j++)
            to[j * out + i] = from[i * rank + j];
}

static void add_rows(const struct ob_pass *pass, const struct ob_row_block *block, void *context) {
    const struct adapter *adapter = context;
    const struct ob_linear *l = adapter->linear;
    const struct ob_forward *f = pass->forward;
    const float *a = a_of(pass, adapter, block->view), *b = b_of(pass, adapter, block->view);
    for (size_t row = block->first; row < block->first + block->count; row++) {
        const float *x = l->x + row * l->ldx;
        float *y = l->y + row * l->ldy;
        for (size_t j = 0; j < adapter->rank; j++) {
            float along = f->config.adapter_scale * ob_vector_dot(f->loops, l->in, x, a + j * l->in);
            ob_vector_add_times(f->loops, l->out, along, b + j * l->out, y);
        }
    }
}

/* Views [first, …) whose factors fit the tile together; never one half of a pair. */
static size_t views_at_once(const struct ob_pass *pass, const struct adapter *adapter, size_t first) {
    size_t room = 2 * pass->forward->tile_elements + OB_TILE_SLACK - adapter->shared;
    size_t most = room / adapter->slot, left = pass->view_count - first;
    if (left <= most)
        return left;
    return pass->views[first + most].side == 1 ? most - 1 : most;
}

bool ob_pass_add_small_adapter(const struct ob_pass *pass, const struct ob_linear *linear, size_t a) {
    const struct ob_forward *f = pass->forward;
    struct adapter adapter = {.linear = linear, .a = a, .rank = f->config.adapter_rank};
    size_t of_a = factor_elements(adapter.rank * linear->in),
           of_b = factor_elements(adapter.rank * linear->out);
    adapter.trained_a = ob_pass_trained(pass, (int64_t)a);
    adapter.shared = adapter.trained_a ? 0 : of_a;
    adapter.slot = of_a - adapter.shared + (adapter.rank > 1 ? 2 : 1) * of_b;
    if (adapter.rank > RANK_MAX || adapter.shared + 2 * adapter.slot > 2 * f->tile_elements)
        return false;
    if (!adapter.trained_a)
        ob_pass_read(pass, 0, a, 0, adapter.rank * linear->in, (float *const[2]){f->tile, f->tile});
    for (size_t first = 0; first < pass->view_count;) {
        struct ob_pass some = *pass;
        some.views += first;
        some.view_count = views_at_once(pass, &adapter, first);
        assert(some.view_count > 0);
        struct factors_job job = {.pass = &some, .adapter = &adapter};
        ob_pool_run(f->pool, some.view_count, read_factors, &job);
        if (adapter.rank > 1)
            ob_pool_run(f->pool, some.view_count, transpose, &job);
        ob_pass_for_rows(&some, linear->targets, ROWS, add_rows, &adapter);
        first += some.view_count;
    }
    return true;
}
