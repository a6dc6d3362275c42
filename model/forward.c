#include "model/forward.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/pass.h"
#include "model/vector.h"

#define TILE_ELEMENTS   ((size_t)5 << 18) /* 5 MiB of float32 for each lane */
#define VOCABULARY_TILE 512
#define ALIGNMENT       64

static size_t larger(size_t a, size_t b) {
    return a > b ? a : b;
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

static void lay_out_lane(struct ob_forward *f, struct ob_lane *lane, struct arena *arena) {
    const struct ob_model_config *c = &f->config;
    size_t T = f->tokens_max, C = c->width, F = c->ff_width;
    size_t HD = (size_t)c->heads * c->head_width, G = HD + 2 * (size_t)c->kv_heads * c->head_width;
    size_t vector = larger(larger(C, G), F);
    lane->x = take(arena, T * C, sizeof(float));
    lane->h = take(arena, T * larger(C, HD), sizeof(float));
    lane->qkv = take(arena, T * G, sizeof(float));
    lane->mixed = take(arena, T * HD, sizeof(float));
    lane->up = take(arena, T * F, sizeof(float));
    lane->gate = c->gated ? take(arena, T * F, sizeof(float)) : NULL;
    lane->logits = take(arena, T * f->vocabulary_tile, sizeof(float));
    lane->tile = take(arena, f->tile_elements, sizeof(float));
    lane->a = take(arena, vector, sizeof(float));
    lane->b = take(arena, vector, sizeof(float));
    lane->loss = take(arena, T, sizeof(double));
}

static size_t position_count(const struct ob_forward *f) {
    return f->tokens_max < f->config.context ? f->tokens_max : f->config.context;
}

static size_t lay_out(struct ob_forward *f, uint8_t *base) {
    struct arena arena = {.base = base};
    size_t T = f->tokens_max;
    lay_out_lane(f, &f->lanes[0], &arena);
    lay_out_lane(f, &f->lanes[1], &arena);
    f->scores = take(&arena, ob_pool_threads(f->pool) * OB_QUERY_BLOCK * T, sizeof(float));
    f->rows = take(&arena, T, sizeof *f->rows);
    f->targets = take(&arena, T, sizeof *f->targets);
    f->positions = take(&arena, T, sizeof *f->positions);
    f->row_max = take(&arena, 2 * T, sizeof(double));
    f->row_sum = take(&arena, 2 * T, sizeof(double));
    f->row_target = take(&arena, 2 * T, sizeof(double));
    if (f->config.position == OB_POSITION_ROTARY) {
        f->cosines = take(&arena, position_count(f) * f->config.head_width / 2, sizeof(float));
        f->sines = take(&arena, position_count(f) * f->config.head_width / 2, sizeof(float));
    }
    return arena.used;
}

/* angle(p, i) = p · theta^(-2i/D) (Su et al. 2021) */
static void fill_rotary(struct ob_forward *f) {
    size_t half = f->config.head_width / 2;
    for (size_t p = 0; p < position_count(f); p++)
        for (size_t i = 0; i < half; i++) {
            float frequency = (float)(1.0 / pow((double)f->config.rope_theta, (double)i / (double)half));
            float angle = (float)p * frequency;
            f->cosines[p * half + i] = (float)cos((double)angle);
            f->sines[p * half + i] = (float)sin((double)angle);
        }
}

enum ob_err ob_forward_new(const struct ob_model_config *config, size_t tokens_max, size_t sequences_max,
                           struct ob_pool *pool, struct ob_forward **ret_forward, struct ob_error *error) {
    assert(tokens_max > 0 && sequences_max > 0);
    if (tokens_max > (size_t)1 << 24)
        return ob_fail(error, OB_ETOOBIG, "a mini-batch of %zu tokens is more than 2^24", tokens_max);
    struct ob_forward *f = calloc(1, sizeof *f);
    if (!f)
        return ob_fail(error, OB_ENOMEM, "no memory for a forward pass");
    size_t HD = (size_t)config->heads * config->head_width;
    size_t widest = larger(larger(config->width, config->ff_width),
                           HD + 2 * (size_t)config->kv_heads * config->head_width);
    f->config = *config;
    f->pool = pool;
    f->tokens_max = tokens_max;
    f->sequences_max = sequences_max;
    f->tile_elements = larger(TILE_ELEMENTS, widest);
    f->vocabulary_tile = f->tile_elements / config->width;
    if (f->vocabulary_tile > VOCABULARY_TILE)
        f->vocabulary_tile = VOCABULARY_TILE;
    if (f->vocabulary_tile > config->vocabulary)
        f->vocabulary_tile = config->vocabulary;
    f->arena_bytes = lay_out(f, NULL);
    f->arena = aligned_alloc(ALIGNMENT, f->arena_bytes);
    if (!f->arena) {
        size_t megabytes = f->arena_bytes >> 20;
        ob_forward_free(f);
        return ob_fail(error, OB_ENOMEM, "no memory for activations of %zu tokens (%zu MB)", tokens_max,
                       megabytes);
    }
    lay_out(f, f->arena);
    if (config->position == OB_POSITION_ROTARY)
        fill_rotary(f);
    *ret_forward = f;
    return OB_OK;
}

void ob_forward_free(struct ob_forward *forward) {
    if (!forward)
        return;
    free(forward->arena);
    free(forward);
}

size_t ob_forward_bytes(const struct ob_forward *forward) {
    return forward->arena_bytes;
}

/* ---- the parts of a layer ---- */

struct norm_job {
    const struct ob_pass *pass;
    const uint32_t *rows;
    size_t count;
    bool has_bias;
};

static void norm_row(void *context, size_t index, unsigned thread) {
    (void)thread;
    const struct norm_job *job = context;
    const struct ob_forward *f = job->pass->forward;
    const struct ob_lane *lane = &f->lanes[index / job->count];
    size_t row = index % job->count, width = f->config.width;
    const float *x = lane->x + (job->rows ? job->rows[row] : row) * width;
    ob_vector_norm(f->config.norm, f->config.norm_epsilon, width, x, lane->a, job->has_bias ? lane->b : NULL,
                   lane->h + row * width);
}

void ob_pass_norm(const struct ob_pass *pass, uint32_t layer, enum ob_slot weight, enum ob_slot bias,
                  const uint32_t *rows, size_t count) {
    struct ob_forward *f = pass->forward;
    int64_t gain = ob_model_slot(pass->source->model, layer, weight);
    int64_t shift = ob_model_slot(pass->source->model, layer, bias);
    float *const gains[2] = {f->lanes[0].a, f->lanes[1].a}, *const shifts[2] = {f->lanes[0].b, f->lanes[1].b};
    assert(gain >= 0);
    ob_source_read(pass->source, (size_t)gain, 0, f->config.width, gains);
    if (shift >= 0)
        ob_source_read(pass->source, (size_t)shift, 0, f->config.width, shifts);
    struct norm_job job = {.pass = pass, .rows = rows, .count = count, .has_bias = shift >= 0};
    ob_pool_run(f->pool, pass->lanes * count, norm_row, &job);
}

static void embed_token(void *context, size_t token, unsigned thread) {
    (void)thread;
    const struct ob_pass *pass = context;
    const struct ob_forward *f = pass->forward;
    assert(pass->lanes == 1 || pass->lanes == 2);
    size_t width = f->config.width, at = token * width;
    float *const rows[2] = {f->lanes[0].x + at, f->lanes[1].x + at};
    const struct ob_model *model = pass->source->model;
    uint64_t first = (uint64_t)pass->batch->tokens[token] * width;
    ob_source_read(pass->source, (size_t)ob_model_slot(model, 0, OB_SLOT_TOKENS), first, width, rows);
    int64_t positions = ob_model_slot(model, 0, OB_SLOT_POSITIONS);
    if (positions < 0)
        return;
    float *const places[2] = {f->lanes[0].h + at, f->lanes[1].h + at};
    ob_source_read(pass->source, (size_t)positions, (uint64_t)f->positions[token] * width, width, places);
    for (unsigned lane = 0; lane < pass->lanes; lane++)
        ob_vector_add(width, rows[lane], places[lane]);
}

/* A product over the whole batch; x and y are given for lane 0, and lane 1's lie at the same place of its
 * buffers. */
static void linear(const struct ob_pass *pass, uint32_t layer, enum ob_slot weight, enum ob_slot bias,
                   size_t in, size_t out, float *const x[2], float *const y[2], size_t ldy, bool accumulate) {
    struct ob_linear job = {.layer = layer,
                            .weight = weight,
                            .bias = bias,
                            .in = in,
                            .out = out,
                            .x = {x[0], x[1]},
                            .y = {y[0], y[1]},
                            .ldx = in,
                            .ldy = ldy,
                            .rows = pass->tokens,
                            .accumulate = accumulate};
    ob_pass_linear(pass, &job);
}

static void project_qkv(const struct ob_pass *pass, uint32_t layer, float *const h[2]) {
    struct ob_forward *f = pass->forward;
    const struct ob_model_config *c = &f->config;
    size_t C = c->width, HD = (size_t)c->heads * c->head_width, KD = (size_t)c->kv_heads * c->head_width;
    size_t G = HD + 2 * KD;
    float *const qkv[2] = {f->lanes[0].qkv, f->lanes[1].qkv};
    if (ob_model_slot(pass->source->model, layer, OB_SLOT_QKV) >= 0) {
        linear(pass, layer, OB_SLOT_QKV, OB_SLOT_QKV_BIAS, C, G, h, qkv, G, false);
        return;
    }
    float *const k[2] = {qkv[0] + HD, qkv[1] + HD}, *const v[2] = {qkv[0] + HD + KD, qkv[1] + HD + KD};
    linear(pass, layer, OB_SLOT_Q, OB_SLOT_Q_BIAS, C, HD, h, qkv, G, false);
    linear(pass, layer, OB_SLOT_K, OB_SLOT_K_BIAS, C, KD, h, k, G, false);
    linear(pass, layer, OB_SLOT_V, OB_SLOT_V_BIAS, C, KD, h, v, G, false);
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

static void run_layer(const struct ob_pass *pass, uint32_t layer) {
    struct ob_forward *f = pass->forward;
    const struct ob_model_config *c = &f->config;
    size_t C = c->width, F = c->ff_width, HD = (size_t)c->heads * c->head_width;
    float *const x[2] = {f->lanes[0].x, f->lanes[1].x}, *const h[2] = {f->lanes[0].h, f->lanes[1].h};
    float *const up[2] = {f->lanes[0].up, f->lanes[1].up}, *const gate[2] = {f->lanes[0].gate,
                                                                             f->lanes[1].gate};
    float *const mixed[2] = {f->lanes[0].mixed, f->lanes[1].mixed};
    ob_pass_norm(pass, layer, OB_SLOT_NORM1, OB_SLOT_NORM1_BIAS, NULL, pass->tokens);
    project_qkv(pass, layer, h);
    ob_pass_attention(pass);
    linear(pass, layer, OB_SLOT_O, OB_SLOT_O_BIAS, HD, C, mixed, x, C, true);
    ob_pass_norm(pass, layer, OB_SLOT_NORM2, OB_SLOT_NORM2_BIAS, NULL, pass->tokens);
    linear(pass, layer, OB_SLOT_UP, OB_SLOT_UP_BIAS, C, F, h, up, F, false);
    if (c->gated)
        linear(pass, layer, OB_SLOT_GATE, OB_SLOT_GATE_BIAS, C, F, h, gate, F, false);
    struct ob_pass copy = *pass;
    ob_pool_run(f->pool, pass->lanes * pass->tokens, activate_row, &copy);
    linear(pass, layer, OB_SLOT_DOWN, OB_SLOT_DOWN_BIAS, F, C, up, x, C, true);
}

/* ---- a whole pass ---- */

static enum ob_err check_batch(struct ob_forward *f, const struct ob_batch *batch, struct ob_error *error) {
    if (batch->tokens_used == 0 || batch->tokens_used > f->tokens_max || batch->sequences > f->sequences_max)
        return ob_fail(error, OB_ETOOBIG,
                       "a mini-batch of %zu sequences, %zu tokens; room is for %zu and %zu", batch->sequences,
                       batch->tokens_used, f->sequences_max, f->tokens_max);
    for (size_t s = 0; s < batch->sequences; s++) {
        size_t first = batch->offsets[s], count = batch->offsets[s + 1] - first;
        if (count > f->config.context)
            return ob_fail(error, OB_ETOOBIG, "a sequence of %zu tokens; the model's context is %u", count,
                           f->config.context);
        for (size_t i = 0; i < count; i++)
            f->positions[first + i] = (uint32_t)i;
    }
    for (size_t i = 0; i < batch->tokens_used; i++)
        if (batch->tokens[i] < 0 || (uint32_t)batch->tokens[i] >= f->config.vocabulary)
            return ob_fail(error, OB_EFORMAT,
                           "token %d is outside the model's vocabulary of %u (is it the model's own "
                           "tokenizer?)",
                           batch->tokens[i], f->config.vocabulary);
    return OB_OK;
}

static void collect_rows(struct ob_pass *pass) {
    struct ob_forward *f = pass->forward;
    pass->row_count = 0;
    for (size_t p = 1; p < pass->tokens; p++)
        if (pass->batch->counted[p]) {
            f->rows[pass->row_count] = (uint32_t)(p - 1);
            f->targets[pass->row_count++] = pass->batch->tokens[p];
        }
}

static void run_layers(struct ob_pass *pass) {
    ob_pool_run(pass->forward->pool, pass->tokens, embed_token, pass);
    for (uint32_t layer = 0; layer < pass->forward->config.layers; layer++)
        run_layer(pass, layer);
}

static enum ob_err run_losses(struct ob_forward *forward, const struct ob_weight_source *source,
                              const struct ob_batch *batch, struct ob_pass *ret_pass,
                              struct ob_error *error) {
    enum ob_err failed = check_batch(forward, batch, error);
    if (failed)
        return failed;
    struct ob_pass pass = {.forward = forward,
                           .source = source,
                           .batch = batch,
                           .lanes = ob_source_lanes(source),
                           .tokens = batch->tokens_used};
    collect_rows(&pass);
    if (pass.row_count == 0)
        return ob_fail(error, OB_EFORMAT, "the mini-batch has no target token");
    run_layers(&pass);
    ob_pass_head(&pass, NULL);
    *ret_pass = pass;
    return OB_OK;
}

enum ob_err ob_forward_losses(struct ob_forward *forward, const struct ob_weight_source *source,
                              const struct ob_batch *batch, double *ret_losses, struct ob_error *error) {
    struct ob_pass pass;
    enum ob_err failed = run_losses(forward, source, batch, &pass, error);
    for (unsigned lane = 0; !failed && lane < pass.lanes; lane++) {
        double sum = 0;
        for (size_t row = 0; row < pass.row_count; row++)
            sum += forward->lanes[lane].loss[row];
        ret_losses[lane] = sum / (double)pass.row_count;
    }
    return failed;
}

enum ob_err ob_forward_sequence_losses(struct ob_forward *forward, const struct ob_weight_source *source,
                                       const struct ob_batch *batch, double *ret_sums, uint32_t *ret_counts,
                                       struct ob_error *error) {
    struct ob_pass pass;
    enum ob_err failed = run_losses(forward, source, batch, &pass, error);
    if (failed)
        return failed;
    for (unsigned lane = 0; lane < pass.lanes; lane++) {
        const double *losses = forward->lanes[lane].loss;
        double *sums = ret_sums + lane * batch->sequences;
        size_t row = 0;
        for (size_t s = 0; s < batch->sequences; s++) {
            sums[s] = 0;
            ret_counts[s] = 0;
            for (; row < pass.row_count && forward->rows[row] < batch->offsets[s + 1]; row++) {
                sums[s] += losses[row];
                ret_counts[s]++;
            }
        }
    }
    return OB_OK;
}

enum ob_err ob_forward_logits(struct ob_forward *forward, const struct ob_weight_source *source,
                              const struct ob_batch *batch, size_t position, float *ret_logits,
                              struct ob_error *error) {
    enum ob_err failed = check_batch(forward, batch, error);
    if (failed)
        return failed;
    assert(position < batch->tokens_used);
    struct ob_pass pass = {.forward = forward,
                           .source = source,
                           .batch = batch,
                           .lanes = ob_source_lanes(source),
                           .tokens = batch->tokens_used,
                           .row_count = 1};
    forward->rows[0] = (uint32_t)position;
    run_layers(&pass);
    ob_pass_head(&pass, ret_logits);
    return OB_OK;
}
