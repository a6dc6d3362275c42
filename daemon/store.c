/* log.sqlite, schema version 1:
 *   meta(key TEXT PRIMARY KEY, value BLOB)           schema, run, machine, place ("device:inode")
 *   machine(number INTEGER PRIMARY KEY, key BLOB UNIQUE)
 *   record(machine INTEGER, first INTEGER, data BLOB, PRIMARY KEY(machine, first)) WITHOUT ROWID
 *     data = the record from its `round` on (record/record.h, offset 40): machine and first are the row's key
 *   control(kind INTEGER, signer BLOB, subject BLOB, data BLOB, PRIMARY KEY(kind, signer, subject)) */
#include "daemon/store.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cursor.h"
#include "daemon/store_sql.h"

#define SCHEMA     "1"
#define ROW_OFFSET 40 /* of a record: what is before it is the row's key */
#define BATCH_MAX  256

struct ob_store {
    sqlite3 *db;
    int lock;
    char path[4200];
    struct ob_record_bounds bounds;
    bool read_only, may_start_alone, open_batch;
    unsigned batch;
    sqlite3_stmt *put_machine, *put_record, *put_control, *from_record, *cut_records;
};

static enum ob_err sql_error(const struct ob_store *store, struct ob_error *error) {
    int code = sqlite3_errcode(store->db);
    const char *what = sqlite3_errmsg(store->db);
    if (code == SQLITE_FULL)
        return ob_fail(error, OB_EIO, "%s: the disk is full; make room and start again", store->path);
    if (code == SQLITE_CORRUPT || code == SQLITE_NOTADB)
        return ob_fail(error, OB_EIO,
                       "%s: is damaged (%s); move it away: the records are fetched again from peers",
                       store->path, what);
    return ob_fail(error, OB_EIO, "%s: %s", store->path, what);
}

static enum ob_err execute(struct ob_store *store, const char *sql, struct ob_error *error) {
    return sqlite3_exec(store->db, sql, NULL, NULL, NULL) == SQLITE_OK ? OB_OK : sql_error(store, error);
}

static enum ob_err take_lock(struct ob_store *store, const char *state_dir, struct ob_error *error) {
    char path[4200];
    (void)snprintf(path, sizeof path, "%s/lock", state_dir);
    store->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (store->lock < 0)
        return ob_fail(error, OB_EIO, "%s: cannot open: %s", path, strerror(errno));
    if (flock(store->lock, LOCK_EX | LOCK_NB) != 0)
        return ob_fail(error, OB_EBUSY, "%s: another onebyted uses this state directory; stop it first",
                       state_dir);
    return OB_OK;
}

/* Reads or, the first time, writes one meta value. */
static enum ob_err meta(struct ob_store *store, const char *key, const void *value, size_t bytes,
                        bool *ret_same, bool *ret_fresh, struct ob_error *error) {
    sqlite3_stmt *query = NULL;
    if (sqlite3_prepare_v2(store->db, "SELECT value FROM meta WHERE key = ?", -1, &query, NULL) != SQLITE_OK)
        return sql_error(store, error);
    sqlite3_bind_text(query, 1, key, -1, SQLITE_STATIC);
    int step = sqlite3_step(query);
    *ret_fresh = step == SQLITE_DONE;
    *ret_same = step == SQLITE_ROW && (size_t)sqlite3_column_bytes(query, 0) == bytes &&
                memcmp(sqlite3_column_blob(query, 0), value, bytes) == 0;
    sqlite3_finalize(query);
    if (step != SQLITE_ROW && step != SQLITE_DONE)
        return sql_error(store, error);
    if (!*ret_fresh || store->read_only)
        return OB_OK;
    *ret_same = true;
    if (sqlite3_prepare_v2(store->db, "INSERT INTO meta VALUES (?, ?)", -1, &query, NULL) != SQLITE_OK)
        return sql_error(store, error);
    sqlite3_bind_text(query, 1, key, -1, SQLITE_STATIC);
    sqlite3_bind_blob(query, 2, value, (int)bytes, SQLITE_STATIC);
    step = sqlite3_step(query);
    sqlite3_finalize(query);
    return step == SQLITE_DONE ? OB_OK : sql_error(store, error);
}

static enum ob_err check_meta(struct ob_store *store, const struct ob_store_options *options,
                              struct ob_error *error) {
    bool same = false, fresh = false;
    enum ob_err failed = meta(store, "schema", SCHEMA, strlen(SCHEMA), &same, &fresh, error);
    if (failed)
        return failed;
    if (!same)
        return ob_fail(error, OB_EUNSUPPORTED, "%s: was written by another version of onebyte", store->path);
    if ((failed = meta(store, "run", options->run.hash.bytes, OB_HASH_BYTES, &same, &fresh, error)))
        return failed;
    if (!same)
        return ob_fail(error, OB_EMISMATCH,
                       "%s: holds another run's records; use another state_dir for this manifest",
                       store->path);
    if (!options->machine)
        return OB_OK;
    if ((failed = meta(store, "machine", options->machine->key, OB_KEY_BYTES, &same, &fresh, error)))
        return failed;
    if (!same)
        return ob_fail(error, OB_EMISMATCH, "%s: belongs to another identity", store->path);
    struct stat info;
    char place[64];
    if (stat(store->path, &info) != 0)
        return ob_fail(error, OB_EIO, "%s: %s", store->path, strerror(errno));
    int length = snprintf(place, sizeof place, "%ju:%ju", (uintmax_t)info.st_dev, (uintmax_t)info.st_ino);
    failed = meta(store, "place", place, (size_t)length, &same, &fresh, error);
    store->may_start_alone = same;
    return failed;
}

static enum ob_err prepare(struct ob_store *store, struct ob_error *error) {
    const struct {
        sqlite3_stmt **statement;
        const char *sql;
    } all[] = {
        {&store->put_machine, "INSERT OR IGNORE INTO machine(key) VALUES (?)"},
        {&store->put_record, "INSERT INTO record VALUES ((SELECT number FROM machine WHERE key = ?), ?, ?)"},
        {&store->put_control, "INSERT OR REPLACE INTO control VALUES (?, ?, ?, ?)"},
        {&store->from_record,
         "SELECT key, first, data FROM record JOIN machine ON number = machine WHERE key = ? AND "
         "first >= coalesce((SELECT max(first) FROM record JOIN machine ON number = machine WHERE key = ?1 "
         "AND "
         "first <= ?2), 0) ORDER BY first"},
        {&store->cut_records,
         "DELETE FROM record WHERE machine = (SELECT number FROM machine WHERE key = ?) AND first >= ?"},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (sqlite3_prepare_v2(store->db, all[i].sql, -1, all[i].statement, NULL) != SQLITE_OK)
            return sql_error(store, error);
    return OB_OK;
}

static enum ob_err open_database(struct ob_store *store, const struct ob_store_options *options,
                                 struct ob_error *error) {
    int flags = store->read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
    if (sqlite3_open_v2(store->path, &store->db, flags | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
        return store->db ? sql_error(store, error)
                         : ob_fail(error, OB_ENOMEM, "%s: out of memory", store->path);
    sqlite3_busy_timeout(store->db, 5000);
    enum ob_err failed = OB_OK;
    if (!store->read_only)
        failed = execute(store, OB_STORE_SCHEMA, error);
    if (!failed)
        failed = check_meta(store, options, error);
    return failed ? failed : prepare(store, error);
}

enum ob_err ob_store_open(const struct ob_store_options *options, struct ob_store **ret_store,
                          struct ob_error *error) {
    struct ob_store *store = calloc(1, sizeof *store);
    if (!store)
        return ob_fail(error, OB_ENOMEM, "%s: out of memory", options->state_dir);
    store->lock = -1;
    store->bounds = options->bounds;
    store->read_only = options->machine == NULL;
    enum ob_err failed = OB_OK;
    if (snprintf(store->path, sizeof store->path, "%s/log.sqlite", options->state_dir) >=
        (int)sizeof store->path - 8)
        failed = ob_fail(error, OB_EUSAGE, "state_dir is too long");
    if (!failed && !store->read_only)
        failed = take_lock(store, options->state_dir, error);
    if (!failed)
        failed = open_database(store, options, error);
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
    if (store->open_batch && ob_store_flush(store, NULL))
        store->open_batch = false;
    sqlite3_finalize(store->put_machine);
    sqlite3_finalize(store->put_record);
    sqlite3_finalize(store->put_control);
    sqlite3_finalize(store->from_record);
    sqlite3_finalize(store->cut_records);
    sqlite3_close(store->db);
    if (store->lock >= 0)
        close(store->lock);
    free(store);
}

bool ob_store_may_start_alone(const struct ob_store *store) {
    return store->may_start_alone;
}

static enum ob_err begin(struct ob_store *store, struct ob_error *error) {
    if (store->open_batch)
        return OB_OK;
    enum ob_err failed = execute(store, "BEGIN IMMEDIATE", error);
    store->open_batch = !failed;
    return failed;
}

enum ob_err ob_store_flush(struct ob_store *store, struct ob_error *error) {
    if (!store->open_batch)
        return OB_OK;
    enum ob_err failed = execute(store, "COMMIT", error);
    if (failed) {
        (void)sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
    }
    store->open_batch = false;
    store->batch = 0;
    return failed;
}

static enum ob_err run(struct ob_store *store, sqlite3_stmt *statement, struct ob_error *error) {
    int step = sqlite3_step(statement);
    enum ob_err failed = step == SQLITE_DONE ? OB_OK : sql_error(store, error);
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    return failed;
}

static enum ob_err put(struct ob_store *store, const struct ob_record *record, struct ob_error *error) {
    uint8_t data[OB_RECORD_BYTES_MAX];
    size_t bytes = ob_record_encode(record, data);
    enum ob_err failed = begin(store, error);
    if (failed)
        return failed;
    sqlite3_bind_blob(store->put_machine, 1, record->machine.key, OB_KEY_BYTES, SQLITE_STATIC);
    if ((failed = run(store, store->put_machine, error)))
        return failed;
    sqlite3_bind_blob(store->put_record, 1, record->machine.key, OB_KEY_BYTES, SQLITE_STATIC);
    sqlite3_bind_int64(store->put_record, 2, (sqlite3_int64)record->first.index);
    sqlite3_bind_blob(store->put_record, 3, data + ROW_OFFSET, (int)(bytes - ROW_OFFSET), SQLITE_STATIC);
    return run(store, store->put_record, error);
}

enum ob_err ob_store_own(struct ob_store *store, const struct ob_record *record, struct ob_error *error) {
    enum ob_err failed = put(store, record, error);
    return failed ? failed : ob_store_flush(store, error);
}

enum ob_err ob_store_other(struct ob_store *store, const struct ob_record *record, struct ob_error *error) {
    enum ob_err failed = put(store, record, error);
    if (failed || ++store->batch < BATCH_MAX)
        return failed;
    return ob_store_flush(store, error);
}

enum ob_err ob_store_control(struct ob_store *store, const struct ob_control *control, const void *data,
                             size_t bytes, struct ob_error *error) {
    enum ob_err failed = begin(store, error);
    if (failed)
        return failed;
    sqlite3_bind_int(store->put_control, 1, (int)control->kind);
    sqlite3_bind_blob(store->put_control, 2, control->signer.key, OB_KEY_BYTES, SQLITE_STATIC);
    sqlite3_bind_blob(store->put_control, 3, control->subject.key, OB_KEY_BYTES, SQLITE_STATIC);
    sqlite3_bind_blob(store->put_control, 4, data, (int)bytes, SQLITE_STATIC);
    failed = run(store, store->put_control, error);
    return failed ? failed : ob_store_flush(store, error);
}

/* A row is input like any other: a damaged one is an error that names it. */
static enum ob_err see_row(struct ob_store *store, sqlite3_stmt *query, ob_store_record_fn see, void *context,
                           struct ob_error *error) {
    uint8_t data[OB_RECORD_BYTES_MAX];
    int bytes = sqlite3_column_bytes(query, 2);
    sqlite3_int64 first = sqlite3_column_int64(query, 1);
    if (sqlite3_column_bytes(query, 0) != OB_KEY_BYTES || bytes < 0 ||
        (size_t)bytes > sizeof data - ROW_OFFSET)
        return ob_fail(error, OB_EFORMAT, "%s: the row of sample %lld is damaged", store->path,
                       (long long)first);
    struct ob_writer writer = ob_writer_init(data, sizeof data);
    ob_write_bytes(&writer, sqlite3_column_blob(query, 0), OB_KEY_BYTES);
    ob_write_u64(&writer, (uint64_t)first);
    ob_write_bytes(&writer, sqlite3_column_blob(query, 2), (size_t)bytes);
    assert(!writer.failed);
    struct ob_record record;
    enum ob_err failed = ob_record_decode(data, writer.used, &store->bounds, &record, error);
    if (failed) {
        (void)ob_fail_within(error, "%s: sample %lld", store->path, (long long)first);
        return failed;
    }
    return see(context, &record, error);
}

static enum ob_err see_rows(struct ob_store *store, sqlite3_stmt *query, ob_store_record_fn see,
                            void *context, struct ob_error *error) {
    int step;
    while ((step = sqlite3_step(query)) == SQLITE_ROW) {
        enum ob_err failed = see_row(store, query, see, context, error);
        if (failed)
            return failed;
    }
    return step == SQLITE_DONE ? OB_OK : sql_error(store, error);
}

enum ob_err ob_store_each(struct ob_store *store, ob_store_record_fn see, void *context,
                          struct ob_error *error) {
    sqlite3_stmt *query = NULL;
    const char *sql =
        "SELECT key, first, data FROM record JOIN machine ON number = machine ORDER BY machine, first";
    if (sqlite3_prepare_v2(store->db, sql, -1, &query, NULL) != SQLITE_OK)
        return sql_error(store, error);
    enum ob_err failed = see_rows(store, query, see, context, error);
    sqlite3_finalize(query);
    return failed;
}

enum ob_err ob_store_from(struct ob_store *store, const struct ob_machine_id *machine, struct ob_sample first,
                          ob_store_record_fn see, void *context, struct ob_error *error) {
    sqlite3_bind_blob(store->from_record, 1, machine->key, OB_KEY_BYTES, SQLITE_STATIC);
    sqlite3_bind_int64(store->from_record, 2, (sqlite3_int64)first.index);
    enum ob_err failed = see_rows(store, store->from_record, see, context, error);
    sqlite3_reset(store->from_record);
    sqlite3_clear_bindings(store->from_record);
    return failed == OB_ENOTFOUND ? OB_OK : failed;
}

struct finding {
    struct ob_sample sample;
    uint8_t *data;
    size_t bytes;
};

/* The first row is the one at or before the sample; it is all that is wanted. */
static enum ob_err find_row(void *context, const struct ob_record *record, struct ob_error *error) {
    struct finding *finding = context;
    if (record->first.index <= finding->sample.index &&
        finding->sample.index < record->first.index + record->n)
        finding->bytes = ob_record_encode(record, finding->data);
    return ob_fail(error, OB_ENOTFOUND, "that was the one");
}

enum ob_err ob_store_find(struct ob_store *store, const struct ob_machine_id *machine,
                          struct ob_sample sample, uint8_t *ret_data, size_t *ret_bytes,
                          struct ob_error *error) {
    struct finding finding = {.sample = sample, .data = ret_data};
    enum ob_err failed = ob_store_from(store, machine, sample, find_row, &finding, error);
    if (failed)
        return failed;
    if (finding.bytes == 0)
        return ob_fail(error, OB_ENOTFOUND, "%s: no record holds sample %llu", store->path,
                       (unsigned long long)sample.index);
    *ret_bytes = finding.bytes;
    return OB_OK;
}

enum ob_err ob_store_cut(struct ob_store *store, const struct ob_machine_id *machine, struct ob_sample first,
                         struct ob_error *error) {
    enum ob_err failed = begin(store, error);
    if (failed)
        return failed;
    sqlite3_bind_blob(store->cut_records, 1, machine->key, OB_KEY_BYTES, SQLITE_STATIC);
    sqlite3_bind_int64(store->cut_records, 2, (sqlite3_int64)first.index);
    failed = run(store, store->cut_records, error);
    return failed ? failed : ob_store_flush(store, error);
}

enum ob_err ob_store_each_control(struct ob_store *store, ob_store_control_fn see, void *context,
                                  struct ob_error *error) {
    sqlite3_stmt *query = NULL;
    if (sqlite3_prepare_v2(store->db, "SELECT data FROM control", -1, &query, NULL) != SQLITE_OK)
        return sql_error(store, error);
    enum ob_err failed = OB_OK;
    int step;
    while (!failed && (step = sqlite3_step(query)) == SQLITE_ROW)
        failed = see(context, sqlite3_column_blob(query, 0), (size_t)sqlite3_column_bytes(query, 0), error);
    if (!failed && step != SQLITE_DONE)
        failed = sql_error(store, error);
    sqlite3_finalize(query);
    return failed;
}

enum ob_err ob_store_counts(struct ob_store *store, struct ob_store_counts *ret_counts,
                            struct ob_error *error) {
    sqlite3_stmt *query = NULL;
    /* a row's data is 42 header bytes, n samples and a signature of 64 */
    const char *sql =
        "SELECT count(*), coalesce(sum(length(data) - 106), 0), (SELECT page_count * page_size FROM "
        "pragma_page_count(), pragma_page_size()) FROM record";
    if (sqlite3_prepare_v2(store->db, sql, -1, &query, NULL) != SQLITE_OK)
        return sql_error(store, error);
    enum ob_err failed = OB_OK;
    if (sqlite3_step(query) == SQLITE_ROW)
        *ret_counts = (struct ob_store_counts){.records = (uint64_t)sqlite3_column_int64(query, 0),
                                               .samples = (uint64_t)sqlite3_column_int64(query, 1),
                                               .file_bytes = (uint64_t)sqlite3_column_int64(query, 2)};
    else
        failed = sql_error(store, error);
    sqlite3_finalize(query);
    return failed;
}
