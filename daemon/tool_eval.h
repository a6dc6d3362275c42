/* tool_eval - how well weights do on a file of held-out rows: shared by the subcommands that say so.
 * Errors: those of model/corpus.h, model/forward.h. Threads: one at a time. */
#ifndef OB_DAEMON_TOOL_EVAL_H
#define OB_DAEMON_TOOL_EVAL_H

#include "model/corpus.h"
#include "model/task.h"

/* length: of a sequence, in tokens; 0, or more than the model's context: the context, 1024 at most. The
 * caller frees both, also after a failure. */
OB_MUST_USE enum ob_err ob_tool_open_rows(const char *model_path, const struct ob_model_config *config,
                                          const char *data, int64_t length,
                                          struct ob_tokenizer **ret_tokenizer, struct ob_corpus **ret_corpus,
                                          struct ob_error *error);
/* Over all rows, `items` of them in one forward pass. */
OB_MUST_USE enum ob_err ob_tool_evaluate(const struct ob_weight_source *source,
                                         const struct ob_corpus *corpus, struct ob_pool *pool, size_t items,
                                         struct ob_task_score *ret_score, struct ob_error *error);
/* Nats: a token, or, of rows with choices, a choice. */
double ob_tool_loss(const struct ob_task_score *score, const struct ob_corpus *corpus);

#endif
