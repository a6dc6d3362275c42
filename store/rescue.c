/* What is good of a damaged log is kept. Nothing is lost for the swarm: what is dropped here is fetched again
 * from peers; a peer does not sign before it has heard from others where its own chain ends. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/access.h"
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
            return ob_access_fail(error, from, "cannot move to " DAMAGED, errno);
    }
    return ob_file_sync_folder(store->folder, error);
}

/* ---- what is good of it ---- */

struct rescue {
    struct ob_store *store, *old;
    struct ob_pool *pool;
    enum ob_err failed; /* of the new database */
    struct ob_error *error;
};

static void name(struct ob_store_rescue *rescue, const char *what) {
    if (rescue->count < OB_STORE_DROPPED_MAX)
        (void)snprintf(rescue->dropped[rescue->count], OB_STORE_DROPPED_TEXT, "%s", what);
    rescue->count++;
}

static enum ob_err keep_record(void *context, const struct ob_record *record, struct ob_error *error) {
    struct rescue *r = context;
    (void)error;
    r->failed = ob_store_other(r->store, record, r->error);
    return r->failed;
}

/* Each chain up to its first record that is not good. */
static enum ob_err keep_records(struct rescue *r) {
    for (size_t i = 0; i < r->old->machine_count && !r->failed; i++) {
        struct ob_error why = {0};
        enum ob_err failed = ob_store_verified(r->old, &r->old->machines[i], r->pool, keep_record, r, &why);
        if (failed == OB_ENOMEM)
            r->failed = ob_fail(r->error, failed, "%s", why.text);
        else if (failed && !r->failed)
            name(&r->store->rescue, why.text);
    }
    return r->failed;
}

static enum ob_err keep_entry(void *context, const struct ob_store_entry *entry, struct ob_error *error) {
    struct rescue *r = context;
    struct ob_control control;
    struct ob_error why = {0};
    (void)error;
    if (ob_store_check_entry(r->old, entry, &control, &why))
        name(&r->store->rescue, why.text); /* that one only */
    else
        r->failed = ob_store_control(r->store, &control, entry->data, entry->bytes, r->error);
    return r->failed;
}

static enum ob_err take_over(struct rescue *r) {
    struct ob_error why = {0};
    if (ob_store_check_rows(r->old, &why))
        name(&r->store->rescue, why.text);
    if (keep_records(r))
        return r->failed;
    if (ob_store_each_entry(r->old, keep_entry, r, &why) && !r->failed)
        name(&r->store->rescue, why.text); /* where the old table ends early, peers have the rest */
    return r->failed ? r->failed : ob_store_flush(r->store, r->error);
}

static enum ob_err keep_signed(struct ob_store *store, struct ob_store *old, struct ob_error *error) {
    struct ob_sample next;
    char text[24];
    if (ob_store_signed(old, &next, NULL) != OB_OK || next.index == 0)
        return OB_OK; /* unreadable: others must answer first anyway */
    int bytes = snprintf(text, sizeof text, "%llu", (unsigned long long)next.index);
    return ob_store_meta_put(store, "signed", text, (size_t)bytes, error);
}

static struct ob_store *open_old(const struct ob_store *store, struct ob_error *error) {
    struct ob_store *old = calloc(1, sizeof *old);
    if (!old) {
        (void)ob_fail(error, OB_ENOMEM, "%s: not enough memory to repair it", store->path);
        return NULL;
    }
    old->lock = -1;
    old->run = store->run;
    old->bounds = store->bounds;
    old->read_only = old->lenient = true;
    return old;
}

/* A place that no file has: whatever it was, something of our own chain may be gone. */
static enum ob_err begin_anew(struct ob_store *store, struct ob_error *error) {
    ob_store_close_database(store);
    store->may_start_alone = false;
    enum ob_err failed = move_away(store, error);
    if (!failed)
        failed = ob_store_open_database(store, error);
    store->may_start_alone = false;
    return failed ? failed : ob_store_meta_put(store, "place", "?", 1, error);
}

enum ob_err ob_store_rescue_from(struct ob_store *store, struct ob_pool *pool, const char *why,
                                 struct ob_error *error) {
    store->rescue.happened = true;
    enum ob_err failed = begin_anew(store, error);
    struct ob_store *old = failed ? NULL : open_old(store, error);
    if (!old)
        return failed ? failed : OB_ENOMEM;
    struct rescue rescue = {.store = store, .old = old, .pool = pool, .error = error};
    struct ob_error ignored;
    if (ob_path_append(old->path, store->path, DAMAGED, &ignored) == OB_OK &&
        ob_store_open_database(old, &ignored) == OB_OK)
        failed = take_over(&rescue);
    if (store->rescue.count == 0) /* damage that is nobody's row */
        name(&store->rescue, why);
    if (!failed && old->db)
        failed = keep_signed(store, old, error);
    ob_store_close_database(old);
    free(old);
    store->rescue.records = store->counts.records;
    return failed;
}
