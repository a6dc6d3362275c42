/* Causal attention within each sequence; query heads share key/value heads in groups of H / K. */
#include <assert.h>
#include <cblas.h>
#include <math.h>
#include <string.h>

#include "model/forward/pass.h"
#include "model/forward/vector.h"

static size_t group_width(const struct ob_model_config *c) {
    return ((size_t)c->heads + 2 * (size_t)c->kv_heads) * c->head_width;
}

/* Where a head's part begins in a token's row of qkv: all queries, all keys, all values; or head by head. */
enum part { QUERY, KEY, VALUE };
static size_t place_of(const struct ob_model_config *c, enum part part, size_t head) {
    if (c->qkv_by_head)
        return (3 * head + part) * c->head_width;
    size_t before = part == QUERY ? 0 : part == KEY ? c->heads : (size_t)c->heads + c->kv_heads;
    return (before + head) * c->head_width;
}

struct rope_job {
    const struct ob_rope_table *table;
    struct ob_vectors query_norm, key_norm;
    bool has_positions;
};

/* Some heads of one token, one after the other: norms, of each or of all together, and RoPE. */
static void rope_heads(const struct ob_forward *f, const struct rope_job *job, size_t position, size_t heads,
                       const float *gain, float *x) {
    const struct ob_model_config *c = &f->config;
    size_t half = c->rotary_width / 2, at = position * half;
    if (gain)
        ob_vector_norm(f->loops, c->norm, c->norm_epsilon, heads * c->head_width, x, gain, NULL, x);
    for (size_t head = 0; head < heads && job->has_positions; head++)
        ob_vector_rope(f->loops, half, job->table->cos + at, job->table->sin + at, x + head * c->head_width);
}

static const float *gain_of(const struct ob_vectors *vectors, size_t view) {
    return vectors->values ? vectors->values + view * vectors->stride : NULL;
}

static void rope_rows(const struct ob_pass *pass, const struct ob_row_block *block, void *context) {
    const struct rope_job *job = context;
    const struct ob_forward *f = pass->forward;
    const struct ob_model_config *c = &f->config;
    const struct ob_view *view = &pass->views[block->view];
    size_t step = c->qk_norm_whole ? c->heads : 1, kv_step = c->qk_norm_whole ? c->kv_heads : 1;
    const float *query = gain_of(&job->query_norm, block->view), *key = gain_of(&job->key_norm, block->view);
    for (size_t i = block->first; i < block->first + block->count; i++) {
        size_t position = f->positions[view->first_input + i - view->inputs.first];
        float *row = f->qkv + i * group_width(c);
        for (size_t head = 0; head < c->heads; head += step)
            rope_heads(f, job, position, step, query, row + place_of(c, QUERY, head));
        for (size_t head = 0; head < c->kv_heads; head += kv_step)
            rope_heads(f, job, position, kv_step, key, row + place_of(c, KEY, head));
    }
}

/* The gains of a norm over one head, or over `heads`. */
static struct ob_vectors head_norm(const struct ob_pass *pass, uint32_t layer, enum ob_slot slot,
                                   size_t heads, int which) {
    const struct ob_forward *f = pass->forward;
    size_t count = f->config.head_width * (f->config.qk_norm_whole ? heads : 1);
    struct ob_vectors gain = ob_pass_vectors(pass, layer, slot, count, which);
    for (size_t view = 0;
         gain.values && f->config.zero_centered_gamma && view < (gain.stride ? pass->view_count : 1); view++)
        for (size_t i = 0; i < count; i++)
            f->vectors[which][view * gain.stride + i] += 1.0f;
    return gain;
}

/* Norms queries and keys and applies RoPE, where the model does. */
static void rope_all(const struct ob_pass *pass, uint32_t layer) {
    struct ob_forward *f = pass->forward;
    struct rope_job job = {.table = &f->rope[f->config.is_sliding[layer]]};
    job.query_norm = head_norm(pass, layer, OB_SLOT_Q_NORM, f->config.heads, 0);
    job.key_norm = head_norm(pass, layer, OB_SLOT_K_NORM, f->config.kv_heads, 1);
    job.has_positions = job.table->cos && !f->config.is_nope[layer];
    if (job.query_norm.values || job.has_positions)
        ob_pass_for_rows(pass, false, 16, rope_rows, &job);
}

/* One head's rows of queries, keys and values in a sequence. */
struct head {
    const float *q, *k, *v;
    float *out;
    size_t window; /* keys that a row sees, itself included */
};

/* A block of scores of rows [from, to) and keys [low, high), and what the rows know so far. */
struct block {
    size_t from, to, low, high;
    float *scores, *largest, *sum; /* (rows, high - low), (rows), (rows) */
};

/* exp(score - largest) in place, zero for what a row does not see; the output so far and its sum are brought
 * to the new maximum. */
static void soften_row(const struct ob_forward *f, const struct head *head, const struct block *b, size_t i,
                       float *out) {
    const struct ob_model_config *c = &f->config;
    size_t row = b->from + i, keys = b->high - b->low;
    float *scores = b->scores + i * keys;
    size_t end = row + 1 < b->high ? row + 1 : b->high; /* it sees keys [first, end) */
    size_t first = row + 1 > head->window ? row + 1 - head->window : 0;
    first = first > b->low ? first : b->low;
    if (first >= end) {
        memset(scores, 0, keys * sizeof *scores);
        return;
    }
    if (c->attention_softcap > 0)
        ob_vector_softcap(end - first, c->attention_softcap, scores + first - b->low);
    float sum, largest = ob_vector_exp(f->loops, end - first, scores + first - b->low, b->largest[i], &sum);
    float factor = expf(b->largest[i] - largest); /* 0 at first: the maximum is -inf */
    if (factor != 1.0f && b->sum[i] > 0)
        ob_vector_times(f->loops, c->head_width, factor, out);
    b->sum[i] = b->sum[i] * factor + sum;
    b->largest[i] = largest;
    memset(scores, 0, (first - b->low) * sizeof *scores);
    memset(scores + (end - b->low), 0, (b->high - end) * sizeof *scores);
}

/* Adds the keys of a block to its rows' outputs. */
static void attend_keys(const struct ob_forward *f, const struct head *head, const struct block *b,
                        bool is_first) {
    const struct ob_model_config *c = &f->config;
    size_t width = c->head_width, stride = group_width(c), rows = b->to - b->from, keys = b->high - b->low;
    size_t out_stride = (size_t)c->heads * width;
    float *out = head->out + b->from * out_stride;
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)rows, (int)keys, (int)width, c->query_scale,
                head->q + b->from * stride, (int)stride, head->k + b->low * stride, (int)stride, 0.0f,
                b->scores, (int)keys);
    for (size_t i = 0; i < rows; i++)
        soften_row(f, head, b, i, out + i * out_stride);
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)rows, (int)width, (int)keys, 1.0f, b->scores,
                (int)keys, head->v + b->low * stride, (int)stride, is_first ? 0.0f : 1.0f, out,
                (int)out_stride);
}

/* Rows [from, to) of one head: keys block by block, with a running maximum and sum (Milakov and Gimelshein
 * 2018; Dao et al. 2022), so that no more than a block of scores is ever in memory. */
static void attend_rows(const struct ob_forward *f, const struct head *head, size_t from, size_t to,
                        unsigned thread) {
    const struct ob_model_config *c = &f->config;
    struct block b = {.from = from, .to = to};
    b.scores = f->scores + (size_t)thread * OB_QUERY_BLOCK * OB_KEY_BLOCK;
    b.largest = f->running + (size_t)thread * 2 * OB_QUERY_BLOCK;
    b.sum = b.largest + OB_QUERY_BLOCK;
    for (size_t i = 0; i < to - from; i++) {
        b.largest[i] = -INFINITY;
        b.sum[i] = 0;
    }
    size_t low = from + 1 > head->window ? from + 1 - head->window : 0;
    for (size_t at = low; at < to; at += OB_KEY_BLOCK) {
        b.low = at;
        b.high = to - at < OB_KEY_BLOCK ? to : at + OB_KEY_BLOCK;
        attend_keys(f, head, &b, at == low);
    }
    for (size_t i = 0; i < to - from; i++)
        ob_vector_times(f->loops, c->head_width, 1.0f / b.sum[i],
                        head->out + (from + i) * c->heads * c->head_width);
}

/* One item: a view, a sequence, a head. */
struct attention {
    const struct ob_pass *pass;
    uint32_t layer;
};

static void attend(void *context, size_t index, unsigned thread) {
    const struct attention *job = context;
    const struct ob_pass *pass = job->pass;
    const struct ob_forward *f = pass->forward;
    const struct ob_model_config *c = &f->config;
    size_t head = index % c->heads, number = index / c->heads, view = 0;
    while (number >= pass->views[view].sequences)
        number -= pass->views[view++].sequences;
    const struct ob_view *v = &pass->views[view];
    size_t sequence = v->first_sequence + number, kv = head / (c->heads / c->kv_heads);
    size_t first = f->starts[sequence] - v->first_input + v->inputs.first;
    size_t count = f->starts[sequence + 1] - f->starts[sequence];
    const float *base = f->qkv + first * group_width(c);
    struct head rows = {.q = base + place_of(c, QUERY, head),
                        .k = base + place_of(c, KEY, kv),
                        .v = base + place_of(c, VALUE, kv),
                        .out = f->attn_out + (first * c->heads + head) * c->head_width,
                        .window = c->is_sliding[job->layer] ? c->sliding_window : count};
    for (size_t from = 0; from < count; from += OB_QUERY_BLOCK)
        attend_rows(f, &rows, from, count - from < OB_QUERY_BLOCK ? count : from + OB_QUERY_BLOCK, thread);
}

void ob_pass_attention(const struct ob_pass *pass, uint32_t layer) {
    struct ob_forward *f = pass->forward;
    struct attention job = {.pass = pass, .layer = layer};
    size_t sequences = 0;
    for (size_t view = 0; view < pass->view_count; view++)
        sequences += pass->views[view].sequences;
    rope_all(pass, layer);
    ob_pool_run(f->pool, sequences * f->config.heads, attend, &job);
}
