/* log.sqlite, schema version 2:
 *   meta(key TEXT PRIMARY KEY, value BLOB)           schema, run, machine, place (store_place.c), signed, instance
 *   machine(number INTEGER PRIMARY KEY, key BLOB UNIQUE)
 *   record(machine INTEGER, first INTEGER, data BLOB, PRIMARY KEY(machine, first)) WITHOUT ROWID
 *     data as store_row.h says; machine and first are the row's key
 *   control(kind INTEGER, signer BLOB, subject BLOB, data BLOB, PRIMARY KEY(kind, signer, subject)) */
#include "store/store.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "store/sql.h"
#include "store/store_internal.h"

static bool no_room(int code, int system) {
    return (code & 0xff) == SQLITE_FULL ||
           ((code & 0xff) == SQLITE_IOERR && (system == ENOSPC || system == EDQUOT || system == EFBIG));
}

enum ob_err ob_store_sql_error(const struct ob_store *store, struct ob_error *error) {
    int code = sqlite3_extended_errcode(store->db);
    const char *what = sqlite3_errmsg(store->db);
    if (no_room(code, sqlite3_system_errno(store->db)))
        return ob_fail(error, OB_EFULL, "%s: the disk is full; make room", store->path);
    if ((code & 0xff) == SQLITE_CORRUPT || (code & 0xff) == SQLITE_NOTADB)
        return ob_fail(error, OB_EFORMAT, "%s: is damaged (%s)", store->path, what);
    return ob_fail(error, OB_EIO, "%s: %s", store->path, what);
}

enum ob_err ob_store_execute(struct ob_store *store, const char *sql, struct ob_error *error) {
    return sqlite3_exec(store->db, sql, NULL, NULL, NULL) == SQLITE_OK ? OB_OK
                                                                       : ob_store_sql_error(store, error);
}

static enum ob_err take_lock(struct ob_store *store, struct ob_error *error) {
    char path[OB_STORE_PATH_MAX + 8];
    (void)snprintf(path, sizeof path, "%s/lock", store->folder);
    store->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (store->lock < 0)
        return ob_fail(error, errno == ENOSPC ? OB_EFULL : OB_EIO, "%s: cannot open: %s", path,
                       strerror(errno));
    if (flock(store->lock, LOCK_EX | LOCK_NB) != 0)
        return ob_fail(error, OB_EBUSY, "%s: another onebyted uses this state directory; stop it first",
                       store->folder);
    return OB_OK;
}

/* ---- meta ---- */

static enum ob_err meta_get(struct ob_store *store, const char *key, void *ret_value, size_t capacity,
                            size_t *ret_bytes, struct ob_error *error) {
    sqlite3_stmt *query = NULL;
    if (sqlite3_prepare_v2(store->db, "SELECT value FROM meta WHERE key = ?", -1, &query, NULL) != SQLITE_OK)
        return ob_store_sql_error(store, error);
    sqlite3_bind_text(query, 1, key, -1, SQLITE_STATIC);
    int step = sqlite3_step(query);
    *ret_bytes = 0;
    if (step == SQLITE_ROW) {
        size_t bytes = (size_t)sqlite3_column_bytes(query, 0);
        *ret_bytes = bytes < capacity ? bytes : capacity;
        if (*ret_bytes > 0)
            memcpy(ret_value, sqlite3_column_blob(query, 0), *ret_bytes);
    }
    enum ob_err failed = step == SQLITE_ROW || step == SQLITE_DONE ? OB_OK : ob_store_sql_error(store, error);
    sqlite3_finalize(query);
    return failed;
}

enum ob_err ob_store_meta_text(struct ob_store *store, const char *key, char *ret_text, size_t capacity,
                               struct ob_error *error) {
    size_t bytes = 0;
    enum ob_err failed = meta_get(store, key, ret_text, capacity - 1, &bytes, error);
    ret_text[failed ? 0 : bytes] = 0;
    return failed;
}

enum ob_err ob_store_meta_put(struct ob_store *store, const char *key, const void *value, size_t bytes,
                              struct ob_error *error) {
    sqlite3_stmt *query = NULL;
    if (sqlite3_prepare_v2(store->db, "INSERT OR REPLACE INTO meta VALUES (?, ?)", -1, &query, NULL) !=
        SQLITE_OK)
        return ob_store_sql_error(store, error);
    sqlite3_bind_text(query, 1, key, -1, SQLITE_STATIC);
    sqlite3_bind_blob(query, 2, value, (int)bytes, SQLITE_STATIC);
    int step = sqlite3_step(query);
    enum ob_err failed = step == SQLITE_DONE ? OB_OK : ob_store_sql_error(store, error);
    sqlite3_finalize(query);
    return failed;
}

enum ob_err ob_store_signed(struct ob_store *store, struct ob_sample *ret_next, struct ob_error *error) {
    char text[24], *end;
    enum ob_err failed = ob_store_meta_text(store, "signed", text, sizeof text, error);
    if (failed)
        return failed;
    unsigned long long next = strtoull(text, &end, 10);
    if (*end != 0 || next > OB_SAMPLE_END)
        return ob_fail(error, OB_EFORMAT, "%s: damaged: meta signed is no sample number", store->path);
    ret_next->index = next;
    return OB_OK;
}

/* Compares one meta value with what it must be; the first time it is written. */
static enum ob_err meta_is(struct ob_store *store, const char *key, const void *value, size_t bytes,
                           bool *ret_same, bool *ret_fresh, struct ob_error *error) {
    uint8_t found[64];
    size_t found_bytes = 0;
    assert(bytes < sizeof found);
    enum ob_err failed = meta_get(store, key, found, sizeof found, &found_bytes, error);
    *ret_fresh = found_bytes == 0;
    *ret_same = found_bytes == bytes && memcmp(found, value, bytes) == 0;
    if (failed || !*ret_fresh || store->read_only)
        return failed;
    *ret_same = true;
    return ob_store_meta_put(store, key, value, bytes, error);
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
                                "%s: has schema %s, this version of onebyte reads schema %s", store->path,
                                schema, OB_STORE_SCHEMA_VERSION);
    }
    if ((failed = meta_is(store, "run", store->run.hash.bytes, OB_HASH_BYTES, &same, &fresh, error)))
        return failed;
    if (!same)
        return ob_fail(error, OB_EMISMATCH,
                       "%s: holds another run's records; use another state_dir for this manifest",
                       store->path);
    if (store->read_only)
        return OB_OK;
    if ((failed = meta_is(store, "machine", store->machine.key, OB_KEY_BYTES, &same, &fresh, error)))
        return failed;
    if (!same)
        return ob_fail(error, OB_EMISMATCH, "%s: belongs to another identity", store->path);
    return ob_store_place_check(store, fresh, &store->may_start_alone, error);
}

/* ---- machines ---- */

static size_t position_of(const struct ob_store *store, const struct ob_machine_id *id, bool *ret_found) {
    size_t low = 0, high = store->machine_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = ob_machine_compare(&store->machines[middle].id, id);
        if (order == 0) {
            *ret_found = true;
            return middle;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *ret_found = false;
    return low;
}

struct ob_store_machine *ob_store_machine_of(const struct ob_store *store, const struct ob_machine_id *id) {
    bool found;
    size_t at = position_of(store, id, &found);
    return found ? &store->machines[at] : NULL;
}

struct ob_store_machine *ob_store_take(struct ob_store *store, const struct ob_machine_id *id,
                                       int64_t number) {
    bool found;
    size_t at = position_of(store, id, &found);
    if (found)
        return &store->machines[at];
    if (store->machine_count == store->machine_capacity) {
        size_t capacity = store->machine_capacity ? 2 * store->machine_capacity : 64;
        struct ob_store_machine *more = realloc(store->machines, capacity * sizeof *more);
        if (!more)
            return NULL;
        store->machines = more;
        store->machine_capacity = capacity;
    }
    memmove(&store->machines[at + 1], &store->machines[at],
            (store->machine_count - at) * sizeof *store->machines);
    store->machine_count++;
    store->machines[at] = (struct ob_store_machine){.id = *id, .number = number};
    if (number > store->last_number)
        store->last_number = number;
    return &store->machines[at];
}

enum ob_err ob_store_load_machines(struct ob_store *store, struct ob_error *error) {
    sqlite3_stmt *query = NULL;
    if (sqlite3_prepare_v2(store->db, "SELECT number, key FROM machine ORDER BY number", -1, &query, NULL) !=
        SQLITE_OK)
        return ob_store_sql_error(store, error);
    enum ob_err failed = OB_OK;
    int step;
    while (!failed && (step = sqlite3_step(query)) == SQLITE_ROW) {
        struct ob_machine_id id;
        int64_t number = sqlite3_column_int64(query, 0);
        if (sqlite3_column_bytes(query, 1) != OB_KEY_BYTES || number < 1 ||
            store->machine_count >= OB_MACHINES_MAX) {
            failed = ob_fail(error, OB_EFORMAT, "%s: the row of machine %lld is damaged", store->path,
                             (long long)number);
            break;
        }
        memcpy(id.key, sqlite3_column_blob(query, 1), OB_KEY_BYTES);
        struct ob_store_machine *machine = ob_store_take(store, &id, number);
        if (!machine)
            failed = ob_fail(error, OB_ENOMEM, "%s: out of memory", store->path);
        else
            machine->stored = true;
    }
    if (!failed && step != SQLITE_DONE)
        failed = ob_store_sql_error(store, error);
    sqlite3_finalize(query);
    return failed;
}

/* ---- opening and closing ---- */

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

enum ob_err ob_store_open_database(struct ob_store *store, struct ob_error *error) {
    int flags = store->read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
    if (sqlite3_open_v2(store->path, &store->db, flags | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
        return store->db ? ob_store_sql_error(store, error)
                         : ob_fail(error, OB_ENOMEM, "%s: out of memory", store->path);
    sqlite3_extended_result_codes(store->db, 1);
    sqlite3_busy_timeout(store->db, 5000);
    enum ob_err failed = OB_OK;
    if (!store->read_only)
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
    store->machine_count = 0;
    store->last_number = 0;
    store->counts = (struct ob_store_counts){0};
}

static enum ob_err open_for_writing(struct ob_store *store, struct ob_error *error) {
    struct ob_error damage = {0};
    enum ob_err failed = take_lock(store, error);
    if (failed)
        return failed;
    failed = ob_store_open_database(store, &damage);
    if (!failed)
        failed = ob_store_check(store, &damage);
    if (failed == OB_EFORMAT)
        return ob_store_rescue_from(store, damage.text, error);
    if (failed && error)
        *error = damage;
    return failed;
}

enum ob_err ob_store_open(const struct ob_store_options *options, struct ob_store **ret_store,
                          struct ob_error *error) {
    struct ob_store *store = calloc(1, sizeof *store);
    if (!store)
        return ob_fail(error, OB_ENOMEM, "%s: out of memory", options->state_dir);
    store->lock = -1;
    store->run = options->run;
    store->bounds = options->bounds;
    store->read_only = options->machine == NULL;
    if (options->machine)
        store->machine = *options->machine;
    enum ob_err failed = OB_OK;
    if (strlen(options->state_dir) > OB_STORE_PATH_MAX - 64) {
        failed = ob_fail(error, OB_EUSAGE, "state_dir is too long");
    } else {
        (void)snprintf(store->folder, sizeof store->folder, "%s", options->state_dir);
        (void)snprintf(store->path, sizeof store->path, "%.*s/log.sqlite", OB_STORE_PATH_MAX - 32,
                       options->state_dir);
        failed = store->read_only ? ob_store_open_database(store, error) : open_for_writing(store, error);
    }
    if (failed) {
        ob_store_close(store);
        return failed;
    }
    *ret_store = store;
    return OB_OK;
}

void ob_store_close(struct ob_store *store) {
    if (!store)
        return;
    /* what cannot be written now are others' records: they are fetched again */
    if (store->queue_count > 0 && ob_store_flush(store, NULL))
        while (store->queue_count > 0)
            free(store->queue[--store->queue_count].data);
    if (store->db)
        ob_store_close_database(store);
    if (store->lock >= 0)
        close(store->lock);
    free(store->machines);
    free(store);
}

bool ob_store_may_start_alone(const struct ob_store *store) {
    return store->may_start_alone;
}

enum ob_err ob_store_instance(struct ob_store *store, uint64_t at_least, uint64_t *ret_instance,
                              struct ob_error *error) {
    char text[24];
    enum ob_err failed = ob_store_meta_text(store, "instance", text, sizeof text, error);
    if (failed)
        return failed;
    uint64_t before = strtoull(text, NULL, 10);
    uint64_t instance = before >= at_least && before < UINT64_MAX ? before + 1 : at_least;
    int bytes = snprintf(text, sizeof text, "%" PRIu64, instance);
    failed = ob_store_meta_put(store, "instance", text, (size_t)bytes, error);
    if (failed && failed != OB_EFULL)
        return failed;
    *ret_instance = instance;
    return OB_OK;
}

const struct ob_store_rescue *ob_store_rescued(const struct ob_store *store) {
    return &store->rescue;
}

enum ob_err ob_store_counts(struct ob_store *store, struct ob_store_counts *ret_counts,
                            struct ob_error *error) {
    struct ob_store_counts counts = store->counts;
    if (store->read_only) {
        enum ob_err failed = ob_store_each(store, ob_store_count_one, &counts, error);
        if (failed)
            return failed;
    }
    sqlite3_stmt *query = NULL;
    if (sqlite3_prepare_v2(store->db,
                           "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()", -1,
                           &query, NULL) != SQLITE_OK)
        return ob_store_sql_error(store, error);
    enum ob_err failed = sqlite3_step(query) == SQLITE_ROW ? OB_OK : ob_store_sql_error(store, error);
    counts.file_bytes = (uint64_t)sqlite3_column_int64(query, 0);
    sqlite3_finalize(query);
    if (!failed)
        *ret_counts = counts;
    return failed;
}
