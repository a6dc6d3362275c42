#include "run/evaluator.h"

#include <math.h>
#include <stdlib.h>

#include "model/data/loss.h"
#include "model/forward/forward.h"

struct ob_evaluator {
    struct ob_replica *replica;
    const struct ob_corpus *corpus;
    size_t rows, batch_items, stride; /* row number i is item i * stride mod items */
    struct ob_forward *forward;
    struct ob_batch *batch;
    struct ob_task task;
};

static size_t common_divisor(size_t a, size_t b) {
    while (b > 0) {
        size_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* Near the golden section of the items, so that any number of rows is spread evenly, and without a common divisor. */
static size_t stride_for(size_t items) {
    size_t stride = (size_t)(0.6180339887 * (double)items);
    for (stride = stride > 0 ? stride : 1; common_divisor(stride, items) != 1; stride++)
        continue;
    return stride;
}

enum ob_err ob_evaluator_new(struct ob_replica *replica, const struct ob_corpus *corpus, size_t rows,
                             size_t batch, struct ob_evaluator **ret_evaluator, struct ob_error *error) {
    struct ob_evaluator *e = calloc(1, sizeof *e);
    size_t items = ob_corpus_items(corpus);
    if (!e)
        return ob_fail(error, OB_ENOMEM, "not enough memory to evaluate held-out rows");
    *e = (struct ob_evaluator){.replica = replica,
                               .corpus = corpus,
                               .rows = rows < items ? rows : items,
                               .batch_items = ob_corpus_has_choices(corpus) ? 1 : batch,
                               .stride = stride_for(items)};
    size_t sequences = e->batch_items * ob_corpus_item_sequences(corpus);
    size_t tokens = e->batch_items * ob_corpus_item_tokens(corpus);
    enum ob_err failed =
        ob_forward_new(&replica->model->config, tokens, sequences, replica->pool, &e->forward, error);
    if (!failed)
        failed = ob_batch_new(sequences, tokens, &e->batch, error);
    if (!failed)
        failed = ob_task_init(&e->task, sequences, error);
    if (failed)
        ob_evaluator_free(e);
    else
        *ret_evaluator = e;
    return failed;
}

void ob_evaluator_free(struct ob_evaluator *e) {
    if (!e)
        return;
    ob_task_done(&e->task);
    ob_batch_free(e->batch);
    ob_forward_free(e->forward);
    free(e);
}

size_t ob_evaluator_rows(const struct ob_evaluator *e) {
    return e->rows;
}

static enum ob_err score_sequences(struct ob_evaluator *e, const struct ob_weight_source *source,
                                   struct ob_score *score, struct ob_error *error) {
    enum ob_err failed =
        ob_forward_sequence_losses(e->forward, source, e->batch, e->task.sums, e->task.counts, error);
    for (size_t s = 0; !failed && s < e->batch->sequences; s++)
        ob_score_item(score, e->task.sums[s], e->task.counts[s]);
    return failed;
}

static enum ob_err score_group(struct ob_evaluator *e, const struct ob_weight_source *source,
                               struct ob_score *score, struct ob_error *error) {
    struct ob_task_score group = {0};
    enum ob_err failed = ob_task_add_score(&e->task, e->forward, source, e->batch, &group, error);
    if (failed)
        return failed;
    ob_score_item(score, group.group_loss, 1);
    score->choices++;
    score->right += group.right;
    return OB_OK;
}

static enum ob_err evaluate(struct ob_evaluator *e, bool (*stopped)(void *), void *context,
                            struct ob_score *score, struct ob_error *error) {
    struct ob_weight_source source = ob_replica_source(e->replica);
    size_t items = ob_corpus_items(e->corpus);
    enum ob_err failed = OB_OK;
    for (size_t i = 0; i < e->rows && !failed;) {
        if (stopped && stopped(context))
            return ob_fail(error, OB_ESTATE, "stopped");
        ob_batch_clear(e->batch);
        for (size_t k = 0; k < e->batch_items && i < e->rows; k++, i++)
            (void)ob_corpus_add(e->corpus, (size_t)((unsigned __int128)i * e->stride % items), e->batch);
        failed = e->batch->groups > 0 ? score_group(e, &source, score, error)
                                      : score_sequences(e, &source, score, error);
    }
    if (!failed && !isfinite(score->loss))
        return ob_fail(error, OB_ENOTFINITE, "the loss on the held-out rows is not finite");
    return failed;
}

enum ob_err ob_evaluator_run(struct ob_evaluator *e, const struct ob_updates *without,
                             bool (*stopped)(void *), void *context, struct ob_score *ret_score,
                             struct ob_error *error) {
    struct ob_score score = {0};
    struct ob_error why = {0};
    enum ob_err failed = ob_replica_unapply(e->replica, without->items, without->count, error);
    if (failed)
        return failed;
    failed = evaluate(e, stopped, context, &score, error);
    if (ob_replica_apply(e->replica, without->items, without->count, &why))
        return ob_fail(error, OB_EMISMATCH, "records that were taken out cannot be put back: %s", why.text);
    if (!failed)
        *ret_score = score;
    return failed;
}
