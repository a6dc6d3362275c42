/* log.sqlite, schema version 2:
 *   meta(key TEXT PRIMARY KEY, value BLOB)
 *     schema, run, machine, place (store/place.c), signed, instance
 *   machine(number INTEGER PRIMARY KEY, key BLOB UNIQUE)
 *   record(machine INTEGER, first INTEGER, data BLOB, PRIMARY KEY(machine, first)) WITHOUT ROWID
 *     data as store/row.h says; machine and first are the row's key
 *   control(kind INTEGER, signer BLOB, subject BLOB, data BLOB, PRIMARY KEY(kind, signer, subject)) */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hex.h"
#include "store/sql.h"
#include "store/store_internal.h"

/* Compares one meta value with what it must be; the first time it is written. */
static enum ob_err meta_is(struct ob_store *store, const char *key, const void *value, size_t bytes,
                           bool *ret_same, bool *ret_fresh, struct ob_error *error) {
    uint8_t found[64];
    size_t found_bytes = 0;
    assert(bytes < sizeof found);
    enum ob_err failed = ob_store_meta_get(store, key, found, sizeof found, &found_bytes, error);
    *ret_fresh = found_bytes == 0;
    *ret_same = found_bytes == bytes && memcmp(found, value, bytes) == 0;
    if (failed || !*ret_fresh || store->read_only)
        return failed;
    *ret_same = true;
    return ob_store_meta_put(store, key, value, bytes, error);
}

/* The manifest's hash is the run: who edits it makes another run of it. */
static enum ob_err another_run(struct ob_store *store, struct ob_error *error) {
    uint8_t found[OB_HASH_BYTES] = {0};
    char held[2 * OB_HASH_BYTES + 1], wanted[2 * OB_HASH_BYTES + 1];
    size_t bytes = 0;
    enum ob_err failed = ob_store_meta_get(store, "run", found, sizeof found, &bytes, error);
    if (failed)
        return failed;
    ob_hex_encode(found, sizeof found, held);
    ob_hex_encode(store->run.hash.bytes, OB_HASH_BYTES, wanted);
    return ob_fail(error, OB_EMISMATCH,
                   "%s: holds the records of another run (%.16s...) than the manifest's, whose hash is "
                   "%.16s...: if run.json "
                   "was edited or reformatted, put the original back (every machine of the run has it); for "
                   "a new run, use "
                   "another state_dir",
                   store->path, held, wanted);
}

static enum ob_err check_meta(struct ob_store *store, struct ob_error *error) {
    bool same = false, fresh = false;
    enum ob_err failed = meta_is(store, "schema", OB_STORE_SCHEMA_VERSION, strlen(OB_STORE_SCHEMA_VERSION),
                                 &same, &fresh, error);
    if (failed)
        return failed;
    if (!same) {
        char schema[16];
        failed = ob_store_meta_text(store, "schema", schema, sizeof schema, error);
        return failed ? failed
                      : ob_fail(error, OB_EUNSUPPORTED,
                                "%s: the log has schema %s, this version of onebyte reads schema %s",
                                store->path, schema, OB_STORE_SCHEMA_VERSION);
    }
    if ((failed = meta_is(store, "run", store->run.hash.bytes, OB_HASH_BYTES, &same, &fresh, error)))
        return failed;
    if (!same)
        return another_run(store, error);
    if (store->read_only)
        return OB_OK;
    if ((failed = meta_is(store, "machine", store->machine.key, OB_KEY_BYTES, &same, &fresh, error)))
        return failed;
    if (!same)
        return ob_fail(
            error, OB_EMISMATCH,
            "%s: belongs to another identity; use another state_dir or the identity that created it",
            store->path);
    return ob_store_place_check(store, fresh, &store->may_start_alone, error);
}

static enum ob_err prepare(struct ob_store *store, struct ob_error *error) {
    const struct {
        sqlite3_stmt **statement;
        const char *sql;
    } all[] = {
        {&store->put_machine, "INSERT INTO machine VALUES (?, ?)"},
        {&store->put_record, "INSERT INTO record VALUES (?, ?, ?)"},
        {&store->put_control, "INSERT OR REPLACE INTO control VALUES (?, ?, ?, ?)"},
        {&store->remove_records, "DELETE FROM record WHERE machine = ? AND first >= ?"},
        {&store->forward, "SELECT first, data FROM record WHERE machine = ? AND first >= ? ORDER BY first"},
        {&store->backward,
         "SELECT first, data FROM record WHERE machine = ? AND first <= ? ORDER BY first DESC"},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (sqlite3_prepare_v2(store->db, all[i].sql, -1, all[i].statement, NULL) != SQLITE_OK)
            return ob_store_sql_error(store, error);
    return OB_OK;
}

#define ROW_BESIDE_SAMPLES 128 /* bytes of a record's row beside its samples, at most */

/* Of a new log. A row longer than (page - 12) · 64 / 255 - 23 bytes would get a page of its own (SQLite's file format, b-tree
 * pages), which at 1,024 samples a record is mostly empty. */
static enum ob_err choose_page_size(struct ob_store *store, struct ob_error *error) {
    char pragma[48];
    unsigned page = 4096, row = store->bounds.samples_per_round + ROW_BESIDE_SAMPLES;
    while (page < 65536 && (page - 12) * 64 / 255 - 23 < row)
        page *= 2;
    (void)snprintf(pragma, sizeof pragma, "PRAGMA page_size = %u", page);
    return ob_store_execute(store, pragma, error);
}

enum ob_err ob_store_open_database(struct ob_store *store, struct ob_error *error) {
    int flags = store->read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
    if (sqlite3_open_v2(store->path, &store->db, flags | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
        return store->db ? ob_store_sql_error(store, error)
                         : ob_fail(error, OB_ENOMEM, "%s: out of memory", store->path);
    sqlite3_extended_result_codes(store->db, 1);
    sqlite3_busy_timeout(store->db, 5000);
    enum ob_err failed = OB_OK;
    if (!store->read_only)
        failed = choose_page_size(store, error);
    if (!failed && !store->read_only)
        failed = ob_store_execute(store, OB_STORE_SCHEMA, error);
    if (!failed)
        failed = check_meta(store, error);
    if (!failed)
        failed = ob_store_load_machines(store, error);
    return failed ? failed : prepare(store, error);
}

void ob_store_close_database(struct ob_store *store) {
    sqlite3_stmt **statements[] = {&store->put_machine,    &store->put_record, &store->put_control,
                                   &store->remove_records, &store->forward,    &store->backward};
    for (size_t i = 0; i < sizeof statements / sizeof *statements; i++) {
        sqlite3_finalize(*statements[i]);
        *statements[i] = NULL;
    }
    int closed = sqlite3_close(store->db);
    assert(closed == SQLITE_OK);
    (void)closed;
    store->db = NULL;
    free(store->machines);
    store->machines = NULL;
    store->machine_count = store->machine_capacity = 0;
    store->last_number = 0;
    store->counts = (struct ob_store_counts){0};
}
