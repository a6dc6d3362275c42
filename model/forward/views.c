/* Which weights a row sees. */
#include <assert.h>

#include "model/forward/pass.h"

bool ob_pass_trained(const struct ob_pass *pass, int64_t tensor) {
    const struct ob_weight_source *source = pass->source;
    return tensor >= 0 && source->weights && (!source->trainable || source->trainable[tensor] >= 0);
}

void ob_pass_read(const struct ob_pass *pass, size_t view, size_t tensor, uint64_t first, size_t count,
                  float *const to[2]) {
    struct ob_weight_source source = *pass->source;
    source.key = ob_pass_trained(pass, (int64_t)tensor) ? pass->views[view].key : NULL;
    if (!source.key || pass->views[view].paired) {
        ob_source_read(&source, tensor, first, count, to);
        return;
    }
    float other[OB_SPSA_BLOCK_ELEMENTS]; /* the side that is not wanted */
    for (size_t at = 0; at < count; at += OB_SPSA_BLOCK_ELEMENTS) {
        size_t left = count - at, part = left < OB_SPSA_BLOCK_ELEMENTS ? left : OB_SPSA_BLOCK_ELEMENTS;
        ob_source_read(&source, tensor, first + at, part, (float *const[2]){to[0] + at, other});
    }
}

struct vectors_job {
    const struct ob_pass *pass;
    size_t tensor, count;
    float *to;
};

/* One item: a view, or a pair of them. */
static void read_vectors(void *context, size_t view, unsigned thread) {
    (void)thread;
    const struct vectors_job *job = context;
    const struct ob_view *v = &job->pass->views[view];
    size_t stride = job->pass->forward->vector_elements;
    float *const to[2] = {job->to + view * stride, job->to + (view + 1) * stride};
    if (v->side == 0)
        ob_pass_read(job->pass, view, job->tensor, 0, job->count, to);
}

struct ob_vectors ob_pass_vectors(const struct ob_pass *pass, uint32_t layer, enum ob_slot slot, size_t count,
                                  int which) {
    struct ob_forward *f = pass->forward;
    int64_t tensor = ob_model_slot(pass->source->model, layer, slot);
    if (tensor < 0)
        return (struct ob_vectors){0};
    assert(count <= f->vector_elements);
    struct vectors_job job = {
        .pass = pass, .tensor = (size_t)tensor, .count = count, .to = f->vectors[which]};
    bool trained = ob_pass_trained(pass, tensor);
    if (trained)
        ob_pool_run(pass->view_count > 2 ? f->pool : NULL, pass->view_count, read_vectors, &job);
    else
        ob_pass_read(pass, 0, (size_t)tensor, 0, count, (float *const[2]){job.to, job.to});
    return (struct ob_vectors){.values = job.to, .stride = trained ? f->vector_elements : 0};
}

static bool slot_trained(const struct ob_pass *pass, uint32_t layer, enum ob_slot slot) {
    int64_t tensor = ob_model_slot(pass->source->model, layer, slot);
    if (tensor < 0)
        return false;
    const int64_t *adapters = pass->source->model->adapter_of;
    return ob_pass_trained(pass, tensor) || (adapters && adapters[tensor] >= 0 && pass->source->weights);
}

int64_t ob_pass_frozen_layers(const struct ob_pass *pass) {
    static const enum ob_slot BEFORE[] = {OB_SLOT_TOKENS, OB_SLOT_POSITIONS, OB_SLOT_PROJECT_IN},
                              AFTER[] = {OB_SLOT_PROJECT_OUT, OB_SLOT_FINAL_NORM, OB_SLOT_FINAL_NORM_BIAS,
                                         OB_SLOT_HEAD, OB_SLOT_NONE};
    for (size_t i = 0; i < sizeof BEFORE / sizeof *BEFORE; i++)
        if (slot_trained(pass, 0, BEFORE[i]))
            return -1;
    uint32_t layers = pass->forward->config.layers;
    for (uint32_t layer = 0; layer < layers; layer++)
        for (enum ob_slot slot = 0; slot < OB_SLOT_NONE; slot++) {
            bool outside = false; /* of the layers */
            for (size_t i = 0; i < sizeof BEFORE / sizeof *BEFORE; i++)
                outside = outside || slot == BEFORE[i];
            for (size_t i = 0; i < sizeof AFTER / sizeof *AFTER; i++)
                outside = outside || slot == AFTER[i];
            if (!outside && slot_trained(pass, layer, slot))
                return layer;
        }
    return layers;
}

struct ob_layers ob_pass_layers(const struct ob_pass *pass) {
    uint32_t layers = pass->forward->config.layers, limit = pass->forward->layer_limit;
    if (limit == 0 || limit >= layers)
        return (struct ob_layers){.end = layers};
    int64_t frozen = ob_pass_frozen_layers(pass);
    uint32_t first = frozen < 0 ? 0 : (uint32_t)frozen;
    first = first < layers - limit ? first : layers - limit;
    return (struct ob_layers){.first = first, .end = first + limit};
}

/* ---- rows ---- */

struct rows_job {
    const struct ob_pass *pass;
    bool targets;
    size_t block;
    ob_rows_fn body;
    void *context;
};

static size_t blocks_of(const struct ob_span *span, size_t block) {
    return (span->rows + block - 1) / block;
}

static void run_block(void *context, size_t index, unsigned thread) {
    (void)thread;
    const struct rows_job *job = context;
    size_t view = 0;
    const struct ob_span *span;
    for (;; view++) {
        span = job->targets ? &job->pass->views[view].targets : &job->pass->views[view].inputs;
        size_t blocks = blocks_of(span, job->block);
        if (index < blocks)
            break;
        index -= blocks;
    }
    size_t at = index * job->block, left = span->rows - at;
    struct ob_row_block block = {
        .view = view, .first = span->first + at, .count = left < job->block ? left : job->block};
    job->body(job->pass, &block, job->context);
}

void ob_pass_for_rows(const struct ob_pass *pass, bool targets, size_t block, ob_rows_fn body,
                      void *context) {
    struct rows_job job = {
        .pass = pass, .targets = targets, .block = block, .body = body, .context = context};
    size_t count = 0;
    for (size_t view = 0; view < pass->view_count; view++)
        count += blocks_of(targets ? &pass->views[view].targets : &pass->views[view].inputs, block);
    ob_pool_run(pass->forward->pool, count, run_block, &job);
}
