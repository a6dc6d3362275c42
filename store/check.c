/* Finding damage: all of the log is read when it is opened for writing. */
#include <string.h>

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

enum ob_err ob_store_check_control(void *context, const void *data, size_t bytes, struct ob_error *error) {
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
        failed = ob_store_each_control(store, ob_store_check_control, store, error);
    /* How long ago a machine's last row with prev was is not looked up: its next row has one. */
    for (size_t i = 0; i < store->machine_count && !failed; i++)
        store->machines[i].without = OB_STORE_PREV_EVERY;
    if (!failed)
        store->counts = counts;
    return failed;
}
