/* replica - the weights of one run on this machine: base ⊕ records, and what is needed to compute with them.
 *
 * Errors:  OB_EMISMATCH when the model is not the run's base (its hash, tensors or shapes differ).
 * Owns:    model, weights, engine's pool.
 * Threads: one at a time. */
#ifndef OB_RUN_REPLICA_H
#define OB_RUN_REPLICA_H

#include "model/families/weight_source.h"
#include "run/manifest.h"
#include "run/updates.h"
#include "spsa/digest.h"
#include "spsa/replay.h"
#include "store/store.h"

struct ob_replica {
    const struct ob_manifest *manifest; /* borrowed */
    struct ob_model *model;
    struct ob_pool *pool;
    struct ob_spsa_engine engine;
    struct ob_race race; /* that chose the engine's kernels */
    struct ob_spsa_weights *weights;
    int64_t *trainable;   /* for each model tensor its number in the manifest, or -1 */
    size_t *model_tensor; /* for each of the manifest's, its number in the model */
    uint64_t samples;     /* applied so far */
};

/* threads: 0 is all processors that this process may use. `progress` (NULL: nobody) counts bytes of float32: the base is
 * hashed, then loaded. */
OB_MUST_USE enum ob_err ob_replica_new(const struct ob_manifest *manifest, const char *model_folder,
                                       unsigned threads, const struct ob_progress_callback *progress,
                                       struct ob_replica **ret_replica, struct ob_error *error);
void ob_replica_free(struct ob_replica *replica);

struct ob_weight_source ob_replica_source(const struct ob_replica *replica);
/* What elements [first, first + count) of the manifest's tensor `tensor` begin as. */
OB_MUST_USE enum ob_err ob_replica_base(const struct ob_replica *replica, size_t tensor, uint64_t first,
                                        size_t count, int32_t *ret_values, struct ob_error *error);
OB_MUST_USE enum ob_err ob_replica_apply(struct ob_replica *replica, const struct ob_spsa_update *updates,
                                         size_t count, struct ob_error *error);
/* The exact inverse. */
OB_MUST_USE enum ob_err ob_replica_unapply(struct ob_replica *replica, const struct ob_spsa_update *updates,
                                           size_t count, struct ob_error *error);
/* Whatever holds records in chain order, machine after machine: calls `see` for each (ob_store_each). */
typedef enum ob_err (*ob_record_source_fn)(void *source, ob_store_record_fn see, void *context,
                                           struct ob_error *error);
/* Applies what a source holds, many records at a time: those that `counts` says yes to; NULL: all. */
OB_MUST_USE enum ob_err ob_replica_replay_from(struct ob_replica *replica, ob_record_source_fn each,
                                               void *source,
                                               bool (*counts)(void *context, const struct ob_record *record),
                                               void *context, struct ob_error *error);
/* The same of a store. */
OB_MUST_USE enum ob_err ob_replica_replay(struct ob_replica *replica, struct ob_store *store,
                                          bool (*counts)(void *context, const struct ob_record *record),
                                          void *context, struct ob_error *error);
/* The weights become the base again. */
OB_MUST_USE enum ob_err ob_replica_to_base(struct ob_replica *replica, struct ob_error *error);
OB_MUST_USE enum ob_err ob_replica_digest(const struct ob_replica *replica, struct ob_hash *ret_digest,
                                          struct ob_error *error);

#endif
