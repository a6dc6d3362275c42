#include "cli/calibrate.h"

#include <stdlib.h>
#include <string.h>

#include "cli/evaluate.h"
#include "model/convert/open_model.h"
#include "model/families/adapter.h"
#include "model/families/select.h"
#include "model/forward/moments.h"
#include "model/forward/principal.h"
#include "record/hash.h"
#include "run/basis_file.h"

#define MOMENTS_BYTES ((size_t)1 << 30)
#define LENGTH        1024 /* tokens of a row, at most */
#define BATCH         8    /* rows of a pass */

struct calibrating {
    const struct ob_calibration *c;
    struct ob_model *model;
    struct ob_tokenizer *tokenizer;
    struct ob_corpus *corpus;
    struct ob_pool *pool;
    struct ob_forward *forward;
    struct ob_batch *batch;
    struct ob_task task;
    bool *wanted;                    /* of each tensor of the model */
    struct ob_basis_tensor *tensors; /* of each adapted matrix */
    size_t *tensor_of;               /* its number in the model */
    size_t count;
    size_t rows;
    struct ob_hash hash; /* of the rows' tokens */
    uint64_t inputs;
    double energy; /* summed over the matrices */
};

/* ---- the rows ---- */

/* Row `i` of those that are used: evenly over the file. */
static size_t row_at(const struct calibrating *k, size_t i) {
    return (size_t)((double)i * (double)ob_corpus_items(k->corpus) / (double)k->rows);
}

static enum ob_err pass(struct calibrating *k, struct ob_hasher *hasher, struct ob_error *error) {
    const struct ob_batch *batch = k->batch;
    struct ob_weight_source source = {.model = k->model};
    struct ob_task_score score = {0};
    for (size_t s = 0; hasher && s < batch->sequences; s++) {
        size_t count = batch->offsets[s + 1] - batch->offsets[s];
        ob_hasher_add_u64(hasher, count);
        ob_hasher_add(hasher, batch->tokens + batch->offsets[s], count * sizeof *batch->tokens);
    }
    return ob_task_add_score(&k->task, k->forward, &source, batch, &score, error);
}

/* One walk over the rows. */
static enum ob_err walk(struct calibrating *k, bool first, struct ob_error *error) {
    struct ob_hasher hasher;
    enum ob_err failed = OB_OK;
    ob_hasher_init(&hasher);
    for (size_t at = 0; at < k->rows && !failed;) {
        ob_batch_clear(k->batch);
        for (size_t in = 0; in < BATCH && at < k->rows && ob_corpus_add(k->corpus, row_at(k, at), k->batch);
             in++)
            at++;
        ob_progress_at(k->c->progress, at);
        failed = pass(k, first ? &hasher : NULL, error);
    }
    if (first)
        k->hash = ob_hasher_end(&hasher);
    return failed;
}

/* ---- directions ---- */

struct direction_job {
    struct calibrating *k;
    struct ob_moments *moments;
    double *values, **vectors; /* of each distinct input: (rank), (rank, in) */
    double *energy;
    struct ob_error *errors;
    enum ob_err *failed;
};

static void find_directions(void *context, size_t number, unsigned thread) {
    (void)thread;
    const struct direction_job *job = context;
    struct ob_moment moment = ob_moments_get(job->moments, number);
    uint32_t rank = job->k->c->rank;
    double trace = 0, kept = 0;
    job->failed[number] = ob_principal(moment.upper, moment.in, rank, job->values + number * rank,
                                       job->vectors[number], &job->errors[number]);
    for (size_t i = 0; i < moment.in; i++)
        trace += (double)moment.upper[i * moment.in + i];
    for (uint32_t r = 0; r < rank; r++) {
        double *value = &job->values[number * rank + r];
        kept += *value;
        *value /= (double)moment.rows; /* the mean square of the projection */
    }
    job->energy[number] = kept / trace;
}

/* The directions of one input, scaled by the rule, are the A of a matrix. */
static enum ob_err put_tensor(struct calibrating *k, const struct direction_job *job, size_t number,
                              struct ob_basis_tensor *tensor, struct ob_error *error) {
    uint32_t rank = k->c->rank;
    if (job->failed[number]) {
        *error = job->errors[number];
        return ob_fail_within(error, job->failed[number],
                              "the inputs of %s, over %zu calibration rows: use more rows or a lower --rank",
                              tensor->name, k->rows);
    }
    tensor->values = calloc(rank * tensor->in, sizeof *tensor->values);
    if (!tensor->values)
        return ob_fail(error, OB_ENOMEM, "not enough memory for a basis");
    memcpy(tensor->values, job->vectors[number], rank * tensor->in * sizeof *tensor->values);
    k->energy += job->energy[number];
    return OB_OK;
}

static enum ob_err put_tensors(struct calibrating *k, struct direction_job *job, struct ob_error *error) {
    enum ob_err failed = OB_OK;
    for (size_t i = 0; i < k->count && !failed; i++) {
        int64_t number = ob_moments_of(job->moments, k->tensor_of[i]);
        if (number >= 0)
            failed = put_tensor(k, job, (size_t)number, &k->tensors[i], error);
    }
    return failed;
}

static enum ob_err directions(struct calibrating *k, struct ob_moments *moments, struct ob_error *error) {
    size_t count = ob_moments_count(moments);
    struct direction_job job = {.k = k, .moments = moments};
    job.values = calloc(count * k->c->rank + 1, sizeof *job.values);
    job.vectors = calloc(count + 1, sizeof *job.vectors);
    job.energy = calloc(count + 1, sizeof *job.energy);
    job.errors = calloc(count + 1, sizeof *job.errors);
    job.failed = calloc(count + 1, sizeof *job.failed);
    bool room = job.values && job.vectors && job.energy && job.errors && job.failed;
    for (size_t i = 0; i < count && room; i++) {
        struct ob_moment moment = ob_moments_get(moments, i);
        room = (job.vectors[i] = calloc(k->c->rank * moment.in, sizeof **job.vectors));
        k->inputs = moment.rows > k->inputs ? moment.rows : k->inputs;
    }
    enum ob_err failed = room ? OB_OK : ob_fail(error, OB_ENOMEM, "not enough memory for a basis");
    if (!failed) {
        ob_pool_run(k->pool, count, find_directions, &job);
        failed = put_tensors(k, &job, error);
    }
    for (size_t i = 0; job.vectors && i < count; i++)
        free(job.vectors[i]);
    free(job.values);
    free(job.vectors);
    free(job.energy);
    free(job.errors);
    free(job.failed);
    return failed;
}

/* ---- the whole ---- */

/* As many layers as fit into memory at a time. */
static enum ob_err calibrate_layers(struct calibrating *k, struct ob_error *error) {
    enum ob_err failed = OB_OK;
    for (uint32_t layer = 0, end = 0; layer < k->model->config.layers && !failed; layer = end) {
        struct ob_moments *moments = NULL;
        struct ob_moments_options options = {.model = k->model,
                                             .wanted = k->wanted,
                                             .without_giants = k->c->rule == OB_BASIS_TAMED,
                                             .first_layer = layer,
                                             .bytes_max = MOMENTS_BYTES,
                                             .pool = k->pool};
        failed = ob_moments_new(&options, &moments, &end, error);
        if (failed)
            return failed;
        ob_progress_start(k->c->progress, "calibrating", "rows", k->rows);
        ob_forward_observe(k->forward, ob_moments_see, moments);
        failed = walk(k, layer == 0, error);
        ob_forward_observe(k->forward, NULL, NULL);
        if (!failed)
            failed = directions(k, moments, error);
        ob_moments_free(moments);
    }
    return failed;
}

/* Which matrices: those of the targets, which are some of a layer. */
static enum ob_err choose(struct calibrating *k, struct ob_error *error) {
    struct ob_model *model = k->model;
    k->wanted = calloc(model->tensor_count, sizeof *k->wanted);
    k->tensors = calloc(model->tensor_count, sizeof *k->tensors);
    k->tensor_of = calloc(model->tensor_count, sizeof *k->tensor_of);
    if (!k->wanted || !k->tensors || !k->tensor_of)
        return ob_fail(error, OB_ENOMEM, "%s: not enough memory for its tensors", model->path);
    enum ob_err failed = ob_model_select(model, k->c->targets, k->c->target_count, k->wanted, error);
    /* the same checks as a run's; gives the names */
    if (!failed)
        failed = ob_model_adapt(model, k->c->rank, k->c->rank, k->wanted, error);
    for (size_t i = 0; i < model->tensor_count && !failed; i++) {
        if (model->adapter_of[i] < 0)
            continue;
        const struct ob_model_tensor *a = &model->tensors[model->adapter_of[i]];
        struct ob_basis_tensor *tensor = &k->tensors[k->count];
        memcpy(tensor->name, a->name, sizeof tensor->name);
        tensor->in = a->shape[1];
        k->tensor_of[k->count++] = i;
    }
    return failed;
}

static enum ob_err open_all(struct calibrating *k, struct ob_error *error) {
    const struct ob_calibration *c = k->c;
    enum ob_err failed = ob_model_open(c->model, &k->model, error);
    if (failed)
        return failed;
    int64_t context = (int64_t)k->model->config.context;
    struct ob_cli_rows rows = {.model = c->model,
                               .config = &k->model->config,
                               .data = c->data,
                               .chat_template = c->chat_template,
                               .length = context < LENGTH ? context : LENGTH};
    failed = ob_cli_open_rows(&rows, &k->tokenizer, &k->corpus, error);
    if (failed)
        return failed;
    size_t items = ob_corpus_items(k->corpus), sequences = BATCH * ob_corpus_item_sequences(k->corpus),
           tokens = BATCH * ob_corpus_item_tokens(k->corpus);
    k->rows = (size_t)c->rows < items ? (size_t)c->rows : items;
    failed = ob_pool_new(ob_processors(), &k->pool, error);
    if (!failed)
        failed = ob_task_init(&k->task, sequences, error);
    if (!failed)
        failed = ob_forward_new(&k->model->config, tokens, sequences, k->pool, &k->forward, error);
    if (!failed)
        failed = ob_batch_new(sequences, tokens, &k->batch, error);
    return failed ? failed : choose(k, error);
}

static enum ob_err write_basis(struct calibrating *k, struct ob_calibrated *ret_calibrated,
                               struct ob_error *error) {
    const struct ob_calibration *c = k->c;
    struct ob_basis_facts facts = {
        .calibration = k->hash, .calibration_rows = k->rows, .rule = c->rule, .rank = c->rank};
    struct ob_basis *written = NULL;
    struct ob_calibrated out = {.rows = k->rows, .inputs = k->inputs, .energy = k->energy / (double)k->count};
    size_t bytes = 0;
    struct ob_progress_callback shown = ob_progress_of_bytes(c->progress);
    enum ob_err failed = ob_model_hash(k->model, &shown, &facts.base_hash, error);
    ob_progress_end(c->progress);
    if (!failed)
        failed = ob_basis_write(c->path, &facts, k->tensors, k->count, error);
    if (failed)
        return failed;
    failed = ob_basis_open(c->path, &written, error); /* as everybody will read it */
    if (!failed) {
        const uint8_t *data = ob_basis_bytes(written, &bytes);
        out.bytes = bytes;
        failed = ob_run_basis_name(data, bytes, &out.name, error);
    }
    ob_basis_free(written);
    if (!failed)
        *ret_calibrated = out;
    return failed;
}

static void close_all(struct calibrating *k) {
    for (size_t i = 0; i < k->count; i++)
        free(k->tensors[i].values);
    free(k->tensors);
    free(k->tensor_of);
    free(k->wanted);
    ob_batch_free(k->batch);
    ob_task_done(&k->task);
    ob_forward_free(k->forward);
    ob_pool_free(k->pool);
    ob_corpus_free(k->corpus);
    ob_tokenizer_free(k->tokenizer);
    ob_model_free(k->model);
}

enum ob_err ob_calibrate(const struct ob_calibration *calibration, struct ob_calibrated *ret_calibrated,
                         struct ob_error *error) {
    struct calibrating k = {.c = calibration};
    enum ob_err failed = open_all(&k, error);
    if (!failed)
        failed = calibrate_layers(&k, error);
    ob_progress_end(calibration->progress);
    if (!failed)
        failed = write_basis(&k, ret_calibrated, error);
    close_all(&k);
    return failed;
}
