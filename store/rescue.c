/* Finding damage when the log is opened, and keeping what is good of it. Nothing is lost for the swarm: what
 * is dropped here is fetched again from peers; a peer does not sign before it has heard from others where its
 * own chain ends. */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "store/store_internal.h"

static enum ob_err quick_check(struct ob_store *store, struct ob_error *error) {
    sqlite3_stmt *query = NULL;
    if (sqlite3_prepare_v2(store->db, "PRAGMA quick_check(1)", -1, &query, NULL) != SQLITE_OK)
        return ob_store_sql_error(store, error);
    enum ob_err failed = OB_OK;
    if (sqlite3_step(query) != SQLITE_ROW)
        failed = ob_store_sql_error(store, error);
    else if (strcmp((const char *)sqlite3_column_text(query, 0), "ok") != 0)
        failed = ob_fail(error, OB_EFORMAT, "%s: %s", store->path, sqlite3_column_text(query, 0));
    sqlite3_finalize(query);
    return failed;
}

/* An entry of the control table is worth what its signature is worth. */
static enum ob_err check_control(void *context, const void *data, size_t bytes, struct ob_error *error) {
    const struct ob_store *store = context;
    struct ob_control control;
    if (ob_control_decode(data, bytes, &control, error) == OB_OK && ob_control_verify(&store->run, &control))
        return OB_OK;
    return ob_fail(error, OB_EFORMAT, "%s: an entry of the control table is damaged", store->path);
}

enum ob_err ob_store_check(struct ob_store *store, struct ob_error *error) {
    struct ob_store_counts counts = {0};
    enum ob_err failed = quick_check(store, error);
    for (size_t i = 0; i < store->machine_count && !failed; i++)
        failed = ob_store_machine_records(store, &store->machines[i], (struct ob_sample){0},
                                          ob_store_count_one, &counts, error);
    if (!failed)
        failed = ob_store_each_control(store, check_control, store, error);
    /* How long ago a machine's last row with prev was is not looked up: its next row has one. */
    for (size_t i = 0; i < store->machine_count && !failed; i++)
        store->machines[i].without = OB_STORE_PREV_EVERY;
    if (!failed)
        store->counts = counts;
    return failed;
}

/* ---- rescue ---- */

static enum ob_err move_away(const struct ob_store *store, struct ob_error *error) {
    static const char *const ENDINGS[] = {"-wal", "-shm", ""};
    char from[OB_STORE_PATH_MAX + 8], to[OB_STORE_PATH_MAX + 16];
    for (size_t i = 0; i < sizeof ENDINGS / sizeof *ENDINGS; i++) {
        (void)snprintf(from, sizeof from, "%s%s", store->path, ENDINGS[i]);
        (void)snprintf(to, sizeof to, "%s.damaged%s", store->path, ENDINGS[i]);
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
    if (check_control(keeping->store, data, bytes, error))
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
    (void)snprintf(old->path, sizeof old->path, "%.*s.damaged", OB_STORE_PATH_MAX - 16, store->path);
    struct ob_error ignored;
    if (ob_store_open_database(old, &ignored) == OB_OK)
        failed = take_over(store, old, error);
    if (!failed && old->db)
        failed = keep_signed(store, old, error);
    ob_store_close(old);
    store->rescue.records = store->counts.records;
    return failed;
}
