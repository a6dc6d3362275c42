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

/* Products of the head into logits. */
static void finish_logits(const struct ob_forward *f, float *logits, size_t count) {
    for (size_t i = 0; i < count && f->config.logit_scale != 1.0f; i++)
        logits[i] *= f->config.logit_scale;
    if (f->config.logit_softcap > 0)
        ob_vector_softcap(count, f->config.logit_softcap, logits);
}

static int32_t target_of(const struct ob_pass *pass, size_t view, size_t row) {
    const struct ob_view *v = &pass->views[view];
    return pass->forward->targets[v->first_target + row - v->targets.first];
}

/* Folds one row of one tile into the running softmax: sum stays relative to the maximum so far. */
static void fold_row(const struct ob_pass *pass, const struct tile *tile, size_t view, size_t row) {
    const struct ob_forward *f = pass->forward;
    float *logits = f->logits + row * tile->count, largest;
    double sum;
    finish_logits(f, logits, tile->count);
    ob_vector_exp_sum(f->loops, tile->count, logits, &largest, &sum);
    double before = f->row_max[row], now = (double)largest > before ? (double)largest : before;
    f->row_sum[row] = f->row_sum[row] * exp(before - now) + sum * exp((double)largest - now);
    f->row_max[row] = now;
    size_t target = (size_t)target_of(pass, view, row);
    if (target >= tile->first && target < tile->first + tile->count)
        f->row_target[row] = (double)logits[target - tile->first];
}

/* The block may reach into the next views. */
static void fold_rows(const struct ob_pass *pass, const struct ob_row_block *block, void *context) {
    size_t view = block->view;
    for (size_t row = block->first; row < block->first + block->count; row++) {
        while (row >= pass->views[view].targets.first + pass->views[view].targets.rows)
            view++;
        fold_row(pass, context, view, row);
    }
}

static void reset_rows(const struct ob_pass *pass) {
    const struct ob_forward *f = pass->forward;
    for (size_t row = 0; row < pass->target_rows; row++) {
        f->row_max[row] = -1e300; /* finite: exp of the difference is 0, not NaN */
        f->row_sum[row] = 0.0;
    }
}

static void finish_rows(const struct ob_pass *pass) {
    const struct ob_forward *f = pass->forward;
    for (size_t row = 0; row < pass->target_rows; row++)
        f->loss[row] = f->row_max[row] + log(f->row_sum[row]) - f->row_target[row];
}

/* The target rows, normed and as wide as the head: in h, or in x (which is no longer needed). */
static const float *prepare_rows(const struct ob_pass *pass) {
    struct ob_forward *f = pass->forward;
    const struct ob_model_config *c = &f->config;
    struct ob_norm norm = {
        .weight = OB_SLOT_FINAL_NORM, .bias = OB_SLOT_FINAL_NORM_BIAS, .x = f->x, .y = f->h, .gather = true};
    ob_pass_norm(pass, &norm);
    if (ob_model_slot(pass->source->model, 0, OB_SLOT_PROJECT_OUT) < 0)
        return f->h;
    struct ob_linear linear = {.weight = OB_SLOT_PROJECT_OUT,
                               .bias = OB_SLOT_NONE,
                               .in = c->width,
                               .out = c->embedding_width,
                               .x = f->h,
                               .y = f->x,
                               .ldx = c->width,
                               .ldy = c->embedding_width,
                               .targets = true};
    ob_pass_linear(pass, &linear);
    return f->x;
}

void ob_pass_head(const struct ob_pass *pass, float *ret_logits) {
    struct ob_forward *f = pass->forward;
    size_t vocabulary = f->config.vocabulary;
    int64_t tensor = ob_model_slot(pass->source->model, 0, f->config.tied ? OB_SLOT_TOKENS : OB_SLOT_HEAD);
    assert(tensor >= 0 && pass->target_rows > 0);
    const float *rows = prepare_rows(pass);
    reset_rows(pass);
    for (size_t at = 0; at < vocabulary; at += f->vocabulary_tile) {
        size_t count = vocabulary - at < f->vocabulary_tile ? vocabulary - at : f->vocabulary_tile;
        struct tile tile = {.first = at, .count = count};
        ob_pass_logits(pass, (size_t)tensor, rows, at, count, ret_logits ? NULL : fold_rows, &tile);
        if (ret_logits) {
            finish_logits(f, f->logits, count);
            memcpy(ret_logits + at, f->logits, count * sizeof *ret_logits);
        }
    }
    if (!ret_logits)
        finish_rows(pass);
}
