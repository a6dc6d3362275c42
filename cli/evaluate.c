#include "cli/evaluate.h"

#include <stdio.h>

#include "model/convert/open_tokenizer.h"
#include "model/forward/forward.h"

/* Fills the batch from item *at on, and moves *at behind what went in. */
static void fill(const struct ob_corpus *corpus, size_t *at, struct ob_batch *batch) {
    ob_batch_clear(batch);
    while (*at < ob_corpus_items(corpus) && ob_corpus_add(corpus, *at, batch))
        ++*at;
}

enum ob_err ob_cli_length(const struct ob_cli_rows *rows, size_t *ret_length, struct ob_error *error) {
    uint32_t context = rows->config->context;
    if (rows->length > (int64_t)context)
        return ob_fail(error, OB_EUSAGE, "--length is %lld, but the model's context is %u",
                       (long long)rows->length, context);
    *ret_length = rows->length > 0 ? (size_t)rows->length : context < 1024 ? context : 1024;
    return OB_OK;
}

void ob_cli_warn_vocabulary(const struct ob_tokenizer *tokenizer, const char *path,
                            const struct ob_model_config *config) {
    int32_t first = -1;
    size_t count = ob_tokenizer_beyond(tokenizer, config->vocabulary, &first);
    if (count > 0)
        (void)fprintf(stderr,
                      "onebyte: warning: %s: the model's embedding has only %u rows, too few for %zu of the "
                      "tokenizer's tokens (id %d and up); rows that contain them are rejected\n",
                      path, config->vocabulary, count, first);
}

enum ob_err ob_cli_open_rows(const struct ob_cli_rows *rows, struct ob_tokenizer **ret_tokenizer,
                             struct ob_corpus **ret_corpus, struct ob_error *error) {
    struct ob_progress shown = {0};
    struct ob_progress_callback progress = ob_progress_of_bytes(&shown);
    struct ob_corpus_options options = {.model = rows->model,
                                        .chat_template = rows->chat_template,
                                        .embedding_rows = rows->config->vocabulary,
                                        .progress = &progress,
                                        .report = rows->report,
                                        .context = rows->context};
    enum ob_err failed = ob_cli_length(rows, &options.length_max, error);
    if (!failed)
        failed = ob_tokenizer_open(rows->model, ret_tokenizer, error);
    if (!failed)
        ob_cli_warn_vocabulary(*ret_tokenizer, rows->model, rows->config);
    if (!failed)
        failed = ob_pool_new(ob_processors(), &options.pool, error);
    if (!failed)
        failed = ob_corpus_open(rows->data, *ret_tokenizer, &options, ret_corpus, error);
    ob_progress_end(&shown);
    ob_pool_free(options.pool);
    return failed;
}

enum ob_err ob_cli_evaluate(const struct ob_weight_source *source, const struct ob_corpus *corpus,
                            struct ob_pool *pool, size_t items, struct ob_progress *progress, uint64_t done,
                            struct ob_task_score *ret_score, struct ob_error *error) {
    size_t sequences = items * ob_corpus_item_sequences(corpus),
           tokens = items * ob_corpus_item_tokens(corpus);
    struct ob_forward *forward = NULL;
    struct ob_batch *batch = NULL;
    struct ob_task task = {0};
    struct ob_task_score score = {0};
    enum ob_err failed = ob_task_init(&task, sequences, error);
    if (!failed)
        failed = ob_forward_new(&source->model->config, tokens, sequences, pool, &forward, error);
    if (!failed)
        failed = ob_batch_new(sequences, tokens, &batch, error);
    for (size_t at = 0; !failed && at < ob_corpus_items(corpus);) {
        ob_progress_at(progress, done + at);
        fill(corpus, &at, batch);
        failed = ob_task_add_score(&task, forward, source, batch, &score, error);
    }
    if (!failed)
        *ret_score = score;
    ob_batch_free(batch);
    ob_forward_free(forward);
    ob_task_done(&task);
    return failed;
}

double ob_cli_loss(const struct ob_task_score *score, const struct ob_corpus *corpus) {
    return ob_corpus_has_choices(corpus) ? score->group_loss / (double)score->groups
                                         : score->token_loss / (double)score->targets;
}
