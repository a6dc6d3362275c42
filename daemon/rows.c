#include "daemon/rows.h"

#include "base/clock.h"
#include "base/path.h"
#include "daemon/progress_log.h"
#include "model/convert/open_tokenizer.h"

/* What the start should know about the rows. */
static void tell_rows(const struct ob_logger *logger, uint64_t start_ns, const struct ob_tokenizer *tokenizer,
                      const struct ob_model_config *model, const struct ob_corpus *corpus) {
    char text[600];
    int32_t first = -1;
    size_t beyond = ob_tokenizer_beyond(tokenizer, model->vocabulary, &first);
    const char *problem = ob_corpus_cache_problem(corpus);
    ob_log(logger, OB_LOG_INFO, "rows", "sequences=%zu tokens=%zu skipped=%zu seconds=%.1f text=\"%s\"",
           ob_corpus_sequences(corpus), ob_corpus_tokens(corpus), ob_corpus_skipped(corpus),
           ob_seconds_since(start_ns),
           ob_corpus_is_cached(corpus) ? "reusing the tokens of an earlier start" : "read and tokenized");
    if (problem != NULL)
        ob_log(logger, OB_LOG_WARN, "rows-cache", "text=%s", ob_logger_quote(problem, text, sizeof text));
    if (beyond > 0)
        ob_log(logger, OB_LOG_WARN, "vocabulary",
               "tokens=%zu first=%d text=\"the model's embedding has only %u rows, too few for these tokens "
               "of the tokenizer; rows that contain them are rejected\"",
               beyond, first, model->vocabulary);
}

static struct ob_corpus_options options_of(const struct ob_config *config,
                                           const struct ob_model_config *model, struct ob_pool *pool) {
    return (struct ob_corpus_options){.length_max = (size_t)config->length,
                                      .shard = (uint32_t)config->shard,
                                      .shards = (uint32_t)config->shards,
                                      .model = config->model,
                                      .chat_template = config->chat_template,
                                      .embedding_rows = model->vocabulary,
                                      .pool = pool};
}

static enum ob_err open_corpus(const struct ob_config *config, const struct ob_model_config *model,
                               struct ob_corpus_options options, const struct ob_logger *logger,
                               const struct ob_tokenizer *tokenizer, struct ob_corpus **ret_corpus,
                               struct ob_error *error) {
    char cache[OB_PATH_MAX];
    uint64_t start_ns = ob_now_ns();
    struct ob_progress_log lines = {.logger = logger, .kind = "rows"};
    struct ob_progress_callback progress = ob_progress_log_callback(&lines);
    if (logger == NULL)
        return ob_corpus_open(config->data, tokenizer, &options, ret_corpus, error);
    enum ob_err failed = ob_path_join(cache, config->state_dir, OB_ROWS_CACHE, error);
    options.cache = cache;
    options.progress = &progress;
    if (!failed)
        failed = ob_corpus_open(config->data, tokenizer, &options, ret_corpus, error);
    if (!failed)
        tell_rows(logger, start_ns, tokenizer, model, *ret_corpus);
    return failed;
}

enum ob_err ob_rows_open(const struct ob_config *config, const struct ob_model_config *model,
                         struct ob_pool *pool, const struct ob_logger *logger,
                         struct ob_tokenizer **ret_tokenizer, struct ob_corpus **ret_corpus,
                         struct ob_error *error) {
    if ((uint64_t)config->length > model->context)
        return ob_fail(error, OB_EUSAGE, "[training] length is %lld, but the model's context is %u",
                       (long long)config->length, model->context);
    enum ob_err failed = ob_tokenizer_open(config->model, ret_tokenizer, error);
    if (failed)
        return failed;
    struct ob_corpus_options options = options_of(config, model, pool);
    return open_corpus(config, model, options, logger, *ret_tokenizer, ret_corpus, error);
}

enum ob_err ob_rows_held_out(const struct ob_config *config, const struct ob_model_config *model,
                             struct ob_pool *pool, struct ob_tokenizer **tokenizer,
                             struct ob_corpus **ret_corpus, struct ob_error *error) {
    struct ob_corpus_options options = options_of(config, model, pool);
    enum ob_err failed = *tokenizer ? OB_OK : ob_tokenizer_open(config->model, tokenizer, error);
    return failed ? failed : ob_corpus_open(config->held_out, *tokenizer, &options, ret_corpus, error);
}

enum ob_err ob_rows_exponent_check(const struct ob_config *config, const struct ob_manifest *manifest,
                                   struct ob_error *error) {
    const struct ob_record_bounds *bounds = &manifest->bounds;
    if (config->exponent >= bounds->exponent_min && config->exponent <= bounds->exponent_max)
        return OB_OK;
    return ob_fail(error, OB_EUSAGE, "[training] exponent is %lld, but the run allows %d to %d",
                   (long long)config->exponent, bounds->exponent_min, bounds->exponent_max);
}
