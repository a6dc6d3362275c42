/* The parts of a layer, put together as the model's configuration says: which norms there are, whether the
 * feed-forward part reads the residual stream before or after attention is added to it. */
#include <assert.h>
#include <string.h>

#include "model/forward/pass.h"
#include "model/forward/vector.h"

#define NORM_ROWS 16 /* of an item of work between the products */

static bool has(const struct ob_pass *pass, uint32_t layer, enum ob_slot slot) {
    return ob_model_slot(pass->source->model, layer, slot) >= 0;
}

/* ---- norms ---- */

struct norm_job {
    const struct ob_norm *norm;
    struct ob_vectors gain, shift;
};

static void norm_rows(const struct ob_pass *pass, const struct ob_row_block *block, void *context) {
    const struct norm_job *job = context;
    const struct ob_norm *norm = job->norm;
    const struct ob_forward *f = pass->forward;
    const struct ob_model_config *c = &f->config;
    const struct ob_view *view = &pass->views[block->view];
    const float *gain = job->gain.values ? job->gain.values + block->view * job->gain.stride : NULL;
    const float *shift = job->shift.values ? job->shift.values + block->view * job->shift.stride : NULL;
    size_t width = c->width;
    for (size_t row = block->first; row < block->first + block->count; row++) {
        size_t from = row;
        if (norm->gather) {
            size_t target = view->first_target + row - view->targets.first;
            from = pass->is_narrow ? row : view->inputs.first + f->target_rows[target] - view->first_input;
        }
        float *x = norm->x + from * width, *y = norm->y + row * width;
        if (!job->gain.values)
            memmove(y, x, width * sizeof *y);
        else
            ob_vector_norm(f->loops, c->norm, c->norm_epsilon, width, x, gain, shift, norm->add ? x : y);
        if (norm->add)
            ob_vector_add(f->loops, width, y, x);
    }
}

/* Gains of a norm that are stored as what they differ from one by. */
static void add_one(const struct ob_pass *pass, struct ob_vectors gain, size_t count) {
    float *values = pass->forward->vectors[0];
    for (size_t view = 0; view < (gain.stride ? pass->view_count : 1); view++)
        for (size_t i = 0; i < count; i++)
            values[view * gain.stride + i] += 1.0f;
}

void ob_pass_norm(const struct ob_pass *pass, const struct ob_norm *norm) {
    struct ob_forward *f = pass->forward;
    size_t width = f->config.width;
    struct norm_job job = {.norm = norm};
    job.gain = ob_pass_vectors(pass, norm->layer, norm->weight, width, 0);
    job.shift = ob_pass_vectors(pass, norm->layer, norm->bias, width, 1);
    assert(!norm->add || (job.gain.values && !norm->gather));
    if (job.gain.values && f->config.zero_centered_gamma)
        add_one(pass, job.gain, width);
    ob_pass_for_rows(pass, norm->gather, NORM_ROWS, norm_rows, &job);
}

static void norm(const struct ob_pass *pass, uint32_t layer, enum ob_slot weight, enum ob_slot bias, float *x,
                 float *y) {
    struct ob_norm job = {.layer = layer, .weight = weight, .bias = bias, .x = x, .y = y};
    ob_pass_norm(pass, &job);
}

/* ---- products ---- */

/* x += residual_scale · h */
static void add_scaled_rows(const struct ob_pass *pass, const struct ob_row_block *block, void *context) {
    (void)context;
    const struct ob_forward *f = pass->forward;
    size_t width = f->config.width, at = block->first * width;
    ob_vector_add_times(f->loops, block->count * width, f->config.residual_scale, f->h + at, f->x + at);
}

/* The end of a part: its product is added to the residual stream x, after a norm of its own where there is
 * one. `linear` has layer, weight, bias, in, x and ldx. */
static void add_residual(const struct ob_pass *pass, struct ob_linear linear, enum ob_slot after) {
    struct ob_forward *f = pass->forward;
    bool normed = has(pass, linear.layer, after);
    bool beside = pass->has_centre && f->config.block != OB_BLOCK_PARALLEL; /* which needs h once more */
    bool apart = normed || beside || f->config.residual_scale != 1.0f;
    linear.out = linear.ldy = f->config.width;
    linear.accumulate = !apart;
    linear.y = apart ? f->h : f->x;
    ob_pass_linear(pass, &linear);
    struct ob_norm norm = {
        .layer = linear.layer, .weight = after, .bias = OB_SLOT_NONE, .x = f->h, .y = f->x, .add = true};
    if (normed)
        ob_pass_norm(pass, &norm);
    else if (apart)
        ob_pass_for_rows(pass, false, NORM_ROWS, add_scaled_rows, NULL);
}

/* ---- the token embedding ---- */

struct embedding {
    float *to; /* (R, E) */
};

/* Rows of a paired view come with those of its other side. */
static void embed_rows(const struct ob_pass *pass, const struct ob_row_block *block, void *context) {
    const struct embedding *job = context;
    const struct ob_forward *f = pass->forward;
    const struct ob_view *view = &pass->views[block->view];
    size_t width = f->config.embedding_width,
           tensor = (size_t)ob_model_slot(pass->source->model, 0, OB_SLOT_TOKENS);
    bool trained = ob_pass_trained(pass, (int64_t)tensor), both = trained && view->paired;
    if (both && view->side == 1)
        return;
    for (size_t row = block->first; row < block->first + block->count; row++) {
        int32_t token = f->inputs[view->first_input + row - view->inputs.first];
        float *to = job->to + row * width;
        float *const rows[2] = {to, to + view->inputs.rows * width};
        ob_pass_read(pass, block->view, tensor, (uint64_t)token * width, width, rows);
        for (int side = 0; side < (both ? 2 : 1) && f->config.embedding_scale != 1.0f; side++)
            for (size_t i = 0; i < width; i++)
                rows[side][i] *= f->config.embedding_scale;
    }
}

static void add_positions(const struct ob_pass *pass, const struct ob_row_block *block, void *context) {
    (void)context;
    const struct ob_forward *f = pass->forward;
    const struct ob_view *view = &pass->views[block->view];
    size_t width = f->config.width, tensor = (size_t)ob_model_slot(pass->source->model, 0, OB_SLOT_POSITIONS);
    bool both = ob_pass_trained(pass, (int64_t)tensor) && view->paired;
    if (both && view->side == 1)
        return;
    for (size_t row = block->first; row < block->first + block->count; row++) {
        size_t input = view->first_input + row - view->inputs.first;
        uint64_t position = (uint64_t)f->positions[input] + f->config.position_offset;
        float *const places[2] = {f->h + row * width, f->h + (row + view->inputs.rows) * width};
        ob_pass_read(pass, block->view, tensor, position * width, width, places);
        ob_vector_add(f->loops, width, f->x + row * width, places[0]);
        if (both)
            ob_vector_add(f->loops, width, f->x + (row + view->inputs.rows) * width, places[1]);
    }
}

void ob_pass_embed(const struct ob_pass *pass) {
    struct ob_forward *f = pass->forward;
    bool projects = has(pass, 0, OB_SLOT_PROJECT_IN);
    struct embedding job = {.to = projects ? f->h : f->x};
    struct ob_linear project = {.weight = OB_SLOT_PROJECT_IN,
                                .bias = OB_SLOT_NONE,
                                .in = f->config.embedding_width,
                                .out = f->config.width,
                                .x = f->h,
                                .y = f->x,
                                .ldx = f->config.embedding_width,
                                .ldy = f->config.width};
    ob_pass_for_rows(pass, false, NORM_ROWS, embed_rows, &job);
    if (projects)
        ob_pass_linear(pass, &project);
    if (has(pass, 0, OB_SLOT_POSITIONS))
        ob_pass_for_rows(pass, false, NORM_ROWS, add_positions, NULL);
}

/* ---- a layer ---- */

/* Queries, keys and values of the rows of `from` (T, C), fused or one by one. */
static void project_qkv(const struct ob_pass *pass, uint32_t layer, const float *from) {
    struct ob_forward *f = pass->forward;
    const struct ob_model_config *c = &f->config;
    size_t HD = (size_t)c->heads * c->head_width, KD = (size_t)c->kv_heads * c->head_width, G = HD + 2 * KD;
    const struct part {
        enum ob_slot weight, bias;
        size_t out, at;
    } parts[] = {{OB_SLOT_QKV, OB_SLOT_QKV_BIAS, G, 0},
                 {OB_SLOT_Q, OB_SLOT_Q_BIAS, HD, 0},
                 {OB_SLOT_K, OB_SLOT_K_BIAS, KD, HD},
                 {OB_SLOT_V, OB_SLOT_V_BIAS, KD, HD + KD}};
    bool fused = has(pass, layer, OB_SLOT_QKV);
    for (const struct part *part = fused ? parts : parts + 1; part < (fused ? parts + 1 : parts + 4);
         part++) {
        struct ob_linear linear = {.layer = layer,
                                   .weight = part->weight,
                                   .bias = part->bias,
                                   .in = c->width,
                                   .out = part->out,
                                   .x = from,
                                   .y = f->qkv + part->at,
                                   .ldx = c->width,
                                   .ldy = G};
        ob_pass_linear(pass, &linear);
    }
}

/* How far rows of the feed-forward part's buffers are apart. */
static size_t ff_stride(const struct ob_model_config *c) {
    return (size_t)c->ff_width * (c->gated ? 2 : 1);
}

static void activate_rows(const struct ob_pass *pass, const struct ob_row_block *block, void *context) {
    (void)context;
    const struct ob_forward *f = pass->forward;
    size_t width = f->config.ff_width, stride = ff_stride(&f->config);
    if (!f->config.gated) {
        ob_vector_activate(f->loops, f->config.activation, block->count * width,
                           f->up + block->first * width);
        return;
    }
    for (size_t row = block->first; row < block->first + block->count; row++) {
        ob_vector_activate(f->loops, f->config.activation, width, f->gate + row * stride);
        ob_vector_multiply(f->loops, width, f->up + row * stride, f->gate + row * stride);
    }
}

/* Gate and up of the rows of `from` (R, C), fused or one by one. */
static void project_up(const struct ob_pass *pass, uint32_t layer, const float *from) {
    struct ob_forward *f = pass->forward;
    size_t C = f->config.width, F = f->config.ff_width;
    struct ob_linear linear = {.layer = layer,
                               .weight = OB_SLOT_UP,
                               .bias = OB_SLOT_UP_BIAS,
                               .in = C,
                               .out = F,
                               .x = from,
                               .y = f->up,
                               .ldx = C,
                               .ldy = ff_stride(&f->config)};
    bool fused = has(pass, layer, OB_SLOT_GATE_UP);
    if (!fused)
        ob_pass_linear(pass, &linear);
    if (!f->config.gated)
        return;
    linear.weight = fused ? OB_SLOT_GATE_UP : OB_SLOT_GATE;
    linear.bias = fused ? OB_SLOT_NONE : OB_SLOT_GATE_BIAS;
    linear.out = fused ? 2 * F : F;
    linear.y = f->gate;
    ob_pass_linear(pass, &linear);
}

static void feed_forward(const struct ob_pass *pass, uint32_t layer, const float *from) {
    struct ob_forward *f = pass->forward;
    project_up(pass, layer, from);
    ob_pass_for_rows(pass, false, NORM_ROWS, activate_rows, NULL);
    struct ob_linear down = {.layer = layer,
                             .weight = OB_SLOT_DOWN,
                             .bias = OB_SLOT_DOWN_BIAS,
                             .in = f->config.ff_width,
                             .x = f->up,
                             .ldx = ff_stride(&f->config)};
    add_residual(pass, down, OB_SLOT_DOWN_NORM);
}

static void attend(const struct ob_pass *pass, uint32_t layer, const float *from) {
    project_qkv(pass, layer, from);
    ob_pass_attention(pass, layer);
}

static void add_attention(const struct ob_pass *pass, uint32_t layer) {
    struct ob_forward *f = pass->forward;
    struct ob_linear out = {.layer = layer,
                            .weight = OB_SLOT_O,
                            .bias = OB_SLOT_O_BIAS,
                            .in = (size_t)f->config.heads * f->config.head_width,
                            .x = f->attn_out,
                            .ldx = (size_t)f->config.heads * f->config.head_width};
    add_residual(pass, out, OB_SLOT_O_NORM);
}

void ob_pass_layer_attention(const struct ob_pass *pass, uint32_t layer) {
    struct ob_forward *f = pass->forward;
    bool before = f->config.block != OB_BLOCK_POST_NORM;
    if (before)
        norm(pass, layer, OB_SLOT_NORM1, OB_SLOT_NORM1_BIAS, f->x, f->h);
    attend(pass, layer, before ? f->h : f->x);
}

void ob_pass_layer_rows(const struct ob_pass *pass, uint32_t layer) {
    struct ob_forward *f = pass->forward;
    if (f->config.block == OB_BLOCK_POST_NORM) {
        add_attention(pass, layer);
        norm(pass, layer, OB_SLOT_NORM1, OB_SLOT_NORM1_BIAS, f->x, f->x);
        feed_forward(pass, layer, f->x);
        norm(pass, layer, OB_SLOT_NORM2, OB_SLOT_NORM2_BIAS, f->x, f->x);
        return;
    }
    if (f->config.block == OB_BLOCK_SEQUENTIAL)
        add_attention(pass, layer);
    norm(pass, layer, OB_SLOT_NORM2, OB_SLOT_NORM2_BIAS, f->x, f->h);
    if (f->config.block == OB_BLOCK_PARALLEL)
        add_attention(pass, layer);
    feed_forward(pass, layer, f->h);
}

void ob_pass_layer(const struct ob_pass *pass, uint32_t layer) {
    ob_pass_layer_attention(pass, layer);
    ob_pass_layer_rows(pass, layer);
}
