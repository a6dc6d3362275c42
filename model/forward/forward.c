#include "model/forward/forward.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/forward/blas.h"
#include "model/forward/in_use.h"
#include "model/forward/multiply.h"
#include "model/forward/products_float32.h"
#include "model/forward/vector.h"

#define TILE_ELEMENTS   ((size_t)5 << 18) /* 5 MiB of float32 for each side of a direction */
#define BESIDE_ELEMENTS ((size_t)1 << 16) /* 256 KiB of float32: a quarter of the second-level cache */
#define VOCABULARY_TILE 512               /* a multiple of the columns of a packed tile */
#define ALIGNMENT       64
#define SHARED_VIEWS    64 /* runs of sequences whose states are not kept */

static size_t larger(size_t a, size_t b) {
    return a > b ? a : b;
}

static size_t smaller(size_t a, size_t b) {
    return a < b ? a : b;
}

/* ---- the arena: sized in a first round (base NULL), handed out in a second ---- */

struct arena {
    uint8_t *base;
    size_t used;
};

static void *take(struct arena *arena, size_t count, size_t bytes) {
    void *place = arena->base ? arena->base + arena->used : NULL;
    arena->used += (count * bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    return place;
}

static void lay_out_rows(struct ob_forward *f, struct arena *arena) {
    const struct ob_model_config *c = &f->config;
    size_t R = f->rows_max, W = larger(c->width, c->embedding_width), F = c->ff_width;
    size_t HD = (size_t)c->heads * c->head_width, G = HD + 2 * (size_t)c->kv_heads * c->head_width;
    f->x = take(arena, R * W, sizeof(float));
    f->h = take(arena, R * W, sizeof(float));
    f->qkv = take(arena, R * G, sizeof(float));
    f->attn_out = take(arena, R * HD, sizeof(float));
    f->up = take(arena, R * F * (c->gated ? 2 : 1), sizeof(float));
    if (c->gated) {
        f->gate = f->up;
        f->up = arena->base ? f->gate + F : NULL;
    }
    f->low = c->adapter_rank ? take(arena, R * c->adapter_rank, sizeof(float)) : NULL;
    f->logits = take(arena, R * f->vocabulary_tile, sizeof(float));
    f->loss = take(arena, R, sizeof(double));
    f->row_max = take(arena, R, sizeof(double));
    f->row_sum = take(arena, R, sizeof(double));
    f->row_target = take(arena, R, sizeof(double));
}

static size_t position_count(const struct ob_forward *f) {
    return f->tokens_max < f->config.context ? f->tokens_max : f->config.context;
}

/* Rows of a RoPE table: LongRoPE's has a second set, when sequences may be so long. */
static size_t rope_rows(const struct ob_forward *f) {
    bool has_long =
        f->config.rope.scaling == OB_ROPE_LONG && (double)position_count(f) > f->config.rope.original_context;
    return position_count(f) * (has_long ? 2 : 1);
}

static size_t lay_out(struct ob_forward *f, uint8_t *base) {
    struct arena arena = {.base = base};
    size_t T = f->tokens_max, B = f->sequences_max, threads = ob_pool_threads(f->pool);
    lay_out_rows(f, &arena);
    f->tile = take(&arena, 2 * f->tile_elements + OB_TILE_SLACK, sizeof(float));
    f->vectors[0] = take(&arena, (f->views_max + 1) * f->vector_elements, sizeof(float));
    f->vectors[1] = take(&arena, (f->views_max + 1) * f->vector_elements, sizeof(float));
    f->scores = take(&arena, threads * OB_QUERY_BLOCK * OB_KEY_BLOCK, sizeof(float));
    f->running = take(&arena, threads * 2 * OB_QUERY_BLOCK, sizeof(float));
    f->beside = take(&arena, threads * f->beside_elements, sizeof(float));
    f->inputs = take(&arena, T, sizeof *f->inputs);
    f->positions = take(&arena, T, sizeof *f->positions);
    f->target_rows = take(&arena, T, sizeof *f->target_rows);
    f->targets = take(&arena, T, sizeof *f->targets);
    f->starts = take(&arena, B + 1, sizeof *f->starts);
    f->packed_of = take(&arena, B, sizeof *f->packed_of);
    f->targets_of = take(&arena, B + 1, sizeof *f->targets_of);
    f->views = take(&arena, f->views_max, sizeof *f->views);
    f->narrow = take(&arena, f->views_max, sizeof *f->narrow);
    f->kept = take(&arena, B, sizeof *f->kept);
    for (int kind = 0; kind < 2 && f->config.position == OB_POSITION_ROTARY; kind++) {
        f->rope[kind].cos = take(&arena, rope_rows(f) * f->config.rotary_width / 2, sizeof(float));
        f->rope[kind].sin = take(&arena, rope_rows(f) * f->config.rotary_width / 2, sizeof(float));
    }
    return arena.used;
}

static void fill_rope(struct ob_forward *f) {
    const struct ob_rope *const ropes[2] = {&f->config.rope, &f->config.rope_sliding};
    size_t half = f->config.rotary_width / 2, count = position_count(f);
    f->long_row = rope_rows(f) > count ? (uint32_t)count : 0;
    for (int kind = 0; kind < 2 && f->config.position == OB_POSITION_ROTARY; kind++) {
        float *cosines = f->rope[kind].cos, *sines = f->rope[kind].sin;
        ob_rope_fill(ropes[kind], half, count, false, cosines, sines);
        if (f->long_row > 0)
            ob_rope_fill(ropes[kind], half, count, true, cosines + count * half, sines + count * half);
    }
}

static size_t widest_of(const struct ob_model_config *c) {
    size_t HD = (size_t)c->heads * c->head_width, G = HD + 2 * (size_t)c->kv_heads * c->head_width;
    return larger(larger(larger(c->width, c->embedding_width), c->ff_width), G);
}

static void set_sizes(struct ob_forward *f, size_t tokens_max, size_t sequences_max) {
    const struct ob_model_config *c = &f->config;
    f->tokens_max = tokens_max;
    f->sequences_max = sequences_max;
    f->rows_max = 2 * tokens_max;
    f->views_max = smaller(2 * sequences_max, OB_VIEWS_MAX);
    f->widest = widest_of(c);
    f->vector_elements = (f->widest + 15) / 16 * 16;
    f->tile_elements = larger(TILE_ELEMENTS, f->widest);
    f->beside_elements = larger(BESIDE_ELEMENTS, OB_MULTIPLY_ROWS_MIN * f->widest);
    f->vocabulary_tile =
        smaller(smaller(f->tile_elements / c->embedding_width, VOCABULARY_TILE), c->vocabulary);
    if (f->vocabulary_tile > 256) /* of packed tiles whole ones */
        f->vocabulary_tile = f->vocabulary_tile / 256 * 256;
}

static struct ob_forward sized_for(const struct ob_model_config *config, size_t tokens_max,
                                   size_t sequences_max, struct ob_pool *pool) {
    struct ob_forward f = {
        .config = *config, .pool = pool, .in_use.products = &ob_products_float32, .loops = ob_vector_best()};
    set_sizes(&f, tokens_max, sequences_max);
    f.arena_bytes = lay_out(&f, NULL);
    return f;
}

size_t ob_forward_bytes_for(const struct ob_model_config *config, size_t tokens_max, size_t sequences_max,
                            struct ob_pool *pool) {
    return sized_for(config, tokens_max, sequences_max, pool).arena_bytes;
}

enum ob_err ob_forward_new(const struct ob_model_config *config, size_t tokens_max, size_t sequences_max,
                           struct ob_pool *pool, struct ob_forward **ret_forward, struct ob_error *error) {
    assert(tokens_max > 0 && sequences_max > 0);
    if (tokens_max > (size_t)1 << 24)
        return ob_fail(error, OB_ETOOBIG, "a mini-batch has %zu tokens; the maximum is 2^24", tokens_max);
    struct ob_forward *f = calloc(1, sizeof *f);
    if (!f)
        return ob_fail(error, OB_ENOMEM, "not enough memory for a forward pass");
    *f = sized_for(config, tokens_max, sequences_max, pool);
    f->rows_alike = ob_blas_rows_alike();
    f->arena = aligned_alloc(ALIGNMENT, f->arena_bytes);
    if (!f->arena) {
        size_t megabytes = f->arena_bytes >> 20;
        ob_forward_free(f);
        return ob_fail(error, OB_ENOMEM, "not enough memory for activations of %zu tokens (%zu MB)",
                       tokens_max, megabytes);
    }
    lay_out(f, f->arena);
    fill_rope(f);
    *ret_forward = f;
    return OB_OK;
}

void ob_forward_free(struct ob_forward *forward) {
    if (!forward)
        return;
    ob_in_use_close_all(forward);
    ob_prefix_free(forward->prefix);
    free(forward->arena);
    free(forward->shared_folder);
    free(forward);
}

enum ob_err ob_forward_use(struct ob_forward *forward, const struct ob_products *products,
                           struct ob_error *error) {
    return ob_in_use_take(forward, products, error);
}

enum ob_err ob_forward_use_named(struct ob_forward *forward, const char *name, struct ob_error *error) {
    const struct ob_products *products;
    enum ob_err failed = ob_products_find(name, &products, error);
    return failed ? failed : ob_forward_use(forward, products, error);
}

const struct ob_products *ob_forward_products(const struct ob_forward *forward) {
    return forward->in_use.products;
}

void ob_forward_keep_ways(struct ob_forward *forward, bool keep) {
    ob_in_use_keep(forward, keep);
}

void ob_forward_use_loops(struct ob_forward *forward, const struct ob_vector_loops *loops) {
    forward->loops = loops;
    forward->prefix_model = NULL;
}

void ob_forward_observe(struct ob_forward *forward, ob_inputs_fn see, void *context) {
    forward->observer = see;
    forward->observer_context = context;
}

void ob_forward_limit_layers(struct ob_forward *forward, uint32_t layers) {
    if (forward->layer_limit != layers)
        ob_in_use_drop_frozen(forward);
    forward->layer_limit = layers;
    forward->prefix_model = NULL;
}

enum ob_err ob_forward_keep_prefix(struct ob_forward *forward, size_t memory_bytes, const char *folder,
                                   size_t file_bytes, struct ob_error *error) {
    struct ob_prefix *prefix;
    enum ob_err failed =
        ob_prefix_new(forward->config.width, memory_bytes, folder, file_bytes, &prefix, error);
    if (failed)
        return failed;
    ob_prefix_free(forward->prefix);
    forward->prefix = prefix;
    forward->prefix_model = NULL;
    return OB_OK;
}

struct ob_prefix_counters ob_forward_prefix_counters(const struct ob_forward *forward) {
    return forward->prefix ? ob_prefix_counters(forward->prefix) : (struct ob_prefix_counters){0};
}

enum ob_err ob_forward_share_frozen(struct ob_forward *forward, const char *folder,
                                    const struct ob_hash *base, struct ob_error *error) {
    char *copy = strdup(folder);
    if (!copy)
        return ob_fail(error, OB_ENOMEM, "%s: out of memory", folder);
    ob_in_use_drop_frozen(forward);
    free(forward->shared_folder);
    forward->shared_folder = copy;
    forward->shared_base = *base;
    return OB_OK;
}

enum ob_err ob_forward_prepare(struct ob_forward *forward, const struct ob_weight_source *source,
                               struct ob_error *error) {
    return ob_frozen_prepare(forward, source, error);
}

size_t ob_forward_bytes(const struct ob_forward *forward) {
    return forward->arena_bytes + forward->in_use.packed_bytes +
           forward->in_use.staged_bytes * ob_pool_threads(forward->pool);
}

size_t ob_forward_frozen_bytes(const struct ob_forward *forward) {
    return forward->in_use.frozen.bytes;
}

/* ---- a whole pass ---- */

static enum ob_err check_batch(const struct ob_forward *f, const struct ob_batch *batch,
                               struct ob_error *error) {
    if (batch->tokens_used == 0 || batch->tokens_used > f->tokens_max || batch->sequences > f->sequences_max)
        return ob_fail(error, OB_ETOOBIG,
                       "a mini-batch has %zu sequences and %zu tokens; the maximum is %zu and %zu",
                       batch->sequences, batch->tokens_used, f->sequences_max, f->tokens_max);
    for (size_t s = 0; s < batch->sequences; s++) {
        size_t count = batch->offsets[s + 1] - batch->offsets[s];
        if (count > f->config.context)
            return ob_fail(error, OB_ETOOBIG, "a sequence has %zu tokens; the model's context is %u", count,
                           f->config.context);
    }
    for (size_t i = 0; i < batch->tokens_used; i++)
        if (batch->tokens[i] < 0 || (uint32_t)batch->tokens[i] >= f->config.vocabulary)
            return ob_fail(error, OB_EFORMAT,
                           "token %d is outside the model's vocabulary of %u; use the model's own tokenizer",
                           batch->tokens[i], f->config.vocabulary);
    return OB_OK;
}

/* ---- views ---- */

/* The packed sequences of the batch's [first, first + count) that have targets; false: there are none. */
static bool packed_range(const struct ob_forward *f, size_t first, size_t count, size_t *ret_from,
                         size_t *ret_to) {
    bool any = false;
    for (size_t s = first; s < first + count; s++) {
        if (f->targets_of[s + 1] == f->targets_of[s])
            continue;
        *ret_from = any ? *ret_from : f->packed_of[s];
        *ret_to = f->packed_of[s] + 1;
        any = true;
    }
    return any;
}

/* Adds the views of a part; false if they no longer fit. */
static bool add_part(struct ob_pass *pass, const struct ob_forward_part *part) {
    struct ob_forward *f = pass->forward;
    size_t from = 0, to = 0, sides = part->key && !part->one_sided ? 2 : 1;
    (void)packed_range(f, part->first_sequence, part->sequences, &from, &to);
    size_t rows = f->starts[to] - f->starts[from], first_target = f->targets_of[part->first_sequence];
    size_t targets = f->targets_of[part->first_sequence + part->sequences] - first_target;
    if (pass->view_count + sides > f->views_max || pass->rows + sides * rows > f->rows_max ||
        pass->target_rows + sides * targets > f->rows_max)
        return false;
    for (unsigned side = 0; side < sides; side++) {
        f->views[pass->view_count++] = (struct ob_view){.key = part->key,
                                                        .side = side,
                                                        .paired = sides == 2,
                                                        .inputs = {pass->rows, rows},
                                                        .targets = {pass->target_rows, targets},
                                                        .first_input = f->starts[from],
                                                        .first_target = first_target,
                                                        .first_sequence = from,
                                                        .sequences = to - from};
        pass->rows += rows;
        pass->target_rows += targets;
    }
    return true;
}

/* Rows of the layers that all views share become each view's own; h is free. */
static void spread_rows(const struct ob_pass *pass, const struct ob_row_block *block, void *context) {
    (void)context;
    const struct ob_forward *f = pass->forward;
    const struct ob_view *view = &pass->views[block->view];
    size_t width = f->config.width, from = view->first_input + block->first - view->inputs.first;
    memcpy(f->x + block->first * width, f->h + from * width, block->count * width * sizeof *f->x);
}

/* Looks up the states of all packed sequences. */
static void look_up(const struct ob_pass *pass, uint32_t layers) {
    struct ob_forward *f = pass->forward;
    bool keeps = f->prefix && layers > 0;
    if (keeps && (f->prefix_model != pass->source->model || f->prefix_layers != layers)) {
        ob_prefix_clear(f->prefix);
        f->prefix_model = pass->source->model;
        f->prefix_layers = layers;
    }
    for (size_t s = 0; s < pass->sequences; s++) {
        const int32_t *tokens = f->inputs + f->starts[s];
        f->kept[s] = keeps ? ob_prefix_get(f->prefix, tokens, f->starts[s + 1] - f->starts[s],
                                           f->positions[f->starts[s]])
                           : NULL;
    }
}

/* One view for each run of sequences whose states are not kept; ret_rows: of all of them. */
static size_t views_to_compute(const struct ob_pass *pass, struct ob_view *views, size_t room,
                               size_t *ret_rows) {
    const struct ob_forward *f = pass->forward;
    size_t count = 0, rows = 0;
    for (size_t s = 0; s < pass->sequences; s++) {
        if (f->kept[s])
            continue;
        size_t some = f->starts[s + 1] - f->starts[s];
        bool goes_on = s > 0 && !f->kept[s - 1];
        if (!goes_on && count == room)
            return SIZE_MAX;
        if (!goes_on)
            views[count++] =
                (struct ob_view){.inputs = {.first = rows}, .first_input = f->starts[s], .first_sequence = s};
        views[count - 1].inputs.rows += some;
        views[count - 1].sequences++;
        rows += some;
    }
    *ret_rows = rows;
    return count;
}

/* Copies what was computed into x to its place in h, and caches it. */
static void collect(const struct ob_pass *pass, uint32_t layers, const struct ob_view *views, size_t count) {
    struct ob_forward *f = pass->forward;
    size_t width = f->config.width;
    for (size_t v = 0; v < count; v++) {
        const float *states = f->x + views[v].inputs.first * width;
        memcpy(f->h + views[v].first_input * width, states, views[v].inputs.rows * width * sizeof *states);
    }
    for (size_t s = 0; s < pass->sequences; s++) {
        size_t first = f->starts[s], rows = f->starts[s + 1] - first;
        float *states = f->h + first * width;
        if (f->kept[s])
            memcpy(states, f->kept[s], rows * width * sizeof *states);
        else if (f->prefix && layers > 0)
            ob_prefix_put(f->prefix, f->inputs + first, rows, f->positions[first], states);
    }
}

/* The embedding and layers [first, layers) for every input once, or from what is kept; then each view's rows. */
static void run_shared(const struct ob_pass *pass, uint32_t first, uint32_t layers) {
    struct ob_forward *f = pass->forward;
    struct ob_view views[SHARED_VIEWS];
    struct ob_pass shared = *pass;
    shared.has_centre = false;
    shared.apart = !f->rows_alike; /* what is kept is what would be computed anew */
    look_up(pass, layers);
    size_t count = views_to_compute(pass, views, SHARED_VIEWS, &shared.rows);
    if (count == SIZE_MAX) { /* too scattered: compute everything */
        memset(f->kept, 0, pass->sequences * sizeof *f->kept);
        count = views_to_compute(pass, views, SHARED_VIEWS, &shared.rows);
    }
    shared.views = views;
    shared.view_count = count;
    if (count > 0) {
        ob_pass_embed(&shared);
        for (uint32_t layer = first; layer < layers; layer++)
            ob_pass_layer(&shared, layer);
    }
    collect(pass, layers, views, count);
    ob_pass_for_rows(pass, false, 64, spread_rows, NULL);
}

static void run_layers(struct ob_pass *pass) {
    struct ob_layers layers = ob_pass_layers(pass);
    uint32_t layer = layers.first;
    int64_t shared = pass->view_count > 1 ? ob_pass_frozen_layers(pass) : -1;
    if (shared >= 0) {
        layer = (uint32_t)shared < layers.end ? (uint32_t)shared : layers.end;
        run_shared(pass, layers.first, layer);
    } else {
        ob_pass_embed(pass);
    }
    for (; layer < layers.end; layer++) {
        ob_pass_layer_attention(pass, layer);
        if (layer + 1 == layers.end)
            ob_pass_narrow(pass);
        ob_pass_layer_rows(pass, layer);
    }
}

/* ---- losses ---- */

/* Is the last view w, over the inputs and targets of all others? */
static bool is_centre(const struct ob_pass *pass) {
    if (pass->view_count < 2 || pass->views[pass->view_count - 1].key)
        return false;
    const struct ob_view *centre = &pass->views[pass->view_count - 1];
    for (const struct ob_view *v = pass->views; v < centre; v++)
        if (v->first_input < centre->first_input ||
            v->first_input + v->inputs.rows > centre->first_input + centre->inputs.rows ||
            v->first_target < centre->first_target ||
            v->first_target + v->targets.rows > centre->first_target + centre->targets.rows)
            return false;
    return true;
}

/* Parts [first, …) that fit together; returns how many. */
static size_t add_parts(struct ob_pass *pass, const struct ob_forward_part *parts, size_t count) {
    pass->views = pass->forward->views;
    pass->view_count = pass->rows = pass->target_rows = 0;
    pass->is_narrow = pass->has_centre = false;
    size_t added = 0;
    while (added < count && add_part(pass, &parts[added]))
        added++;
    pass->has_centre = pass->forward->in_use.products->terms == 1 && is_centre(pass);
    return added;
}

/* Sums of one view's losses by sequence of the batch. */
static void sum_view(const struct ob_pass *pass, const struct ob_view *view,
                     const struct ob_forward_part *part, double *ret_sums, uint32_t *ret_counts) {
    const struct ob_forward *f = pass->forward;
    const double *losses = f->loss + view->targets.first;
    for (size_t s = 0; s < part->sequences; s++) {
        size_t sequence = part->first_sequence + s;
        ret_sums[s] = 0;
        ret_counts[s] = f->targets_of[sequence + 1] - f->targets_of[sequence];
        for (size_t i = f->targets_of[sequence]; i < f->targets_of[sequence + 1]; i++)
            ret_sums[s] += losses[i - view->first_target];
    }
}

/* Runs some parts that fit and writes what they sum up to; returns how many values. */
static size_t run_parts(struct ob_pass *pass, const struct ob_forward_part *parts, size_t count,
                        double *ret_sums, uint32_t *ret_counts) {
    if (pass->target_rows > 0) {
        run_layers(pass);
        ob_pass_head(pass, NULL);
    }
    size_t at = 0, view = 0;
    for (size_t i = 0; i < count; i++)
        for (size_t sides = pass->views[view].paired ? 2 : 1; sides > 0; sides--, view++) {
            sum_view(pass, &pass->views[view], &parts[i], ret_sums + at, ret_counts + at);
            at += parts[i].sequences;
        }
    return at;
}

enum ob_err ob_forward_parts(struct ob_forward *forward, const struct ob_weight_source *source,
                             const struct ob_batch *batch, const struct ob_forward_part *parts,
                             size_t part_count, double *ret_sums, uint32_t *ret_counts,
                             struct ob_error *error) {
    enum ob_err failed = check_batch(forward, batch, error);
    if (!failed)
        failed = ob_frozen_prepare(forward, source, error);
    if (failed)
        return failed;
    struct ob_pass pass = {.forward = forward, .source = source};
    ob_pass_pack(&pass, batch);
    for (size_t first = 0, at = 0; first < part_count;) {
        size_t count = add_parts(&pass, parts + first, part_count - first);
        if (count == 0)
            return ob_fail(error, OB_ETOOBIG, "part %zu of a mini-batch has too many tokens", first);
        at += run_parts(&pass, parts + first, count, ret_sums + at, ret_counts + at);
        first += count;
    }
    return OB_OK;
}

/* The whole batch as one part. */
static struct ob_forward_part whole(const struct ob_weight_source *source, const struct ob_batch *batch) {
    return (struct ob_forward_part){.key = source->weights ? source->key : NULL,
                                    .sequences = batch->sequences};
}

static enum ob_err run_losses(struct ob_forward *forward, const struct ob_weight_source *source,
                              const struct ob_batch *batch, struct ob_pass *ret_pass,
                              struct ob_error *error) {
    enum ob_err failed = check_batch(forward, batch, error);
    if (!failed)
        failed = ob_frozen_prepare(forward, source, error);
    if (failed)
        return failed;
    struct ob_pass pass = {.forward = forward, .source = source};
    struct ob_forward_part part = whole(source, batch);
    ob_pass_pack(&pass, batch);
    if (pass.target_count == 0)
        return ob_fail(error, OB_EFORMAT, "the mini-batch has no target token");
    size_t added = add_parts(&pass, &part, 1);
    assert(added == 1); /* rows_max is twice the batch */
    (void)added;
    run_layers(&pass);
    ob_pass_head(&pass, NULL);
    *ret_pass = pass;
    return OB_OK;
}

enum ob_err ob_forward_losses(struct ob_forward *forward, const struct ob_weight_source *source,
                              const struct ob_batch *batch, double *ret_losses, struct ob_error *error) {
    struct ob_pass pass;
    enum ob_err failed = run_losses(forward, source, batch, &pass, error);
    for (size_t lane = 0; !failed && lane < pass.view_count; lane++) {
        double sum = 0;
        for (size_t row = 0; row < pass.target_count; row++)
            sum += forward->loss[pass.views[lane].targets.first + row];
        ret_losses[lane] = sum / (double)pass.target_count;
    }
    return failed;
}

enum ob_err ob_forward_sequence_losses(struct ob_forward *forward, const struct ob_weight_source *source,
                                       const struct ob_batch *batch, double *ret_sums, uint32_t *ret_counts,
                                       struct ob_error *error) {
    struct ob_pass pass;
    enum ob_err failed = run_losses(forward, source, batch, &pass, error);
    struct ob_forward_part part = whole(source, batch);
    for (size_t lane = 0; !failed && lane < pass.view_count; lane++)
        sum_view(&pass, &pass.views[lane], &part, ret_sums + lane * batch->sequences, ret_counts);
    return failed;
}

enum ob_err ob_forward_logits(struct ob_forward *forward, const struct ob_weight_source *source,
                              const struct ob_batch *batch, size_t position, float *ret_logits,
                              struct ob_error *error) {
    enum ob_err failed = check_batch(forward, batch, error);
    if (!failed)
        failed = ob_frozen_prepare(forward, source, error);
    if (failed)
        return failed;
    assert(position < batch->tokens_used);
    struct ob_pass pass = {.forward = forward, .source = source};
    ob_pass_pack_until(&pass, batch, position);
    struct ob_view all = {.key = source->weights ? source->key : NULL,
                          .inputs = {0, pass.tokens},
                          .targets = {0, 1},
                          .sequences = pass.sequences};
    pass.views = &all;
    pass.view_count = 1;
    pass.rows = pass.tokens;
    pass.target_rows = 1;
    run_layers(&pass);
    ob_pass_head(&pass, ret_logits);
    return OB_OK;
}
