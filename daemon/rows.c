#include "daemon/rows.h"

#include "model/convert/open_tokenizer.h"

enum ob_err ob_rows_open(const struct ob_config *config, const struct ob_model_config *model,
                         struct ob_pool *pool, struct ob_tokenizer **ret_tokenizer,
                         struct ob_corpus **ret_corpus, struct ob_error *error) {
    if ((uint64_t)config->length > model->context)
        return ob_fail(error, OB_EUSAGE, "[training] length is %lld, the model's context is %u",
                       (long long)config->length, model->context);
    enum ob_err failed = ob_tokenizer_open(config->model, ret_tokenizer, error);
    if (failed)
        return failed;
    struct ob_corpus_options options = {.length_max = (size_t)config->length,
                                        .shard = (uint32_t)config->shard,
                                        .shards = (uint32_t)config->shards,
                                        .model = config->model,
                                        .chat_template = config->chat_template,
                                        .embedding_rows = model->vocabulary,
                                        .pool = pool};
    return ob_corpus_open(config->data, *ret_tokenizer, &options, ret_corpus, error);
}

enum ob_err ob_rows_exponent_check(const struct ob_config *config, const struct ob_manifest *manifest,
                                   struct ob_error *error) {
    const struct ob_record_bounds *bounds = &manifest->bounds;
    if (config->exponent >= bounds->exponent_min && config->exponent <= bounds->exponent_max)
        return OB_OK;
    return ob_fail(error, OB_EUSAGE, "[training] exponent is %lld, the run allows %d to %d",
                   (long long)config->exponent, bounds->exponent_min, bounds->exponent_max);
}
