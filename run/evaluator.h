/* evaluator - how well the weights of a replica do on held-out rows, at any earlier frontier: the records above it are taken
 * out, the rows evaluated, the records put back, all exactly.
 *
 * The rows are always the same ones, spread over the file, so that two frontiers are compared on one set: the difference of
 * two losses has far less noise than either.
 *
 * Errors:  OB_ENOMEM; those of model/forward/forward.h; OB_ESTATE when `stopped` said so: the weights are as they were.
 *          OB_EMISMATCH: what was taken out could not be put back; the weights have to be rebuilt.
 * Owns:    a forward pass in float32 with its buffers; borrows replica and corpus.
 * Threads: one at a time; between two calls anything may happen to the weights. */
#ifndef OB_RUN_EVALUATOR_H
#define OB_RUN_EVALUATOR_H

#include "model/data/corpus.h"
#include "record/score.h"
#include "run/replica.h"
#include "run/updates.h"

struct ob_evaluator;

/* rows: how many of the corpus (at most all are); `batch` items go through one forward pass. */
OB_MUST_USE enum ob_err ob_evaluator_new(struct ob_replica *replica, const struct ob_corpus *corpus,
                                         size_t rows, size_t batch, struct ob_evaluator **ret_evaluator,
                                         struct ob_error *error);
void ob_evaluator_free(struct ob_evaluator *evaluator);
size_t ob_evaluator_rows(const struct ob_evaluator *evaluator);
/* `without`: of what the weights hold, what does not belong to the frontier. */
OB_MUST_USE enum ob_err ob_evaluator_run(struct ob_evaluator *evaluator, const struct ob_updates *without,
                                         bool (*stopped)(void *context), void *context,
                                         struct ob_score *ret_score, struct ob_error *error);

#endif
