/* The vocabulary, tile by tile, for the rows that a loss needs: a running maximum and sum of exponentials, so
 * that (T, V) logits are never held. */
#include <assert.h>
#include <math.h>
#include <string.h>

#include "model/forward/pass.h"
#include "model/forward/vector.h"

struct tile {
    size_t first, count; /* of the vocabulary */
};

static void softcap_logits(const struct ob_forward *f, float *logits, size_t count) {
    if (f->config.logit_softcap > 0)
        ob_vector_softcap(count, f->config.logit_softcap, logits);
}

/* Folds one row of one tile into the running softmax: sum stays relative to the maximum so far. */
static void fold_row(const struct ob_pass *pass, const struct tile *tile, unsigned lane, size_t row) {
    const struct ob_forward *f = pass->forward;
    float *logits = f->lanes[lane].logits + row * tile->count;
    size_t at = lane * f->tokens_max + row;
    float largest;
    double sum;
    softcap_logits(f, logits, tile->count);
    ob_vector_exp_sum(tile->count, logits, &largest, &sum);
    double before = f->row_max[at], now = (double)largest > before ? (double)largest : before;
    f->row_sum[at] = f->row_sum[at] * exp(before - now) + sum * exp((double)largest - now);
    f->row_max[at] = now;
    size_t target = (size_t)f->targets[row];
    if (target >= tile->first && target < tile->first + tile->count)
        f->row_target[at] = (double)logits[target - tile->first];
}

static void fold_rows(const struct ob_pass *pass, unsigned lane, size_t from, size_t to, void *context) {
    for (size_t row = from; row < to; row++)
        fold_row(pass, context, lane, row);
}

static void reset_rows(const struct ob_pass *pass) {
    const struct ob_forward *f = pass->forward;
    for (unsigned lane = 0; lane < pass->lanes; lane++)
        for (size_t row = 0; row < pass->row_count; row++) {
            f->row_max[lane * f->tokens_max + row] = -1e300; /* finite: exp of the difference is 0, not NaN */
            f->row_sum[lane * f->tokens_max + row] = 0.0;
        }
}

static void finish_rows(const struct ob_pass *pass) {
    const struct ob_forward *f = pass->forward;
    for (unsigned lane = 0; lane < pass->lanes; lane++)
        for (size_t row = 0; row < pass->row_count; row++) {
            size_t at = lane * f->tokens_max + row;
            f->lanes[lane].loss[row] = f->row_max[at] + log(f->row_sum[at]) - f->row_target[at];
        }
}

/* The rows that count, normed and as wide as the head: in h, or in x (which nobody needs any more). */
static void prepare_rows(const struct ob_pass *pass, float *ret_rows[2]) {
    struct ob_forward *f = pass->forward;
    const struct ob_model_config *c = &f->config;
    struct ob_norm norm = {.weight = OB_SLOT_FINAL_NORM,
                           .bias = OB_SLOT_FINAL_NORM_BIAS,
                           .x = {f->lanes[0].x, f->lanes[1].x},
                           .y = {f->lanes[0].h, f->lanes[1].h},
                           .rows = f->rows,
                           .count = pass->row_count};
    ob_pass_norm(pass, &norm);
    bool projects = ob_model_slot(pass->source->model, 0, OB_SLOT_PROJECT_OUT) >= 0;
    struct ob_linear linear = {.weight = OB_SLOT_PROJECT_OUT,
                               .bias = OB_SLOT_NONE,
                               .in = c->width,
                               .out = c->embedding_width,
                               .x = {norm.y[0], norm.y[1]},
                               .y = {norm.x[0], norm.x[1]},
                               .ldx = c->width,
                               .ldy = c->embedding_width,
                               .rows = pass->row_count};
    if (projects)
        ob_pass_linear(pass, &linear);
    for (int lane = 0; lane < 2; lane++)
        ret_rows[lane] = projects ? norm.x[lane] : norm.y[lane];
}

void ob_pass_head(const struct ob_pass *pass, float *ret_logits) {
    struct ob_forward *f = pass->forward;
    size_t width = f->config.embedding_width, vocabulary = f->config.vocabulary;
    int64_t tensor = ob_model_slot(pass->source->model, 0, f->config.tied ? OB_SLOT_TOKENS : OB_SLOT_HEAD);
    assert(tensor >= 0 && pass->row_count > 0);
    float *rows[2];
    prepare_rows(pass, rows);
    reset_rows(pass);
    for (size_t at = 0; at < vocabulary; at += f->vocabulary_tile) {
        size_t count = vocabulary - at < f->vocabulary_tile ? vocabulary - at : f->vocabulary_tile;
        ob_pass_materialize(pass, (size_t)tensor, (uint64_t)at * width, count * width);
        struct tile tile = {.first = at, .count = count};
        struct ob_product product = {.a = {rows[0], rows[1]},
                                     .c = {f->lanes[0].logits, f->lanes[1].logits},
                                     .lda = width,
                                     .ldb = width,
                                     .ldc = count,
                                     .rows = pass->row_count,
                                     .n = count,
                                     .k = width,
                                     .transposed = true,
                                     .finish = ret_logits ? NULL : fold_rows,
                                     .context = &tile};
        ob_pass_multiply(pass, &product);
        if (ret_logits) {
            softcap_logits(f, f->lanes[0].logits, count);
            memcpy(ret_logits + at, f->lanes[0].logits, count * sizeof *ret_logits);
        }
    }
    if (!ret_logits)
        finish_rows(pass);
}
