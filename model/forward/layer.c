/* The parts of a layer, put together as the model's configuration says: which norms there are, whether the
 * feed-forward part reads the residual stream before or after attention is added to it. */
#include <assert.h>
#include <string.h>

#include "model/forward/pass.h"
#include "model/forward/vector.h"

static bool has(const struct ob_pass *pass, uint32_t layer, enum ob_slot slot) {
    return ob_model_slot(pass->source->model, layer, slot) >= 0;
}

/* Reads a vector of both lanes; false: the model has none. */
static bool read_vector(const struct ob_pass *pass, uint32_t layer, enum ob_slot slot, float *const to[2]) {
    int64_t tensor = ob_model_slot(pass->source->model, layer, slot);
    if (tensor >= 0)
        ob_source_read(pass->source, (size_t)tensor, 0, pass->forward->config.width, to);
    return tensor >= 0;
}

/* ---- norms ---- */

struct norm_job {
    const struct ob_pass *pass;
    const struct ob_norm *norm;
    bool has_weight, has_bias;
};

static void norm_row(void *context, size_t index, unsigned thread) {
    (void)thread;
    const struct norm_job *job = context;
    const struct ob_norm *norm = job->norm;
    const struct ob_model_config *c = &job->pass->forward->config;
    size_t lane = index / norm->count, row = index % norm->count, width = c->width;
    const struct ob_lane *buffers = &job->pass->forward->lanes[lane];
    float *x = norm->x[lane] + (norm->rows ? norm->rows[row] : row) * width;
    float *y = norm->y[lane] + row * width;
    if (!job->has_weight)
        memmove(y, x, width * sizeof *y);
    else
        ob_vector_norm(c->norm, c->norm_epsilon, width, x, buffers->a, job->has_bias ? buffers->b : NULL,
                       norm->add ? x : y);
    if (norm->add)
        ob_vector_add(width, y, x);
}

void ob_pass_norm(const struct ob_pass *pass, const struct ob_norm *norm) {
    struct ob_forward *f = pass->forward;
    float *const gains[2] = {f->lanes[0].a, f->lanes[1].a}, *const shifts[2] = {f->lanes[0].b, f->lanes[1].b};
    struct norm_job job = {.pass = pass, .norm = norm};
    job.has_weight = read_vector(pass, norm->layer, norm->weight, gains);
    job.has_bias = read_vector(pass, norm->layer, norm->bias, shifts);
    assert(!norm->add || (job.has_weight && !norm->rows));
    for (unsigned lane = 0; lane < pass->lanes && job.has_weight && f->config.zero_centered_gamma; lane++)
        for (size_t i = 0; i < f->config.width; i++)
            gains[lane][i] += 1.0f;
    ob_pool_run(f->pool, pass->lanes * norm->count, norm_row, &job);
}

static void norm(const struct ob_pass *pass, uint32_t layer, enum ob_slot weight, enum ob_slot bias,
                 float *const x[2], float *const y[2], bool add) {
    struct ob_norm job = {.layer = layer,
                          .weight = weight,
                          .bias = bias,
                          .x = {x[0], x[1]},
                          .y = {y[0], y[1]},
                          .count = pass->tokens,
                          .add = add};
    ob_pass_norm(pass, &job);
}

/* ---- products ---- */

/* The end of a part: its product is added to the residual stream x, after a norm of its own where there is
 * one. `linear` has weight, bias, in and x. */
static void add_residual(const struct ob_pass *pass, struct ob_linear linear, enum ob_slot after) {
    struct ob_forward *f = pass->forward;
    float *const x[2] = {f->lanes[0].x, f->lanes[1].x}, *const h[2] = {f->lanes[0].h, f->lanes[1].h};
    bool normed = has(pass, linear.layer, after);
    linear.out = linear.ldy = f->config.width;
    linear.ldx = linear.in;
    linear.rows = pass->tokens;
    linear.accumulate = !normed;
    for (unsigned lane = 0; lane < 2; lane++)
        linear.y[lane] = normed ? h[lane] : x[lane];
    ob_pass_linear(pass, &linear);
    if (normed)
        norm(pass, linear.layer, after, OB_SLOT_NONE, h, x, true);
}

/* ---- the token embedding ---- */

struct embedding {
    const struct ob_pass *pass;
    float *to[2]; /* (T, E) */
};

static void embed_token(void *context, size_t token, unsigned thread) {
    (void)thread;
    const struct embedding *job = context;
    const struct ob_pass *pass = job->pass;
    const struct ob_model_config *c = &pass->forward->config;
    size_t width = c->embedding_width;
    float *const rows[2] = {job->to[0] + token * width, job->to[1] + token * width};
    int64_t tensor = ob_model_slot(pass->source->model, 0, OB_SLOT_TOKENS);
    assert(pass->lanes == 1 || pass->lanes == 2);
    ob_source_read(pass->source, (size_t)tensor, (uint64_t)pass->forward->inputs[token] * width, width, rows);
    for (unsigned lane = 0; lane < pass->lanes && c->embedding_scale != 1.0f; lane++)
        for (size_t i = 0; i < width; i++)
            rows[lane][i] *= c->embedding_scale;
}

static void add_position(void *context, size_t token, unsigned thread) {
    (void)thread;
    const struct ob_pass *pass = context;
    const struct ob_forward *f = pass->forward;
    size_t width = f->config.width, at = token * width;
    float *const places[2] = {f->lanes[0].h + at, f->lanes[1].h + at};
    int64_t tensor = ob_model_slot(pass->source->model, 0, OB_SLOT_POSITIONS);
    uint64_t row = (uint64_t)f->positions[token] + f->config.position_offset;
    assert(pass->lanes == 1 || pass->lanes == 2);
    ob_source_read(pass->source, (size_t)tensor, row * width, width, places);
    for (unsigned lane = 0; lane < pass->lanes; lane++)
        ob_vector_add(width, f->lanes[lane].x + at, places[lane]);
}

void ob_pass_embed(const struct ob_pass *pass) {
    struct ob_forward *f = pass->forward;
    float *const x[2] = {f->lanes[0].x, f->lanes[1].x}, *const h[2] = {f->lanes[0].h, f->lanes[1].h};
    bool projects = has(pass, 0, OB_SLOT_PROJECT_IN);
    struct embedding job = {.pass = pass, .to = {projects ? h[0] : x[0], projects ? h[1] : x[1]}};
    assert(pass->lanes == 1 || pass->lanes == 2);
    ob_pool_run(f->pool, pass->tokens, embed_token, &job);
    struct ob_linear project = {.weight = OB_SLOT_PROJECT_IN,
                                .bias = OB_SLOT_NONE,
                                .in = f->config.embedding_width,
                                .out = f->config.width,
                                .x = {h[0], h[1]},
                                .y = {x[0], x[1]},
                                .ldx = f->config.embedding_width,
                                .ldy = f->config.width,
                                .rows = pass->tokens};
    if (projects)
        ob_pass_linear(pass, &project);
    struct ob_pass copy = *pass;
    if (has(pass, 0, OB_SLOT_POSITIONS))
        ob_pool_run(f->pool, pass->tokens, add_position, &copy);
}

/* ---- a layer ---- */

/* Queries, keys and values of the rows of `from` (T, C), fused or one by one. */
static void project_qkv(const struct ob_pass *pass, uint32_t layer, float *const from[2]) {
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
                                   .x = {from[0], from[1]},
                                   .y = {f->lanes[0].qkv + part->at, f->lanes[1].qkv + part->at},
                                   .ldx = c->width,
                                   .ldy = G,
                                   .rows = pass->tokens};
        ob_pass_linear(pass, &linear);
    }
}

static void activate_row(void *context, size_t index, unsigned thread) {
    (void)thread;
    const struct ob_pass *pass = context;
    const struct ob_forward *f = pass->forward;
    const struct ob_lane *lane = &f->lanes[index / pass->tokens];
    size_t width = f->config.ff_width, at = index % pass->tokens * width;
    if (!f->config.gated) {
        ob_vector_activate(f->config.activation, width, lane->up + at);
        return;
    }
    ob_vector_activate(f->config.activation, width, lane->gate + at);
    ob_vector_multiply(width, lane->up + at, lane->gate + at);
}

static void feed_forward(const struct ob_pass *pass, uint32_t layer, float *const from[2]) {
    struct ob_forward *f = pass->forward;
    size_t C = f->config.width, F = f->config.ff_width;
    struct ob_linear up = {.layer = layer,
                           .weight = OB_SLOT_UP,
                           .bias = OB_SLOT_UP_BIAS,
                           .in = C,
                           .out = F,
                           .x = {from[0], from[1]},
                           .y = {f->lanes[0].up, f->lanes[1].up},
                           .ldx = C,
                           .ldy = F,
                           .rows = pass->tokens},
                     gate = up;
    ob_pass_linear(pass, &up);
    gate.weight = OB_SLOT_GATE;
    gate.bias = OB_SLOT_GATE_BIAS;
    gate.y[0] = f->lanes[0].gate;
    gate.y[1] = f->lanes[1].gate;
    if (f->config.gated)
        ob_pass_linear(pass, &gate);
    struct ob_pass copy = *pass;
    ob_pool_run(f->pool, pass->lanes * pass->tokens, activate_row, &copy);
    struct ob_linear down = {
        .layer = layer, .weight = OB_SLOT_DOWN, .bias = OB_SLOT_DOWN_BIAS, .in = F, .x = {up.y[0], up.y[1]}};
    add_residual(pass, down, OB_SLOT_DOWN_NORM);
}

static void attend(const struct ob_pass *pass, uint32_t layer, float *const from[2]) {
    project_qkv(pass, layer, from);
    ob_pass_attention(pass, layer);
}

static void add_attention(const struct ob_pass *pass, uint32_t layer) {
    struct ob_forward *f = pass->forward;
    struct ob_linear out = {.layer = layer,
                            .weight = OB_SLOT_O,
                            .bias = OB_SLOT_O_BIAS,
                            .in = (size_t)f->config.heads * f->config.head_width,
                            .x = {f->lanes[0].attn_out, f->lanes[1].attn_out}};
    add_residual(pass, out, OB_SLOT_O_NORM);
}

void ob_pass_layer(const struct ob_pass *pass, uint32_t layer) {
    struct ob_forward *f = pass->forward;
    float *const x[2] = {f->lanes[0].x, f->lanes[1].x}, *const h[2] = {f->lanes[0].h, f->lanes[1].h};
    if (f->config.block == OB_BLOCK_POST_NORM) {
        attend(pass, layer, x);
        add_attention(pass, layer);
        norm(pass, layer, OB_SLOT_NORM1, OB_SLOT_NORM1_BIAS, x, x, false);
        feed_forward(pass, layer, x);
        norm(pass, layer, OB_SLOT_NORM2, OB_SLOT_NORM2_BIAS, x, x, false);
        return;
    }
    norm(pass, layer, OB_SLOT_NORM1, OB_SLOT_NORM1_BIAS, x, h, false);
    attend(pass, layer, h);
    if (f->config.block == OB_BLOCK_SEQUENTIAL)
        add_attention(pass, layer);
    norm(pass, layer, OB_SLOT_NORM2, OB_SLOT_NORM2_BIAS, x, h, false);
    if (f->config.block == OB_BLOCK_PARALLEL)
        add_attention(pass, layer);
    feed_forward(pass, layer, h);
}
