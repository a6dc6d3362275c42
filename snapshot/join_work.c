#include "snapshot/join_work.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "run/rebuild.h"

#define MEASURED_LEAVES  16
#define MEASURED_SAMPLES 64

enum ob_err ob_join_work_new(enum ob_join_work_kind kind, struct ob_replica *replica,
                             struct ob_join_work **ret_work, struct ob_error *error) {
    struct ob_join_work *work = calloc(1, sizeof *work);
    if (!work)
        return ob_fail(error, OB_ENOMEM, "not enough memory to join from a snapshot");
    work->kind = kind;
    work->replica = replica;
    atomic_init(&work->stop, false);
    atomic_init(&work->samples, 0);
    *ret_work = work;
    return OB_OK;
}

void ob_join_work_free(struct ob_join_work *work) {
    if (!work)
        return;
    ob_store_close(work->store);
    free(work);
}

/* ---- how long does a sample take? ---- */

static double elements_of(const struct ob_spsa_weights *weights) {
    double elements = 0;
    for (size_t t = 0; t < weights->count; t++)
        elements += (double)weights->tensors[t].elements;
    return elements;
}

/* Made-up records on leaves of zeros: replay does not care. */
static enum ob_err measure(struct ob_join_work *work, struct ob_error *error) {
    const struct ob_replica *replica = work->replica;
    const struct ob_spsa_weights *weights = replica->weights;
    struct ob_spsa_piece pieces[MEASURED_LEAVES];
    uint8_t bytes[MEASURED_SAMPLES];
    struct ob_spsa_update update = {.live = 1, .n = MEASURED_SAMPLES, .bytes = bytes};
    size_t leaves = ob_spsa_leaf_count(weights->tensors, weights->count), count = 0;
    double elements = 0;
    int32_t *arena = aligned_alloc(64, MEASURED_LEAVES * OB_SPSA_LEAF_ELEMENTS * sizeof *arena);
    if (!arena)
        return ob_fail(error, OB_ENOMEM, "not enough memory to measure the replay");
    memset(arena, 0, MEASURED_LEAVES * OB_SPSA_LEAF_ELEMENTS * sizeof *arena);
    memset(bytes, 0x50, sizeof bytes);
    for (; count < MEASURED_LEAVES && count < leaves; count++) {
        pieces[count] = (struct ob_spsa_piece){
            .leaf = ob_spsa_leaf_at(weights->tensors, weights->count, count * leaves / MEASURED_LEAVES),
            .values = arena + count * OB_SPSA_LEAF_ELEMENTS};
        if (leaves < MEASURED_LEAVES)
            pieces[count].leaf = ob_spsa_leaf_at(weights->tensors, weights->count, count);
        elements += (double)pieces[count].leaf.count;
    }
    uint64_t start = ob_now_ns();
    enum ob_err failed = ob_spsa_replay_pieces(&replica->engine, weights->tensors, &replica->manifest->rule,
                                               &update, 1, OB_SPSA_APPLY, pieces, count, error);
    work->replay_seconds =
        ob_seconds_since(start) / MEASURED_SAMPLES * (elements_of(weights) / elements) + 1e-12;
    free(arena);
    return failed;
}

/* ---- is it true? ---- */

struct checking {
    struct ob_join_work *work;
    const struct ob_snapshot_file *file;
};

static bool is_stopped(void *context) {
    return atomic_load(&((const struct checking *)context)->work->stop);
}

static bool is_below(void *context, const struct ob_record *record) {
    const struct checking *checking = context;
    return ob_snapshot_holds(checking->file->table, &record->machine, record->first);
}

static enum ob_err compare(void *context, const struct ob_rebuilt *part, struct ob_error *error) {
    const struct checking *checking = context;
    const struct ob_snapshot_file *file = checking->file;
    for (size_t i = 0; i < part->count; i++) {
        struct ob_hash hash = ob_spsa_leaf_hash(&part->pieces[i].leaf, part->pieces[i].values);
        if (!ob_hash_equal(&hash, &file->table->leaves[part->index[i]]))
            return ob_fail(error, OB_EMISMATCH,
                           "leaf %zu (tensor %s) of the snapshot does not match the base model and the log",
                           part->index[i], file->manifest->tensors[part->pieces[i].leaf.tensor].name);
        checking->work->checked++;
    }
    return OB_OK;
}

static bool *draw_leaves(size_t leaves) {
    bool *wanted = calloc(leaves, sizeof *wanted);
    for (size_t left = leaves < OB_SNAPSHOT_CHECKED ? leaves : OB_SNAPSHOT_CHECKED; wanted && left > 0;) {
        size_t leaf = randombytes_uniform((uint32_t)leaves);
        left -= !wanted[leaf];
        wanted[leaf] = true;
    }
    return wanted;
}

static enum ob_err check(struct ob_join_work *work, const struct ob_snapshot_file *file,
                         struct ob_error *error) {
    struct checking checking = {.work = work, .file = file};
    struct ob_rebuild_log log = {
        .store = work->store, .counts = is_below, .stopped = is_stopped, .context = &checking};
    bool *wanted = draw_leaves(file->table->leaf_count);
    if (!wanted)
        return ob_fail(error, OB_ENOMEM, "not enough memory to verify a snapshot");
    enum ob_err failed = ob_rebuild_from_log(work->replica, &log, wanted, compare, &checking, error);
    free(wanted);
    return failed;
}

/* ---- the weights ---- */

struct above {
    struct ob_join_work *work;
    const struct ob_snapshot *held; /* NULL: nothing */
};

static bool is_above(void *context, const struct ob_record *record) {
    const struct above *above = context;
    if (atomic_load(&above->work->stop) ||
        (above->held && ob_snapshot_holds(above->held, &record->machine, record->first)))
        return false;
    atomic_fetch_add(&above->work->samples, record->n);
    return true;
}

static enum ob_err replay_above(struct ob_join_work *work, const struct ob_snapshot *held,
                                struct ob_error *error) {
    struct above above = {.work = work, .held = held};
    return ob_replica_replay(work->replica, work->store, is_above, &above, error);
}

static enum ob_err use(struct ob_join_work *work, const struct ob_snapshot_file *file,
                       struct ob_error *error) {
    struct ob_error why = {0};
    enum ob_err failed = ob_snapshot_load(file, work->replica, &why);
    if (failed) { /* our disk: the weights are neither */
        memcpy(work->text, why.text, sizeof work->text);
        failed = ob_replica_to_base(work->replica, error);
        return failed ? failed : replay_above(work, NULL, error);
    }
    work->used = true;
    failed = replay_above(work, file->table, error);
    if (!failed && ob_snapshot_commit(work->incoming, work->path, work->folder, &why))
        work->path[0] = 0; /* the weights are right all the same */
    return failed;
}

static enum ob_err check_and_use(struct ob_join_work *work, struct ob_error *error) {
    struct ob_snapshot_file *file = NULL;
    struct ob_error why = {0};
    enum ob_err failed = ob_snapshot_open(work->incoming, work->replica->manifest, &file, &why);
    if (!failed)
        failed = check(work, file, &why);
    if (!failed)
        failed = use(work, file, error);
    else if (failed == OB_EMISMATCH || failed == OB_EFORMAT || failed == OB_EIO || failed == OB_ENOTFOUND) {
        memcpy(work->text, why.text, sizeof work->text);
        failed = replay_above(work, work->had, error);
    } else if (failed == OB_ESTATE) {
        failed = OB_OK; /* we are leaving */
    } else if (error) {
        *error = why;
    }
    ob_snapshot_close(file);
    return failed;
}

enum ob_err ob_join_work_run(void *context, struct ob_error *error) {
    struct ob_join_work *work = context;
    switch (work->kind) {
    case OB_JOIN_MEASURE:
        return measure(work, error);
    case OB_JOIN_REPLAY:
        return replay_above(work, work->had, error);
    case OB_JOIN_CHECK:
        return check_and_use(work, error);
    }
    return OB_OK;
}
