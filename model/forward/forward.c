#include "model/forward/forward.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/forward/bf16.h"
#include "model/forward/pass.h"
#include "model/forward/vector.h"

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
    size_t T = f->tokens_max, W = larger(c->width, c->embedding_width), F = c->ff_width;
    size_t HD = (size_t)c->heads * c->head_width, G = HD + 2 * (size_t)c->kv_heads * c->head_width;
    size_t vector = larger(larger(W, G), F);
    lane->x = take(arena, T * W, sizeof(float));
    lane->h = take(arena, T * W, sizeof(float));
    lane->qkv = take(arena, T * G, sizeof(float));
    lane->attn_out = take(arena, T * HD, sizeof(float));
    lane->up = take(arena, T * F, sizeof(float));
    lane->gate = c->gated ? take(arena, T * F, sizeof(float)) : NULL;
    lane->logits = take(arena, T * f->vocabulary_tile, sizeof(float));
    lane->tile = take(arena, f->tile_elements, sizeof(float));
    lane->a = take(arena, vector, sizeof(float));
    lane->b = take(arena, vector, sizeof(float));
    lane->low = c->adapter_rank ? take(arena, T * c->adapter_rank, sizeof(float)) : NULL;
    lane->loss = take(arena, T, sizeof(double));
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
    size_t T = f->tokens_max;
    lay_out_lane(f, &f->lanes[0], &arena);
    lay_out_lane(f, &f->lanes[1], &arena);
    f->scores = take(&arena, ob_pool_threads(f->pool) * OB_QUERY_BLOCK * T, sizeof(float));
    f->inputs = take(&arena, T, sizeof *f->inputs);
    f->starts = take(&arena, f->sequences_max + 1, sizeof *f->starts);
    f->rows = take(&arena, T, sizeof *f->rows);
    f->targets = take(&arena, T, sizeof *f->targets);
    f->positions = take(&arena, T, sizeof *f->positions);
    f->row_max = take(&arena, 2 * T, sizeof(double));
    f->row_sum = take(&arena, 2 * T, sizeof(double));
    f->row_target = take(&arena, 2 * T, sizeof(double));
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

enum ob_err ob_forward_new(const struct ob_model_config *config, size_t tokens_max, size_t sequences_max,
                           struct ob_pool *pool, struct ob_forward **ret_forward, struct ob_error *error) {
    assert(tokens_max > 0 && sequences_max > 0);
    if (tokens_max > (size_t)1 << 24)
        return ob_fail(error, OB_ETOOBIG, "a mini-batch of %zu tokens is more than 2^24", tokens_max);
    struct ob_forward *f = calloc(1, sizeof *f);
    if (!f)
        return ob_fail(error, OB_ENOMEM, "no memory for a forward pass");
    size_t HD = (size_t)config->heads * config->head_width;
    size_t widest = larger(larger(larger(config->width, config->embedding_width), config->ff_width),
                           HD + 2 * (size_t)config->kv_heads * config->head_width);
    f->config = *config;
    f->pool = pool;
    f->tokens_max = tokens_max;
    f->sequences_max = sequences_max;
    f->tile_elements = larger(TILE_ELEMENTS, widest);
    f->vocabulary_tile = f->tile_elements / config->embedding_width;
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
    fill_rope(f);
    *ret_forward = f;
    return OB_OK;
}

void ob_forward_free(struct ob_forward *forward) {
    if (!forward)
        return;
    free(forward->arena);
    free(forward->bf16);
    free(forward);
}

enum ob_err ob_forward_use_bf16(struct ob_forward *forward, struct ob_error *error) {
    if (!ob_bf16_available())
        return ob_fail(error, OB_EUNSUPPORTED, "this processor has no products in bfloat16 (AVX512_BF16)");
    if (forward->bf16)
        return OB_OK;
    size_t bytes = (ob_bf16_scratch_bytes(forward->tokens_max) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    forward->bf16 = aligned_alloc(ALIGNMENT, bytes * ob_pool_threads(forward->pool));
    if (!forward->bf16)
        return ob_fail(error, OB_ENOMEM, "no memory for products in bfloat16 (%zu MB)",
                       bytes * ob_pool_threads(forward->pool) >> 20);
    forward->bf16_bytes = bytes;
    return OB_OK;
}

size_t ob_forward_bytes(const struct ob_forward *forward) {
    return forward->arena_bytes + forward->bf16_bytes * ob_pool_threads(forward->pool);
}

/* ---- a whole pass ---- */

static enum ob_err check_batch(const struct ob_forward *f, const struct ob_batch *batch,
                               struct ob_error *error) {
    if (batch->tokens_used == 0 || batch->tokens_used > f->tokens_max || batch->sequences > f->sequences_max)
        return ob_fail(error, OB_ETOOBIG,
                       "a mini-batch of %zu sequences, %zu tokens; room is for %zu and %zu", batch->sequences,
                       batch->tokens_used, f->sequences_max, f->tokens_max);
    for (size_t s = 0; s < batch->sequences; s++) {
        size_t count = batch->offsets[s + 1] - batch->offsets[s];
        if (count > f->config.context)
            return ob_fail(error, OB_ETOOBIG, "a sequence of %zu tokens; the model's context is %u", count,
                           f->config.context);
    }
    for (size_t i = 0; i < batch->tokens_used; i++)
        if (batch->tokens[i] < 0 || (uint32_t)batch->tokens[i] >= f->config.vocabulary)
            return ob_fail(error, OB_EFORMAT,
                           "token %d is outside the model's vocabulary of %u (is it the model's own "
                           "tokenizer?)",
                           batch->tokens[i], f->config.vocabulary);
    return OB_OK;
}

static void run_layers(struct ob_pass *pass) {
    ob_pass_embed(pass);
    for (uint32_t layer = 0; layer < pass->forward->config.layers; layer++)
        ob_pass_layer(pass, layer);
}

static enum ob_err run_losses(struct ob_forward *forward, const struct ob_weight_source *source,
                              const struct ob_batch *batch, struct ob_pass *ret_pass,
                              struct ob_error *error) {
    enum ob_err failed = check_batch(forward, batch, error);
    if (failed)
        return failed;
    struct ob_pass pass = {.forward = forward, .source = source, .lanes = ob_source_lanes(source)};
    ob_pass_pack(&pass, batch);
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
            for (size_t p = batch->offsets[s] + 1; p < batch->offsets[s + 1]; p++)
                if (batch->loss_mask[p]) {
                    sums[s] += losses[row++];
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
    struct ob_pass pass = {.forward = forward, .source = source, .lanes = ob_source_lanes(source)};
    ob_pass_pack_until(&pass, batch, position);
    run_layers(&pass);
    ob_pass_head(&pass, ret_logits);
    return OB_OK;
}
