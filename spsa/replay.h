/* replay - applies records to the weights, any number in one pass over memory, and removes them again.
 *
 * Wrapping integer additions: any order, grouping, thread count or kernel gives the same bits.
 * Samples are taken in groups of OB_SPSA_GROUP for each leaf, so that a part of it is read and written once
 * per group while it is in cache.
 * Errors:  OB_ENOMEM (weights untouched).
 * Threads: the only writer of the weights, or of the pieces; uses engine->pool. */
#ifndef OB_SPSA_REPLAY_H
#define OB_SPSA_REPLAY_H

#include "spsa/leaf.h"
#include "spsa/samples.h"
#include "spsa/update.h"

/* Keeps weights->sums up to date when they are checked (spsa/memory_check.h). */
OB_MUST_USE enum ob_err ob_spsa_apply(const struct ob_spsa_engine *engine, struct ob_spsa_weights *weights,
                                      const struct ob_spsa_rule *rule, const struct ob_spsa_update *updates,
                                      size_t count, struct ob_error *error);
/* The exact inverse. */
OB_MUST_USE enum ob_err ob_spsa_unapply(const struct ob_spsa_engine *engine, struct ob_spsa_weights *weights,
                                        const struct ob_spsa_rule *rule, const struct ob_spsa_update *updates,
                                        size_t count, struct ob_error *error);

/* A leaf in the caller's storage: scratch, in which records can be taken out of a copy of the weights, or
 * applied to a copy of the base, without the weights. */
struct ob_spsa_piece {
    struct ob_spsa_leaf leaf;
    int32_t *values; /* room for whole blocks: OB_SPSA_LEAF_ELEMENTS of them is always enough */
    uint32_t *sum; /* what the updates add to the sum of its values mod 2^32 is added to it; NULL: nothing */
};

enum ob_spsa_way { OB_SPSA_APPLY, OB_SPSA_UNAPPLY };

/* The same for some leaves only, all distinct; `tensors`: all of the run. */
OB_MUST_USE enum ob_err ob_spsa_replay_pieces(const struct ob_spsa_engine *engine,
                                              const struct ob_spsa_tensor *tensors,
                                              const struct ob_spsa_rule *rule,
                                              const struct ob_spsa_update *updates, size_t count,
                                              enum ob_spsa_way way, const struct ob_spsa_piece *pieces,
                                              size_t piece_count, struct ob_error *error);

#endif
