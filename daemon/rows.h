/* rows - what [training] names: the tokenizer of the model and the rows of [training] data, and whether its numbers fit the
 * run and the model.
 *
 * Errors:  OB_EUSAGE, a key of [training] that does not fit; those of tokenizers and corpora: name the file.
 * Owns:    the caller frees what it gets; the tokenizer must outlive the corpus.
 * Threads: one at a time. */
#ifndef OB_DAEMON_ROWS_H
#define OB_DAEMON_ROWS_H

#include "daemon/config.h"
#include "model/data/corpus.h"
#include "model/families/config.h"
#include "run/logger.h"
#include "run/manifest.h"

#define OB_ROWS_CACHE "rows.cache" /* in the state directory: the tokens, kept for the next start */

/* *ret_* are set as far as it came, also when it fails. pool: shares the work of reading; NULL: one thread. logger: hears how
 * far it is, and tokens are kept in the state directory; NULL: nothing is written. */
OB_MUST_USE enum ob_err ob_rows_open(const struct ob_config *config, const struct ob_model_config *model,
                                     struct ob_pool *pool, const struct ob_logger *logger,
                                     struct ob_tokenizer **ret_tokenizer, struct ob_corpus **ret_corpus,
                                     struct ob_error *error);
/* Those of [training] held_out, cut as the others, of the same shard. *tokenizer: opened when it is NULL, the caller's. */
OB_MUST_USE enum ob_err ob_rows_held_out(const struct ob_config *config, const struct ob_model_config *model,
                                         struct ob_pool *pool, struct ob_tokenizer **tokenizer,
                                         struct ob_corpus **ret_corpus, struct ob_error *error);
OB_MUST_USE enum ob_err ob_rows_exponent_check(const struct ob_config *config,
                                               const struct ob_manifest *manifest, struct ob_error *error);

#endif
