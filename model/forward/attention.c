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
    const struct ob_pass *pass;
    const struct ob_rope_table *table;
    bool has_norms; /* queries' weights are in a, keys' in b */
};

static void rope_head(const struct rope_job *job, size_t token, const float *weight, float *x) {
    const struct ob_forward *f = job->pass->forward;
    size_t half = f->config.rotary_width / 2, at = f->positions[token] * half;
    if (job->has_norms)
        ob_vector_norm(f->config.norm, f->config.norm_epsilon, f->config.head_width, x, weight, NULL, x);
    if (job->table->cos)
        ob_vector_rope(half, job->table->cos + at, job->table->sin + at, x);
}

static void rope_token(void *context, size_t index, unsigned thread) {
    (void)thread;
    const struct rope_job *job = context;
    const struct ob_model_config *c = &job->pass->forward->config;
    const struct ob_lane *lane = &job->pass->forward->lanes[index / job->pass->tokens];
    size_t token = index % job->pass->tokens;
    float *row = lane->qkv + token * group_width(c);
    for (size_t head = 0; head < c->heads; head++)
        rope_head(job, token, lane->a, row + place_of(c, QUERY, head));
    for (size_t head = 0; head < c->kv_heads; head++)
        rope_head(job, token, lane->b, row + place_of(c, KEY, head));
}

/* The weights of a norm over one head, into both lanes' vectors; false: there is none. */
static bool read_head_norm(const struct ob_pass *pass, uint32_t layer, enum ob_slot slot,
                           float *const to[2]) {
    const struct ob_model_config *c = &pass->forward->config;
    int64_t tensor = ob_model_slot(pass->source->model, layer, slot);
    if (tensor < 0)
        return false;
    ob_source_read(pass->source, (size_t)tensor, 0, c->head_width, to);
    for (unsigned lane = 0; lane < pass->lanes && c->zero_centered_gamma; lane++)
        for (size_t i = 0; i < c->head_width; i++)
            to[lane][i] += 1.0f;
    return true;
}

/* Norms queries and keys and applies RoPE, where the model does. */
static void rope_all(const struct ob_pass *pass, uint32_t layer) {
    struct ob_forward *f = pass->forward;
    float *const a[2] = {f->lanes[0].a, f->lanes[1].a}, *const b[2] = {f->lanes[0].b, f->lanes[1].b};
    struct rope_job job = {.pass = pass, .table = &f->rope[f->config.is_sliding[layer]]};
    job.has_norms =
        read_head_norm(pass, layer, OB_SLOT_Q_NORM, a) && read_head_norm(pass, layer, OB_SLOT_K_NORM, b);
    if (job.has_norms || job.table->cos)
        ob_pool_run(f->pool, pass->lanes * pass->tokens, rope_token, &job);
}

/* One head's rows of queries, keys and values in a sequence. */
struct head {
    const float *q, *k, *v;
    float *out;
    size_t window; /* keys that a row sees, itself included */
};

/* Rows [from, to) of one head's scores, softmaxed over the keys that each row sees, times the values. */
static void attend_block(const struct ob_forward *f, const struct head *head, size_t from, size_t to,
                         float *scores) {
    const struct ob_model_config *c = &f->config;
    size_t width = c->head_width, stride = group_width(c), rows = to - from;
    size_t out_stride = (size_t)c->heads * width;
    size_t low = from + 1 > head->window ? from + 1 - head->window : 0, keys = to - low;
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)rows, (int)keys, (int)width, c->query_scale,
                head->q + from * stride, (int)stride, head->k + low * stride, (int)stride, 0.0f, scores,
                (int)keys);
    for (size_t i = 0; i < rows; i++) {
        float *row = scores + i * keys;
        size_t end = from + i + 1 - low, first = from + i + 1 - low > head->window ? end - head->window : 0;
        if (c->attention_softcap > 0)
            ob_vector_softcap(end - first, c->attention_softcap, row + first);
        ob_vector_softmax(end - first, row + first);
        memset(row, 0, first * sizeof *row);
        memset(row + end, 0, (keys - end) * sizeof *row);
    }
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)rows, (int)width, (int)keys, 1.0f, scores,
                (int)keys, head->v + low * stride, (int)stride, 0.0f, head->out + from * out_stride,
                (int)out_stride);
}

struct attention {
    const struct ob_pass *pass;
    uint32_t layer;
};

/* One item: a lane, a sequence, a head. */
static void attend(void *context, size_t index, unsigned thread) {
    const struct attention *job = context;
    const struct ob_pass *pass = job->pass;
    const struct ob_forward *f = pass->forward;
    const struct ob_model_config *c = &f->config;
    size_t head = index % c->heads, sequence = index / c->heads % pass->sequences;
    const struct ob_lane *lane = &f->lanes[index / c->heads / pass->sequences];
    size_t first = f->starts[sequence], count = f->starts[sequence + 1] - first;
    size_t kv = head / (c->heads / c->kv_heads);
    const float *base = lane->qkv + first * group_width(c);
    struct head rows = {.q = base + place_of(c, QUERY, head),
                        .k = base + place_of(c, KEY, kv),
                        .v = base + place_of(c, VALUE, kv),
                        .out = lane->attn_out + (first * c->heads + head) * c->head_width,
                        .window = c->is_sliding[job->layer] ? c->sliding_window : count};
    float *scores = f->scores + (size_t)thread * OB_QUERY_BLOCK * f->tokens_max;
    for (size_t from = 0; from < count; from += OB_QUERY_BLOCK)
        attend_block(f, &rows, from, count - from < OB_QUERY_BLOCK ? count : from + OB_QUERY_BLOCK, scores);
}

void ob_pass_attention(const struct ob_pass *pass, uint32_t layer) {
    struct ob_forward *f = pass->forward;
    struct attention job = {.pass = pass, .layer = layer};
    rope_all(pass, layer);
    ob_pool_run(f->pool, pass->lanes * pass->sequences * f->config.heads, attend, &job);
}
