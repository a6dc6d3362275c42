/* Causal attention within each sequence; query heads share key/value heads in groups of H / K. */
#include <assert.h>
#include <cblas.h>
#include <math.h>
#include <string.h>

#include "model/pass.h"
#include "model/vector.h"

static size_t group_width(const struct ob_model_config *c) {
    return ((size_t)c->heads + 2 * (size_t)c->kv_heads) * c->head_width;
}

static void rotate_token(void *context, size_t index, unsigned thread) {
    (void)thread;
    const struct ob_pass *pass = context;
    const struct ob_forward *f = pass->forward;
    size_t token = index % pass->tokens, half = f->config.head_width / 2, width = f->config.head_width;
    float *row = f->lanes[index / pass->tokens].qkv + token * group_width(&f->config);
    const float *cosines = f->cosines + f->positions[token] * half,
                *sines = f->sines + f->positions[token] * half;
    for (size_t head = 0; head < (size_t)f->config.heads + f->config.kv_heads; head++)
        ob_vector_rotate(half, cosines, sines, row + head * width);
}

/* Rows [from, to) of one head's scores, softmaxed over the keys up to each row, times the values. */
static void attend_block(const struct ob_forward *f, const float *q, const float *k, const float *v,
                         float *out, size_t from, size_t to, float *scores) {
    const struct ob_model_config *c = &f->config;
    size_t width = c->head_width, stride = group_width(c), rows = to - from;
    size_t out_stride = (size_t)c->heads * width;
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)rows, (int)to, (int)width,
                1.0f / sqrtf((float)width), q + from * stride, (int)stride, k, (int)stride, 0.0f, scores,
                (int)to);
    for (size_t i = 0; i < rows; i++) {
        float *row = scores + i * to;
        ob_vector_softmax(from + i + 1, row);
        memset(row + from + i + 1, 0, (to - from - i - 1) * sizeof *row);
    }
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)rows, (int)width, (int)to, 1.0f, scores,
                (int)to, v, (int)stride, 0.0f, out + from * out_stride, (int)out_stride);
}

/* One item: a lane, a sequence, a head. */
static void attend(void *context, size_t index, unsigned thread) {
    const struct ob_pass *pass = context;
    const struct ob_forward *f = pass->forward;
    const struct ob_model_config *c = &f->config;
    size_t head = index % c->heads, sequence = index / c->heads % pass->batch->sequences;
    const struct ob_lane *lane = &f->lanes[index / c->heads / pass->batch->sequences];
    size_t first = pass->batch->offsets[sequence], count = pass->batch->offsets[sequence + 1] - first;
    size_t width = c->head_width, kv = head / (c->heads / c->kv_heads);
    const float *base = lane->qkv + first * group_width(c);
    const float *k = base + (c->heads + kv) * width, *v = base + (c->heads + c->kv_heads + kv) * width;
    float *out = lane->mixed + first * c->heads * width + head * width;
    float *scores = f->scores + (size_t)thread * OB_QUERY_BLOCK * f->tokens_max;
    for (size_t from = 0; from < count; from += OB_QUERY_BLOCK) {
        size_t to = count - from < OB_QUERY_BLOCK ? count : from + OB_QUERY_BLOCK;
        attend_block(f, base + head * width, k, v, out, from, to, scores);
    }
}

void ob_pass_attention(const struct ob_pass *pass) {
    struct ob_forward *f = pass->forward;
    struct ob_pass copy = *pass;
    if (f->config.position == OB_POSITION_ROTARY)
        ob_pool_run(f->pool, pass->lanes * pass->tokens, rotate_token, &copy);
    ob_pool_run(f->pool, pass->lanes * pass->batch->sequences * f->config.heads, attend, &copy);
}
