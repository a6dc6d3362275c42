/* evaluate - how well weights do on a file of held-out rows: shared by the commands that measure it.
 * Errors:  those of model/data/corpus.h, model/forward/forward.h.
 * Threads: one at a time. */
#ifndef OB_CLI_EVALUATE_H
#define OB_CLI_EVALUATE_H

#include "cli/progress.h"
#include "model/data/corpus.h"
#include "model/data/loss.h"

#define OB_LENGTH_MAX (1 << 20)
#define OB_OPTION_LENGTH(type)                                                                               \
    {                                                                                                        \
        "length", "N", "longest row in tokens; longer ones are cut; 0: the model's context, at most 1024",   \
            OB_ARGUMENT(type, length), .low = 0, .high = OB_LENGTH_MAX, .fallback = "0"                      \
    }
#define OB_OPTION_BATCH(type)                                                                                \
    {                                                                                                        \
        "batch", "N", "rows per forward pass", OB_ARGUMENT(type, batch), .low = 1, .high = 4096,             \
                                                                         .fallback = "8"                     \
    }

struct ob_cli_rows {
    const char *model; /* its path */
    const struct ob_model_config *config;
    const char *data, *chat_template; /* NULL: the model's own */
    int64_t
        length; /* of a sequence, in tokens; 0: the model's context, 1024 at most; beyond the context: OB_EUSAGE */
    void (*report)(void *context, const struct ob_row_report *report); /* model/data/corpus.h */
    void *context;
};

/* Says on standard error when tokens have no row in the embedding of the model at `path`. */
void ob_cli_warn_vocabulary(const struct ob_tokenizer *tokenizer, const char *path,
                            const struct ob_model_config *config);
/* The length that rows are cut to. */
OB_MUST_USE enum ob_err ob_cli_length(const struct ob_cli_rows *rows, size_t *ret_length,
                                      struct ob_error *error);
/* The caller frees both, also after a failure. */
OB_MUST_USE enum ob_err ob_cli_open_rows(const struct ob_cli_rows *rows, struct ob_tokenizer **ret_tokenizer,
                                         struct ob_corpus **ret_corpus, struct ob_error *error);
/* Over all rows, `items` of them in one forward pass. `done` are before them for `progress` (NULL: none), which counts rows. */
OB_MUST_USE enum ob_err ob_cli_evaluate(const struct ob_weight_source *source, const struct ob_corpus *corpus,
                                        struct ob_pool *pool, size_t items, struct ob_progress *progress,
                                        uint64_t done, struct ob_task_score *ret_score,
                                        struct ob_error *error);
/* Nats: per token, or, of rows with choices, per choice. NaN without rows. */
double ob_cli_loss(const struct ob_task_score *score, const struct ob_corpus *corpus);

#endif
