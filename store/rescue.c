/* What is good of a damaged log is kept. Nothing is lost for the swarm: what is dropped here is fetched again
 * from peers; a peer does not sign before it has heard from others where its own chain ends. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "store/store_internal.h"

#define DAMAGED ".damaged"

static enum ob_err move_away(const struct ob_store *store, struct ob_error *error) {
    static const char *const ENDINGS[] = {"-wal", "-shm", ""};
    char from[OB_PATH_MAX], damaged[OB_PATH_MAX], to[OB_PATH_MAX];
    enum ob_err failed = ob_path_append(damaged, store->path, DAMAGED, error);
    for (size_t i = 0; i < sizeof ENDINGS / sizeof *ENDINGS; i++) {
        failed = failed ? failed : ob_path_append(from, store->path, ENDINGS[i], error);
        failed = failed ? failed : ob_path_append(to, damaged, ENDINGS[i], error);
        if (failed)
            return failed;
        (void)unlink(to);
        if (rename(from, to) != 0 && errno != ENOENT)
            return ob_fail(error, OB_EIO, "%s: cannot move to %s: %s", from, to, strerror(errno));
    }
    return ob_file_sync_folder(store->folder, error);
}

static enum ob_err keep_record(void *context, const struct ob_record *record, struct ob_error *error) {
    return ob_store_other(context, record, error);
}

struct keeping {
    struct ob_store *store;
    enum ob_err failed; /* of the new database */
    struct ob_error *error;
};

static enum ob_err keep_control(void *context, const void *data, size_t bytes, struct ob_error *error) {
    struct keeping *keeping = context;
    struct ob_control control;
    if (ob_store_check_control(keeping->store, data, bytes, error))
        return OB_OK; /* that one only */
    if (ob_control_decode(data, bytes, &control, error))
        return OB_OK;
    keeping->failed = ob_store_control(keeping->store, &control, data, bytes, keeping->error);
    return keeping->failed;
}

static enum ob_err keep_signed(struct ob_store *store, struct ob_store *old, struct ob_error *error) {
    struct ob_sample next;
    char text[24];
    if (ob_store_signed(old, &next, NULL) != OB_OK || next.index == 0)
        return OB_OK; /* unreadable: others must answer first anyway */
    int bytes = snprintf(text, sizeof text, "%llu", (unsigned long long)next.index);
    return ob_store_meta_put(store, "signed", text, (size_t)bytes, error);
}

/* Each chain up to its first damaged row. Errors are the new database's alone. */
static enum ob_err take_over(struct ob_store *store, struct ob_store *old, struct ob_error *error) {
    for (size_t i = 0; i < old->machine_count; i++) {
        struct ob_error ignored = {0};
        enum ob_err failed = ob_store_machine_records(old, &old->machines[i], (struct ob_sample){0},
                                                      keep_record, store, &ignored);
        if (failed == OB_EFULL || failed == OB_ENOMEM) {
            if (error)
                *error = ignored;
            return failed;
        }
    }
    struct ob_error ignored = {0};
    struct keeping keeping = {.store = store, .error = error};
    if (ob_store_each_control(old, keep_control, &keeping, &ignored) && keeping.failed)
        return keeping.failed;
    return ob_store_flush(store, error); /* where the old table ends early, peers have the rest */
}

enum ob_err ob_store_rescue_from(struct ob_store *store, const char *why, struct ob_error *error) {
    char place[1] = {'?'};
    ob_store_close_database(store);
    store->rescue.happened = true;
    (void)snprintf(store->rescue.why, sizeof store->rescue.why, "%s", why);
    enum ob_err failed = move_away(store, error);
    if (!failed)
        failed = ob_store_open_database(store, error);
    if (!failed) /* whatever the place was: something of our own chain may be gone */
        failed = ob_store_meta_put(store, "place", place, sizeof place, error);
    store->may_start_alone = false;
    struct ob_store *old = failed ? NULL : calloc(1, sizeof *old);
    if (!failed && !old)
        failed = ob_fail(error, OB_ENOMEM, "%s: out of memory", store->path);
    if (failed)
        return failed;
    old->lock = -1;
    old->run = store->run;
    old->bounds = store->bounds;
    old->read_only = true;
    struct ob_error ignored;
    if (ob_path_append(old->path, store->path, DAMAGED, &ignored) == OB_OK &&
        ob_store_open_database(old, &ignored) == OB_OK)
        failed = take_over(store, old, error);
    if (!failed && old->db)
        failed = keep_signed(store, old, error);
    ob_store_close_database(old);
    free(old);
    store->rescue.records = store->counts.records;
    return failed;
}
