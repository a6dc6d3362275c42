/* A product with a tensor of the model, tile by tile: the weights of a tile are materialised as each view
 * sees them, brought into the products' order, and multiplied. What no view trains is one operand for all
 * rows, and packed once and for all where that costs no more memory than the file (frozen.c). */
#include <assert.h>
#include <string.h>

#include "model/formats/checkpoint.h"
#include "model/forward/multiply.h"
#include "model/forward/products_float32.h"
#include "model/forward/vector.h"

#define READ_ELEMENTS  32768 /* of one thread's read */
#define TERMS          384   /* of a sum that OpenBLAS adds up at a time */
#define SMALL_ELEMENTS 65536 /* a whole tensor, or tile, that is not worth packing */

/* One tile of a tensor. */
struct tile {
    size_t tensor;
    uint64_t first; /* element of the tensor */
    size_t count;
};

/* ---- materialising ---- */

struct read_job {
    const struct ob_pass *pass;
    const struct tile *tile;
    size_t first_view, slot, parts; /* slot: elements from one view's tile to the next's */
};

static void read_part(void *context, size_t index, unsigned thread) {
    (void)thread;
    const struct read_job *job = context;
    struct ob_forward *f = job->pass->forward;
    size_t number = index / job->parts, at = index % job->parts * READ_ELEMENTS,
           view = job->first_view + number;
    size_t left = job->tile->count - at, count = left < READ_ELEMENTS ? left : READ_ELEMENTS;
    if (job->pass->views[view].side == 1)
        return; /* comes with the view before it */
    float *to = f->tile + number * job->slot + at;
    ob_pass_read(job->pass, view, job->tile->tensor, job->tile->first + at, count,
                 (float *const[2]){to, to + job->slot});
}

static void materialize(const struct ob_pass *pass, const struct tile *tile, size_t first_view, size_t views,
                        size_t slot) {
    struct read_job job = {.pass = pass,
                           .tile = tile,
                           .first_view = first_view,
                           .slot = slot,
                           .parts = (tile->count + READ_ELEMENTS - 1) / READ_ELEMENTS};
    ob_pool_run(pass->forward->pool, views * job.parts, read_part, &job);
}

/* Where a frozen tensor's float32 values lie in the file as they are needed; NULL: nowhere. */
static const float *in_place(const struct ob_pass *pass, const struct tile *tile) {
    const struct ob_model *model = pass->source->model;
    if (tile->tensor >= model->tensor_count)
        return NULL; /* an adapter's */
    const struct ob_checkpoint_tensor *t = &model->checkpoint->tensors[model->checkpoint_index[tile->tensor]];
    bool usable = t->dtype == OB_DTYPE_F32 && !t->rows && (uintptr_t)t->data % sizeof(float) == 0 &&
                  __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__;
    return usable ? (const float *)(const void *)t->data + tile->first : NULL;
}

/* ---- a step over all views ---- */

static void pack_step(const struct ob_pass *pass, const struct ob_step *step, struct ob_operand *operands,
                      size_t count) {
    struct ob_forward *f = pass->forward;
    struct ob_packing jobs[OB_VIEWS_MAX];
    size_t tiles = (step->n + step->way->tile_columns - 1) / step->way->tile_columns;
    size_t bytes = tiles * ob_pass_tile_bytes(f, step->way->tile_columns, step->k);
    assert(count * bytes <= f->in_use.packed_bytes);
    for (size_t i = 0; i < count; i++) {
        jobs[i] = (struct ob_packing){.values = operands[i].values, .packed = f->in_use.packed + i * bytes};
        operands[i].packed = jobs[i].packed;
    }
    ob_pack(f, step->n, step->k, step->transposed, jobs, count);
}

/* May this tile be packed into the scratch, for two views at least? */
static bool worth_packing(struct ob_forward *f, size_t n, size_t k) {
    const struct ob_products *way = f->in_use.products;
    if (!way->packs || n * k < SMALL_ELEMENTS || n < 32 || k < 32)
        return false;
    size_t tiles = (n + way->tile_columns - 1) / way->tile_columns;
    return 2 * tiles * ob_pass_tile_bytes(f, way->tile_columns, k) <= f->in_use.packed_bytes;
}

/* Views [first, …) whose tiles fit the scratch together; never one half of a pair. */
static size_t views_at_once(const struct ob_pass *pass, const struct ob_step *step, size_t first,
                            size_t slot) {
    struct ob_forward *f = pass->forward;
    size_t most = (2 * f->tile_elements + OB_TILE_SLACK) / slot, left = pass->view_count - first;
    if (step->way->packs) {
        size_t tiles = (step->n + step->way->tile_columns - 1) / step->way->tile_columns;
        size_t room =
            f->in_use.packed_bytes / (tiles * ob_pass_tile_bytes(f, step->way->tile_columns, step->k));
        most = room < most ? room : most;
    }
    if (left <= most)
        return left;
    return pass->views[first + most].side == 1 ? most - 1 : most;
}

static void run_trained(const struct ob_pass *pass, struct ob_step *step, const struct tile *tile) {
    struct ob_operand operands[OB_VIEWS_MAX];
    size_t slot = (tile->count + 15) / 16 * 16;
    for (size_t view = 0; view < pass->view_count;) {
        size_t views = views_at_once(pass, step, view, slot);
        assert(views > 0);
        materialize(pass, tile, view, views, slot);
        for (size_t i = 0; i < views; i++)
            operands[i] = (struct ob_operand){.rows = step->targets ? pass->views[view + i].targets
                                                                    : pass->views[view + i].inputs,
                                              .values = pass->forward->tile + i * slot};
        if (step->way->packs)
            pack_step(pass, step, operands, views);
        step->operands = operands;
        step->operand_count = views;
        ob_multiply(pass, step);
        view += views;
    }
}

/* A trained bias: each view has its own. */
static void add_bias(const struct ob_pass *pass, const struct ob_row_block *block, void *context) {
    const struct ob_step *step = context;
    const float *bias = step->bias.values + block->view * step->bias.stride;
    for (size_t row = block->first; row < block->first + block->count; row++)
        ob_vector_add(pass->forward->loops, step->n, step->y + row * step->ldy, bias);
}

/* Products that round: the centre's rows first, then the others beside it. */
static void multiply_beside(const struct ob_pass *pass, struct ob_step *step, struct ob_operand *all) {
    const struct ob_view *centre = &pass->views[pass->view_count - 1];
    struct ob_vectors bias = step->bias;
    all->rows = step->targets ? centre->targets : centre->inputs;
    step->bias = bias.stride ? (struct ob_vectors){0} : bias;
    ob_multiply(pass, step);
    all->rows = (struct ob_span){.rows = all->rows.first};
    step->bias = (struct ob_vectors){0};
    step->beside = true;
    ob_multiply(pass, step);
    step->bias = bias;
    if (bias.stride)
        ob_pass_for_rows(pass, step->targets, 16, add_bias, step);
}

/* Rows of all views. */
static void multiply_frozen(const struct ob_pass *pass, struct ob_step *step, struct ob_operand *all) {
    step->operands = all;
    step->operand_count = 1;
    if (pass->has_centre && step->whole && !step->accumulate && step->way->terms == 1)
        multiply_beside(pass, step, all);
    else
        ob_multiply(pass, step);
}

static void run_frozen(const struct ob_pass *pass, struct ob_step *step, const struct tile *tile) {
    struct ob_operand all = {.rows = {.rows = step->targets ? pass->target_rows : pass->rows}};
    all.values = step->way->packs ? NULL : in_place(pass, tile);
    if (!all.values) {
        struct ob_view one = {0};
        struct ob_pass alone = *pass;
        alone.views = &one;
        alone.view_count = 1;
        materialize(&alone, tile, 0, 1, 0);
        all.values = pass->forward->tile;
    }
    if (step->way->packs)
        pack_step(pass, step, &all, 1);
    multiply_frozen(pass, step, &all);
}

static void run_step(const struct ob_pass *pass, struct ob_step *step, const struct tile *tile) {
    step->way = worth_packing(pass->forward, step->n, step->k) ? pass->forward->in_use.products
                                                               : &ob_products_float32;
    if (ob_pass_trained(pass, (int64_t)tile->tensor))
        run_trained(pass, step, tile);
    else
        run_frozen(pass, step, tile);
}

/* ---- tensors ---- */

static struct ob_vectors shift(struct ob_vectors bias, size_t columns) {
    bias.values = bias.values ? bias.values + columns : NULL;
    return bias;
}

static struct ob_step step_of(const struct ob_linear *l) {
    return (struct ob_step){.x = l->x,
                            .y = l->y,
                            .ldx = l->ldx,
                            .ldy = l->ldy,
                            .n = l->out,
                            .k = l->in,
                            .targets = l->targets,
                            .accumulate = l->accumulate};
}

/* (out, in): a tile is some rows, and makes some columns of y. */
static void multiply_output_major(const struct ob_pass *pass, const struct ob_linear *l, size_t tensor,
                                  struct ob_vectors bias) {
    size_t rows = pass->forward->tile_elements / l->in;
    for (size_t at = 0; at < l->out; at += rows) {
        struct ob_step step = step_of(l);
        step.n = l->out - at < rows ? l->out - at : rows;
        step.y += at;
        step.transposed = true;
        step.bias = shift(bias, at);
        step.whole = true;
        struct tile tile = {.tensor = tensor, .first = (uint64_t)at * l->in, .count = step.n * l->in};
        run_step(pass, &step, &tile);
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
                                 struct ob_vectors bias) {
    size_t rows = input_rows(pass->forward, l);
    for (size_t at = 0; at < l->in; at += rows) {
        struct ob_step step = step_of(l);
        step.k = l->in - at < rows ? l->in - at : rows;
        step.x += at;
        step.bias = at == 0 ? bias : (struct ob_vectors){0};
        step.accumulate = l->accumulate || at > 0;
        step.whole = step.k == l->in;
        struct tile tile = {.tensor = tensor, .first = (uint64_t)at * l->out, .count = step.k * l->out};
        run_step(pass, &step, &tile);
    }
}

static void multiply_packed(const struct ob_pass *pass, const struct ob_linear *l, const uint8_t *packed,
                            struct ob_vectors bias) {
    struct ob_operand all = {.rows = {.rows = l->targets ? pass->target_rows : pass->rows}, .packed = packed};
    struct ob_step step = step_of(l);
    step.way = pass->forward->in_use.products;
    step.bias = bias;
    step.whole = true;
    multiply_frozen(pass, &step, &all);
}

struct scale_job {
    float *low, factor;
    size_t rank;
};

static void scale_rows(const struct ob_pass *pass, const struct ob_row_block *block, void *context) {
    (void)pass;
    const struct scale_job *job = context;
    for (size_t i = block->first * job->rank; i < (block->first + block->count) * job->rank; i++)
        job->low[i] *= job->factor;
}

/* y += scale · (x · Aᵀ) · Bᵀ; `a` is A, and the next tensor B. */
static void add_adapter(const struct ob_pass *pass, const struct ob_linear *linear, size_t a) {
    const struct ob_forward *f = pass->forward;
    struct scale_job scale = {
        .low = f->low, .factor = f->config.adapter_scale, .rank = f->config.adapter_rank};
    struct ob_linear down = *linear, up = *linear;
    down.out = down.ldy = up.in = up.ldx = scale.rank;
    down.accumulate = false;
    up.accumulate = true;
    down.y = f->low;
    up.x = f->low;
    multiply_output_major(pass, &down, a, (struct ob_vectors){0});
    ob_pass_for_rows(pass, linear->targets, SIZE_MAX / 2, scale_rows, &scale);
    multiply_output_major(pass, &up, a + 1, (struct ob_vectors){0});
}

void ob_pass_linear(const struct ob_pass *pass, const struct ob_linear *linear) {
    const struct ob_forward *f = pass->forward;
    int64_t tensor = ob_model_slot(pass->source->model, linear->layer, linear->weight);
    assert(tensor >= 0);
    if (f->observer)
        f->observer(f->observer_context, (size_t)tensor, linear->x,
                    linear->targets ? pass->target_rows : pass->rows, linear->in, linear->ldx);
    struct ob_vectors bias = ob_pass_vectors(pass, linear->layer, linear->bias, linear->out, 1);
    const uint8_t *packed = ob_frozen_packed(pass, (size_t)tensor);
    if (packed)
        multiply_packed(pass, linear, packed, bias);
    else if (f->config.family->input_major)
        multiply_input_major(pass, linear, (size_t)tensor, bias);
    else
        multiply_output_major(pass, linear, (size_t)tensor, bias);
    const int64_t *adapters = pass->source->model->adapter_of;
    bool adapted = adapters && adapters[tensor] >= 0 && pass->source->weights;
    if (adapted && !ob_pass_add_small_adapter(pass, linear, (size_t)adapters[tensor]))
        add_adapter(pass, linear, (size_t)adapters[tensor]);
}

void ob_pass_logits(const struct ob_pass *pass, size_t tensor, const float *x, size_t first, size_t count,
                    ob_rows_fn finish, void *context) {
    struct ob_forward *f = pass->forward;
    size_t width = f->config.embedding_width;
    struct ob_step step = {.x = x,
                           .y = f->logits,
                           .ldx = width,
                           .ldy = count,
                           .n = count,
                           .k = width,
                           .transposed = true,
                           .targets = true,
                           .whole = f->config.logit_scale == 1.0f &&
                                    f->config.logit_softcap == 0, /* finish keeps y */
                           .finish = finish,
                           .context = context};
    const uint8_t *packed = ob_frozen_packed(pass, tensor);
    struct tile tile = {.tensor = tensor, .first = (uint64_t)first * width, .count = count * width};
    size_t columns = f->in_use.products->packs ? f->in_use.products->tile_columns : 1;
    if (!packed || first % columns != 0) {
        run_step(pass, &step, &tile);
        return;
    }
    struct ob_operand all = {.rows = {.rows = pass->target_rows},
                             .packed = packed + first / columns * ob_pass_tile_bytes(f, columns, width)};
    step.way = f->in_use.products;
    multiply_frozen(pass, &step, &all);
}
