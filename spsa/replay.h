/* replay - turning records into weights, any number in one pass over memory, and back.
 *
 * Wrapping integer additions: any order, grouping, thread count or kernel gives the same bits.
 * Samples are taken in groups of OB_SPSA_GROUP for each chunk of a tensor, so that a chunk is read and
 * written once per group while it is in cache.
 * Errors:  OB_ENOMEM (weights untouched).
 * Threads: the only writer of the weights; uses engine->pool. */
#ifndef OB_SPSA_REPLAY_H
#define OB_SPSA_REPLAY_H

#include "spsa/update.h"

#define OB_SPSA_GROUP 64

OB_MUST_USE enum ob_err ob_spsa_apply(const struct ob_spsa_engine *engine, struct ob_spsa_weights *weights,
                                      const struct ob_spsa_rule *rule, const struct ob_spsa_update *updates,
                                      size_t count, struct ob_error *error);
/* The exact inverse. */
OB_MUST_USE enum ob_err ob_spsa_unapply(const struct ob_spsa_engine *engine, struct ob_spsa_weights *weights,
                                        const struct ob_spsa_rule *rule, const struct ob_spsa_update *updates,
                                        size_t count, struct ob_error *error);

#endif
