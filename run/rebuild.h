/* rebuild - weights made in scratch, a part of the leaves at a time, beside the ones that train:
 *
 *   as they were         the weights without some records that they hold (those above a named frontier): a
 *                        copy, out of which the records are taken, exactly. Costs a copy and the replay of
 *                        those records.
 *   as they ought to be  the base of the run and the records of a log. Costs a replay of these records, over
 *                        no more than the leaves that are asked for.
 *
 * Parts of at most OB_REBUILD_LEAVES leaves (64 MiB of scratch) are handed to `see`, in order, in the calling
 * thread; it may use the replica's pool. An error that it returns ends the rebuild.
 * Errors:  OB_ENOMEM, those of `see`; of a log: OB_EFORMAT, OB_EREFUSED name the row or the record. The
 *          weights are only read.
 * Threads: the one that owns the replica. */
#ifndef OB_RUN_REBUILD_H
#define OB_RUN_REBUILD_H

#include "run/replica.h"

#define OB_REBUILD_LEAVES 256

struct ob_rebuilt {
    size_t count;                       /* leaves of this part */
    const size_t *index;                /* of each: its number among all leaves */
    const struct ob_spsa_piece *pieces; /* of each: which leaf it is, and its values; valid during the call */
};
typedef enum ob_err (*ob_rebuilt_fn)(void *context, const struct ob_rebuilt *part, struct ob_error *error);

/* Every leaf of the weights without `extras`. */
OB_MUST_USE enum ob_err ob_rebuild_without(const struct ob_replica *replica,
                                           const struct ob_spsa_update *extras, size_t count,
                                           ob_rebuilt_fn see, void *context, struct ob_error *error);
/* The weights digest without `extras`: the digest at a named frontier. */
OB_MUST_USE enum ob_err ob_rebuild_digest(const struct ob_replica *replica,
                                          const struct ob_spsa_update *extras, size_t count,
                                          struct ob_hash *ret_digest, struct ob_error *error);

struct ob_rebuild_log {
    struct ob_store *store; /* read once for each part: hold it (ob_store_hold) when somebody writes to it */
    /* Which records count, a pure function of the record; NULL: all. */
    bool (*counts)(void *context, const struct ob_record *record);
    bool (*stopped)(void *context); /* asked now and then: true ends it with OB_ESTATE; NULL: never */
    void *context;
    bool verify; /* each signature, once */
};

/* The base and the log's records, for the leaves that `wanted` names (ob_spsa_leaf_count flags; NULL: all).
 */
OB_MUST_USE enum ob_err ob_rebuild_from_log(const struct ob_replica *replica,
                                            const struct ob_rebuild_log *log, const bool *wanted,
                                            ob_rebuilt_fn see, void *context, struct ob_error *error);

struct ob_heal {
    uint64_t records;         /* of the log that was replayed */
    uint64_t weights, leaves; /* that were wrong and are right now */
    uint32_t tensor;          /* the first that was wrong, when any was */
};
/* Compares the weights with base and log, and puts the rebuilt values where they differ; what the memory
 * check predicts is right again as well. */
OB_MUST_USE enum ob_err ob_rebuild_heal(struct ob_replica *replica, const struct ob_rebuild_log *log,
                                        const bool *wanted, struct ob_heal *ret_heal, struct ob_error *error);

#endif
