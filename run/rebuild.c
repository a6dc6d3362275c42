#include "run/rebuild.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/hex.h"
#include "record/sign.h"
#include "run/updates.h"
#include "spsa/memory_check.h"

struct scratch {
    const struct ob_replica *replica;
    int32_t *arena; /* OB_REBUILD_LEAVES leaves, or fewer when there are no more */
    size_t count;
    size_t index[OB_REBUILD_LEAVES];
    struct ob_spsa_piece pieces[OB_REBUILD_LEAVES];
};

static size_t leaves_of(const struct ob_replica *replica) {
    return ob_spsa_leaf_count(replica->weights->tensors, replica->weights->count);
}

static enum ob_err scratch_new(const struct ob_replica *replica, struct scratch **ret_scratch,
                               struct ob_error *error) {
    size_t leaves = leaves_of(replica);
    if (leaves > OB_REBUILD_LEAVES)
        leaves = OB_REBUILD_LEAVES;
    struct scratch *scratch = calloc(1, sizeof *scratch);
    int32_t *arena = aligned_alloc(64, leaves * OB_SPSA_LEAF_ELEMENTS * sizeof(int32_t));
    if (!scratch || !arena) {
        free(scratch);
        free(arena);
        return ob_fail(error, OB_ENOMEM, "not enough memory for %zu leaves of scratch", leaves);
    }
    scratch->replica = replica;
    scratch->arena = arena;
    *ret_scratch = scratch;
    return OB_OK;
}

static void scratch_free(struct scratch *scratch) {
    free(scratch->arena);
    free(scratch);
}

static int32_t *master_of(const struct ob_replica *replica, const struct ob_spsa_leaf *leaf) {
    return replica->weights->values[leaf->tensor] + leaf->first;
}

/* The next leaves that are wanted, from number `*at` on; false: there are no more. */
static bool next_part(struct scratch *scratch, const bool *wanted, size_t *at) {
    const struct ob_spsa_weights *weights = scratch->replica->weights;
    size_t leaves = leaves_of(scratch->replica);
    scratch->count = 0;
    if (*at >= leaves)
        return false;
    struct ob_spsa_leaf leaf = ob_spsa_leaf_at(weights->tensors, weights->count, *at);
    for (; *at < leaves && scratch->count < OB_REBUILD_LEAVES; ++*at) {
        if (!wanted || wanted[*at]) {
            size_t i = scratch->count++;
            scratch->index[i] = *at;
            scratch->pieces[i] =
                (struct ob_spsa_piece){.leaf = leaf, .values = scratch->arena + i * OB_SPSA_LEAF_ELEMENTS};
        }
        (void)ob_spsa_leaf_next(weights->tensors, weights->count, &leaf, &leaf);
    }
    return scratch->count > 0;
}

static enum ob_err show(const struct scratch *scratch, ob_rebuilt_fn see, void *context,
                        struct ob_error *error) {
    struct ob_rebuilt part = {.count = scratch->count, .index = scratch->index, .pieces = scratch->pieces};
    return see(context, &part, error);
}

static enum ob_err replay(struct scratch *scratch, const struct ob_spsa_update *updates, size_t count,
                          enum ob_spsa_way way, struct ob_error *error) {
    const struct ob_replica *replica = scratch->replica;
    return ob_spsa_replay_pieces(&replica->engine, replica->weights->tensors, &replica->manifest->rule,
                                 updates, count, way, scratch->pieces, scratch->count, error);
}

/* ---- as they were ---- */

static void copy_leaf(void *context, size_t i, unsigned thread) {
    (void)thread;
    struct scratch *scratch = context;
    const struct ob_spsa_piece *piece = &scratch->pieces[i];
    memcpy(piece->values, master_of(scratch->replica, &piece->leaf),
           piece->leaf.count * sizeof *piece->values);
}

enum ob_err ob_rebuild_without(const struct ob_replica *replica, const struct ob_spsa_update *extras,
                               size_t count, ob_rebuilt_fn see, void *context, struct ob_error *error) {
    struct scratch *scratch = NULL;
    enum ob_err failed = scratch_new(replica, &scratch, error);
    size_t at = 0;
    while (!failed && next_part(scratch, NULL, &at)) {
        ob_pool_run(replica->pool, scratch->count, copy_leaf, scratch);
        failed = replay(scratch, extras, count, OB_SPSA_UNAPPLY, error);
        if (!failed)
            failed = show(scratch, see, context, error);
    }
    if (scratch)
        scratch_free(scratch);
    return failed;
}

struct hashing {
    const struct ob_replica *replica;
    const struct ob_rebuilt *part;
    struct ob_hash *hashes; /* of all leaves */
};

static void hash_leaf(void *context, size_t i, unsigned thread) {
    (void)thread;
    const struct hashing *hashing = context;
    const struct ob_spsa_piece *piece = &hashing->part->pieces[i];
    hashing->hashes[hashing->part->index[i]] = ob_spsa_leaf_hash(&piece->leaf, piece->values);
}

static enum ob_err hash_part(void *context, const struct ob_rebuilt *part, struct ob_error *error) {
    (void)error;
    struct hashing *hashing = context;
    hashing->part = part;
    ob_pool_run(hashing->replica->pool, part->count, hash_leaf, hashing);
    return OB_OK;
}

enum ob_err ob_rebuild_digest(const struct ob_replica *replica, const struct ob_spsa_update *extras,
                              size_t count, struct ob_hash *ret_digest, struct ob_error *error) {
    if (count == 0)
        return ob_replica_digest(replica, ret_digest, error);
    struct hashing hashing = {.replica = replica,
                              .hashes = calloc(leaves_of(replica), sizeof *hashing.hashes)};
    if (!hashing.hashes)
        return ob_fail(error, OB_ENOMEM, "digest: out of memory");
    enum ob_err failed = ob_rebuild_without(replica, extras, count, hash_part, &hashing, error);
    if (!failed)
        *ret_digest = ob_spsa_root_hash(replica->weights->tensors, replica->weights->count, hashing.hashes);
    free(hashing.hashes);
    return failed;
}

/* ---- as they ought to be ---- */

struct reading {
    const struct ob_rebuild_log *log;
    struct scratch *scratch;
    bool verify;
    uint64_t records;
    struct ob_updates updates;
};

static enum ob_err flush(struct reading *reading, struct ob_error *error) {
    if (reading->log->stopped && reading->log->stopped(reading->log->context))
        return ob_fail(error, OB_ESTATE, "the rebuild was stopped");
    enum ob_err failed =
        replay(reading->scratch, reading->updates.items, reading->updates.count, OB_SPSA_APPLY, error);
    ob_updates_clear(&reading->updates);
    return failed;
}

static enum ob_err check_signature(const struct reading *reading, const struct ob_record *record,
                                   struct ob_error *error) {
    uint8_t body[OB_RECORD_BODY_BYTES_MAX];
    size_t bytes = ob_record_body(&reading->scratch->replica->manifest->run, record, body);
    if (ob_record_ed25519_verify(NULL, &record->machine, body, bytes, record->signature))
        return OB_OK;
    char key[OB_HEX_SHORT_MAX];
    return ob_fail(error, OB_EREFUSED,
                   "the log is damaged: the record of machine %s at sample %llu has a bad signature",
                   ob_hex_short(&record->machine, key), (unsigned long long)record->first.index);
}

static enum ob_err read_record(void *context, const struct ob_record *record, struct ob_error *error) {
    struct reading *reading = context;
    enum ob_err failed = reading->verify ? check_signature(reading, record, error) : OB_OK;
    if (failed || (reading->log->counts && !reading->log->counts(reading->log->context, record)))
        return failed;
    reading->records++;
    failed = ob_updates_add(&reading->updates, record, error);
    return failed || !ob_updates_many(&reading->updates) ? failed : flush(reading, error);
}

static enum ob_err load_base(struct scratch *scratch, struct ob_error *error) {
    enum ob_err failed = OB_OK;
    for (size_t i = 0; i < scratch->count && !failed; i++) {
        const struct ob_spsa_leaf *leaf = &scratch->pieces[i].leaf;
        failed = ob_replica_base(scratch->replica, leaf->tensor, leaf->first, leaf->count,
                                 scratch->pieces[i].values, error);
    }
    return failed;
}

static enum ob_err rebuild(const struct ob_replica *replica, const struct ob_rebuild_log *log,
                           const bool *wanted, ob_rebuilt_fn see, void *context, uint64_t *ret_records,
                           struct ob_error *error) {
    struct reading reading = {.log = log, .verify = log->verify};
    enum ob_err failed = scratch_new(replica, &reading.scratch, error);
    size_t at = 0;
    while (!failed && next_part(reading.scratch, wanted, &at)) {
        reading.records = 0;
        failed = load_base(reading.scratch, error);
        if (!failed)
            failed = ob_store_each(log->store, read_record, &reading, error);
        if (!failed)
            failed = flush(&reading, error);
        if (!failed)
            failed = show(reading.scratch, see, context, error);
        reading.verify = false; /* it is the same log */
    }
    *ret_records = reading.records;
    ob_updates_done(&reading.updates);
    if (reading.scratch)
        scratch_free(reading.scratch);
    return failed;
}

enum ob_err ob_rebuild_from_log(const struct ob_replica *replica, const struct ob_rebuild_log *log,
                                const bool *wanted, ob_rebuilt_fn see, void *context,
                                struct ob_error *error) {
    uint64_t records;
    return rebuild(replica, log, wanted, see, context, &records, error);
}

struct healing {
    struct ob_replica *replica;
    struct ob_heal *heal;
};

static enum ob_err heal_part(void *context, const struct ob_rebuilt *part, struct ob_error *error) {
    (void)error;
    const struct healing *healing = context;
    struct ob_replica *replica = healing->replica;
    for (size_t i = 0; i < part->count; i++) {
        const struct ob_spsa_leaf *leaf = &part->pieces[i].leaf;
        const int32_t *right = part->pieces[i].values;
        int32_t *values = master_of(replica, leaf);
        uint64_t wrong = 0;
        for (size_t j = 0; j < leaf->count; j++)
            wrong += values[j] != right[j];
        if (wrong > 0) {
            memcpy(values, right, leaf->count * sizeof *values);
            if (healing->heal->leaves++ == 0)
                healing->heal->tensor = leaf->tensor;
            healing->heal->weights += wrong;
        }
        if (replica->weights->sums)
            replica->weights->sums[part->index[i]] = ob_spsa_sum(&replica->engine, right, leaf->count);
    }
    return OB_OK;
}

enum ob_err ob_rebuild_heal(struct ob_replica *replica, const struct ob_rebuild_log *log, const bool *wanted,
                            struct ob_heal *ret_heal, struct ob_error *error) {
    struct ob_heal heal = {0};
    struct healing healing = {.replica = replica, .heal = &heal};
    enum ob_err failed = rebuild(replica, log, wanted, heal_part, &healing, &heal.records, error);
    if (!failed)
        *ret_heal = heal;
    return failed;
}
