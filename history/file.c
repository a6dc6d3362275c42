#include "history/file.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/access.h"
#include "base/cursor.h"
#include "base/path.h"

#define SCHEMA         "2"
#define SCHEMA_BEFORE  "1" /* without the last columns of `round` */
#define ROUND_COLUMNS  21
#define ROUND_ADDED    3
#define FILE_BYTES_MAX (256 << 20)
#define END_BYTES      (OB_KEY_BYTES + 8)

static const char TABLES[] =
    "PRAGMA journal_mode = WAL;"
    "PRAGMA synchronous = NORMAL;"
    "PRAGMA journal_size_limit = 1048576;"
    "CREATE TABLE IF NOT EXISTS meta(key TEXT PRIMARY KEY, value BLOB);"
    "CREATE TABLE IF NOT EXISTS round(id INTEGER PRIMARY KEY, time_ms INTEGER, round INTEGER, rounds "
    "INTEGER, "
    "level INTEGER, seconds REAL, samples INTEGER, loss REAL, loss_square REAL, lr REAL, machines REAL, "
    "swarm_loss "
    "REAL, swarm_rate REAL, curvature REAL, bytes INTEGER, saturated INTEGER, abstained INTEGER, size REAL, "
    "replay REAL, sent_rate REAL, received_rate REAL);"
    "CREATE TABLE IF NOT EXISTS frontier(round INTEGER PRIMARY KEY, time_ms INTEGER, log BLOB, weights BLOB, "
    "items "
    "INTEGER, units INTEGER, choices INTEGER, right INTEGER, loss REAL, loss_square REAL, loss_units REAL, "
    "units_square REAL, machines INTEGER, ends BLOB);"
    "CREATE TABLE IF NOT EXISTS event(id INTEGER PRIMARY KEY, time_ms INTEGER, kind TEXT, machine TEXT, text "
    "TEXT);";

static const char UPGRADE[] = "BEGIN IMMEDIATE;"
                              "ALTER TABLE round ADD COLUMN replay REAL;"
                              "ALTER TABLE round ADD COLUMN sent_rate REAL;"
                              "ALTER TABLE round ADD COLUMN received_rate REAL;"
                              "UPDATE meta SET value = CAST('" SCHEMA "' AS BLOB) WHERE key = 'schema';"
                              "COMMIT;";

enum statement {
    PUT_ROUND,
    PUT_FRONTIER,
    PUT_EVENT,
    REMOVE_ROUND,
    REMOVE_FRONTIER,
    REMOVE_EVENT,
    STATEMENTS
};

static const char *const SQL[STATEMENTS] = {
    [PUT_ROUND] = "INSERT OR REPLACE INTO round VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
    [PUT_FRONTIER] = "INSERT OR REPLACE INTO frontier VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
    [PUT_EVENT] = "INSERT OR REPLACE INTO event VALUES (?,?,?,?,?)",
    [REMOVE_ROUND] = "DELETE FROM round WHERE id = ?",
    [REMOVE_FRONTIER] = "DELETE FROM frontier WHERE round = ?",
    [REMOVE_EVENT] = "DELETE FROM event WHERE id = ?",
};

struct history_file {
    char path[OB_PATH_MAX];
    sqlite3 *db;
    sqlite3_stmt *statements[STATEMENTS];
    bool before; /* it has SCHEMA_BEFORE */
    bool in_transaction;
    enum ob_err failed; /* of this transaction */
    struct ob_error error;
};

/* ---- errors ---- */

static enum ob_err sql_error(const struct history_file *file, struct ob_error *error) {
    int code = sqlite3_errcode(file->db), system = sqlite3_system_errno(file->db);
    const char *text = sqlite3_errmsg(file->db);
    switch (code) {
    case SQLITE_FULL:
        return ob_fail(error, OB_EFULL, "%s: the disk is full; free some space", file->path);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_ERROR: /* our statements are right: its tables are not */
    case SQLITE_MISMATCH:
    case SQLITE_CONSTRAINT:
        return ob_fail(error, OB_EFORMAT, "%s: is damaged (%s)", file->path, text);
    case SQLITE_NOMEM:
        return ob_fail(error, OB_ENOMEM, "%s: not enough memory", file->path);
    default:
        if (system == EACCES || system == EPERM || system == EROFS)
            return ob_access_fail(error, file->path, "cannot be opened", system);
        return ob_fail(error, OB_EIO, "%s: cannot be read or written (%s)", file->path, text);
    }
}

static enum ob_err damaged(const struct history_file *file, const char *table, struct ob_error *error) {
    return ob_fail(error, OB_EFORMAT, "%s: is damaged (a row of its table `%s`)", file->path, table);
}

static void note(struct history_file *file) {
    if (!file->failed)
        file->failed = sql_error(file, &file->error);
}

/* ---- opening ---- */

/* Before SQLite touches it: no pipe that blocks, no file without end. */
static enum ob_err check_place(const struct history_file *file, bool create, struct ob_error *error) {
    struct stat info;
    if (lstat(file->path, &info) != 0) {
        if (errno == ENOENT)
            return create ? OB_OK
                          : ob_fail(error, OB_ENOTFOUND,
                                    "%s: no history; it is written by a daemon of this version, in its state "
                                    "directory",
                                    file->path);
        return ob_access_fail(error, file->path, "cannot be opened", errno);
    }
    if (!S_ISREG(info.st_mode))
        return ob_fail(error, OB_EFORMAT, "%s: is no file", file->path);
    return info.st_size <= FILE_BYTES_MAX
               ? OB_OK
               : ob_fail(error, OB_EFORMAT, "%s: is larger than a history can be", file->path);
}

/* *ret_value: "" when there is none; cut off at capacity. */
static enum ob_err get_meta(struct history_file *file, const char *key, uint8_t *ret_value, size_t capacity,
                            size_t *ret_bytes, struct ob_error *error) {
    sqlite3_stmt *query = NULL;
    if (sqlite3_prepare_v2(file->db, "SELECT value FROM meta WHERE key = ?", -1, &query, NULL) != SQLITE_OK)
        return sql_error(file, error);
    sqlite3_bind_text(query, 1, key, -1, SQLITE_STATIC);
    int step = sqlite3_step(query);
    size_t bytes = step == SQLITE_ROW ? (size_t)sqlite3_column_bytes(query, 0) : 0;
    *ret_bytes = bytes < capacity ? bytes : capacity;
    if (*ret_bytes > 0)
        memcpy(ret_value, sqlite3_column_blob(query, 0), *ret_bytes);
    enum ob_err failed = step == SQLITE_ROW || step == SQLITE_DONE ? OB_OK : sql_error(file, error);
    sqlite3_finalize(query);
    return failed;
}

static enum ob_err put_meta(struct history_file *file, const char *key, const void *value, size_t bytes,
                            struct ob_error *error) {
    sqlite3_stmt *query = NULL;
    if (sqlite3_prepare_v2(file->db, "INSERT OR REPLACE INTO meta VALUES (?, ?)", -1, &query, NULL) !=
        SQLITE_OK)
        return sql_error(file, error);
    sqlite3_bind_text(query, 1, key, -1, SQLITE_STATIC);
    sqlite3_bind_blob(query, 2, value, (int)bytes, SQLITE_STATIC);
    enum ob_err failed = sqlite3_step(query) == SQLITE_DONE ? OB_OK : sql_error(file, error);
    sqlite3_finalize(query);
    return failed;
}

/* fresh: there was nothing in it. */
static enum ob_err check_meta(struct history_file *file, const struct ob_run_id *run, bool fresh,
                              struct ob_error *error) {
    uint8_t schema[16], found[OB_HASH_BYTES + 1];
    size_t schema_bytes = 0, bytes = 0;
    enum ob_err failed = get_meta(file, "schema", schema, sizeof schema, &schema_bytes, error);
    if (!failed && schema_bytes == 0 && fresh) {
        failed = put_meta(file, "run", run->hash.bytes, OB_HASH_BYTES, error);
        return failed ? failed : put_meta(file, "schema", SCHEMA, strlen(SCHEMA), error);
    }
    file->before = schema_bytes == strlen(SCHEMA_BEFORE) && memcmp(schema, SCHEMA_BEFORE, schema_bytes) == 0;
    if (!failed && !file->before &&
        (schema_bytes != strlen(SCHEMA) || memcmp(schema, SCHEMA, schema_bytes) != 0))
        return ob_fail(error, OB_EUNSUPPORTED,
                       "%s: has another schema than this version of onebyte reads (%s)", file->path, SCHEMA);
    if (!failed)
        failed = get_meta(file, "run", found, sizeof found, &bytes, error);
    if (!failed && run && (bytes != OB_HASH_BYTES || memcmp(found, run->hash.bytes, bytes) != 0))
        return ob_fail(error, OB_EMISMATCH, "%s: is the history of another run", file->path);
    return failed;
}

static enum ob_err check_integrity(struct history_file *file, struct ob_error *error) {
    sqlite3_stmt *query = NULL;
    if (sqlite3_prepare_v2(file->db, "PRAGMA quick_check(1)", -1, &query, NULL) != SQLITE_OK)
        return sql_error(file, error);
    enum ob_err failed = OB_OK;
    if (sqlite3_step(query) != SQLITE_ROW)
        failed = sql_error(file, error);
    else if (strcmp((const char *)sqlite3_column_text(query, 0), "ok") != 0)
        failed = ob_fail(error, OB_EFORMAT, "%s: is damaged", file->path);
    sqlite3_finalize(query);
    return failed;
}

static enum ob_err is_fresh(struct history_file *file, bool *ret_fresh, struct ob_error *error) {
    sqlite3_stmt *query = NULL;
    if (sqlite3_prepare_v2(file->db, "SELECT 1 FROM sqlite_schema", -1, &query, NULL) != SQLITE_OK)
        return sql_error(file, error);
    int step = sqlite3_step(query);
    *ret_fresh = step == SQLITE_DONE;
    enum ob_err failed = step == SQLITE_DONE || step == SQLITE_ROW ? OB_OK : sql_error(file, error);
    sqlite3_finalize(query);
    return failed;
}

static enum ob_err upgrade(struct history_file *file, struct ob_error *error) {
    if (sqlite3_exec(file->db, UPGRADE, NULL, NULL, NULL) == SQLITE_OK) {
        file->before = false;
        return OB_OK;
    }
    enum ob_err failed = sql_error(file, error);
    if (!sqlite3_get_autocommit(file->db))
        (void)sqlite3_exec(file->db, "ROLLBACK", NULL, NULL, NULL);
    return failed;
}

static enum ob_err prepare(struct history_file *file, struct ob_error *error) {
    for (size_t i = 0; i < STATEMENTS; i++)
        if (sqlite3_prepare_v2(file->db, SQL[i], -1, &file->statements[i], NULL) != SQLITE_OK)
            return sql_error(file, error);
    return OB_OK;
}

static enum ob_err open_file(struct history_file *file, const struct ob_run_id *run, bool create,
                             struct ob_error *error) {
    enum ob_err failed = check_place(file, create, error);
    if (failed)
        return failed;
    int flags = create ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY;
    if (sqlite3_open_v2(file->path, &file->db, flags | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
        return file->db ? sql_error(file, error)
                        : ob_fail(error, OB_ENOMEM, "%s: not enough memory", file->path);
    sqlite3_busy_timeout(file->db, create ? 200 : 5000); /* training does not wait */
    sqlite3_db_config(file->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(file->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    bool fresh = false;
    failed = check_integrity(file, error);
    if (!failed && create)
        failed = is_fresh(file, &fresh, error);
    if (!failed && create && sqlite3_exec(file->db, TABLES, NULL, NULL, NULL) != SQLITE_OK)
        failed = sql_error(file, error);
    if (!failed)
        failed = check_meta(file, run, fresh, error);
    if (!failed && create && file->before)
        failed = upgrade(file, error);
    return failed || !create ? failed : prepare(file, error);
}

enum ob_err history_file_open(const char *path, const struct ob_run_id *run, bool create,
                              struct history_file **ret_file, struct ob_error *error) {
    struct history_file *file = calloc(1, sizeof *file);
    if (!file)
        return ob_fail(error, OB_ENOMEM, "%s: not enough memory", path);
    assert(strlen(path) < sizeof file->path);
    memcpy(file->path, path, strlen(path) + 1);
    enum ob_err failed = open_file(file, run, create, error);
    if (failed) {
        history_file_close(file);
        return failed;
    }
    *ret_file = file;
    return OB_OK;
}

void history_file_close(struct history_file *file) {
    if (!file)
        return;
    if (file->in_transaction)
        (void)sqlite3_exec(file->db, file->failed ? "ROLLBACK" : "COMMIT", NULL, NULL, NULL);
    for (size_t i = 0; i < STATEMENTS; i++)
        sqlite3_finalize(file->statements[i]);
    int closed = sqlite3_close(file->db);
    assert(closed == SQLITE_OK);
    (void)closed;
    free(file);
}

/* ---- reading ---- */

/* Columns one after another, with what is wrong about them. */
struct columns {
    sqlite3_stmt *query;
    int next;
    bool bad;
};

static uint64_t whole(struct columns *c, uint64_t most) {
    int column = c->next++;
    sqlite3_int64 value = sqlite3_column_int64(c->query, column);
    c->bad = c->bad || sqlite3_column_type(c->query, column) != SQLITE_INTEGER || value < 0 ||
             (uint64_t)value > most;
    return c->bad ? 0 : (uint64_t)value;
}

static double real(struct columns *c) {
    int column = c->next++, type = sqlite3_column_type(c->query, column);
    c->bad = c->bad || (type != SQLITE_FLOAT && type != SQLITE_NULL && type != SQLITE_INTEGER);
    return type == SQLITE_NULL ? NAN : sqlite3_column_double(c->query, column);
}

static struct ob_hash hash(struct columns *c) {
    int column = c->next++;
    struct ob_hash value = {0};
    c->bad = c->bad || sqlite3_column_bytes(c->query, column) != OB_HASH_BYTES;
    if (!c->bad)
        memcpy(value.bytes, sqlite3_column_blob(c->query, column), OB_HASH_BYTES);
    return value;
}

static void text(struct columns *c, char *ret_text, size_t capacity) {
    int column = c->next++, bytes = sqlite3_column_bytes(c->query, column);
    c->bad = c->bad || sqlite3_column_type(c->query, column) != SQLITE_TEXT || (size_t)bytes >= capacity;
    if (!c->bad)
        memcpy(ret_text, sqlite3_column_text(c->query, column), (size_t)bytes + 1);
}

static bool read_row(struct columns *c, bool before, int64_t *ret_id, struct ob_history_row *ret_row) {
    *ret_id = (int64_t)whole(c, INT64_MAX);
    ret_row->time_ms = whole(c, INT64_MAX);
    ret_row->round = (uint32_t)whole(c, UINT32_MAX);
    ret_row->rounds = (uint32_t)whole(c, UINT32_MAX);
    ret_row->level = (uint32_t)whole(c, OB_HISTORY_LEVELS);
    ret_row->seconds = real(c);
    ret_row->samples = whole(c, INT64_MAX);
    ret_row->loss = real(c);
    ret_row->loss_square = real(c);
    ret_row->lr = real(c);
    ret_row->machines = real(c);
    ret_row->swarm_loss = real(c);
    ret_row->swarm_rate = real(c);
    ret_row->curvature = real(c);
    ret_row->bytes = whole(c, INT64_MAX);
    ret_row->saturated = whole(c, INT64_MAX);
    ret_row->abstained = whole(c, INT64_MAX);
    ret_row->size = real(c);
    ret_row->replay = before ? NAN : real(c);
    ret_row->sent_rate = before ? NAN : real(c);
    ret_row->received_rate = before ? NAN : real(c);
    return !c->bad && ob_history_row_plausible(ret_row);
}

static enum ob_err begin_query(const struct history_file *file, const char *table, const char *sql,
                               int columns, sqlite3_stmt **ret_query, struct ob_error *error) {
    if (sqlite3_prepare_v2(file->db, sql, -1, ret_query, NULL) != SQLITE_OK)
        return sql_error(file, error);
    if (sqlite3_column_count(*ret_query) == columns)
        return OB_OK;
    sqlite3_finalize(*ret_query);
    return damaged(file, table, error);
}

static enum ob_err end_query(const struct history_file *file, sqlite3_stmt *query, int step,
                             const char *table, struct ob_error *error) {
    enum ob_err failed = step == SQLITE_DONE  ? OB_OK
                         : step == SQLITE_ROW ? damaged(file, table, error)
                                              : sql_error(file, error);
    sqlite3_finalize(query);
    return failed;
}

enum ob_err history_file_each_row(struct history_file *file, size_t newest,
                                  bool (*see)(void *, int64_t, const struct ob_history_row *), void *context,
                                  struct ob_error *error) {
    sqlite3_stmt *query = NULL;
    int count = file->before ? ROUND_COLUMNS - ROUND_ADDED : ROUND_COLUMNS;
    enum ob_err failed =
        begin_query(file, "round", "SELECT * FROM (SELECT * FROM round ORDER BY id DESC LIMIT ?) ORDER BY id",
                    count, &query, error);
    if (failed)
        return failed;
    sqlite3_bind_int64(query, 1, newest > 0 ? (sqlite3_int64)newest : -1);
    int step;
    while ((step = sqlite3_step(query)) == SQLITE_ROW) {
        struct columns columns = {.query = query};
        struct ob_history_row row;
        int64_t id;
        if (!read_row(&columns, file->before, &id, &row) || !see(context, id, &row))
            break;
    }
    return end_query(file, query, step, "round", error);
}

static bool read_frontier(struct columns *c, struct ob_history_frontier *ret) {
    ret->round = (uint32_t)whole(c, UINT32_MAX);
    ret->time_ms = whole(c, INT64_MAX);
    ret->log = hash(c);
    ret->weights = hash(c);
    ret->score.items = whole(c, INT64_MAX);
    ret->score.units = whole(c, INT64_MAX);
    ret->score.choices = whole(c, INT64_MAX);
    ret->score.right = whole(c, INT64_MAX);
    ret->score.loss = real(c);
    ret->score.loss_square = real(c);
    ret->score.loss_units = real(c);
    ret->score.units_square = real(c);
    ret->machines = (uint32_t)whole(c, UINT32_MAX);
    return !c->bad && (ret->score.items == 0 || ob_score_plausible(&ret->score));
}

/* malloc'ed; NULL: none, or damaged (columns say so). */
static struct ob_history_end *read_ends(struct columns *c, size_t *ret_count) {
    int column = c->next++, bytes = sqlite3_column_bytes(c->query, column);
    size_t count = (size_t)bytes / END_BYTES;
    const uint8_t *from = sqlite3_column_blob(c->query, column);
    *ret_count = 0;
    c->bad = c->bad || (size_t)bytes % END_BYTES != 0 || count > OB_HISTORY_ENDS_ALL;
    struct ob_history_end *ends = count > 0 && !c->bad ? calloc(count, sizeof *ends) : NULL;
    if (!ends)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        memcpy(ends[i].machine.key, from + i * END_BYTES, OB_KEY_BYTES);
        ends[i].next = ob_load_u64(from + i * END_BYTES + OB_KEY_BYTES);
    }
    *ret_count = count;
    return ends;
}

enum ob_err history_file_each_frontier(struct history_file *file,
                                       bool (*see)(void *, const struct ob_history_frontier *,
                                                   const struct ob_history_end *, size_t),
                                       void *context, struct ob_error *error) {
    sqlite3_stmt *query = NULL;
    enum ob_err failed =
        begin_query(file, "frontier", "SELECT * FROM frontier ORDER BY round", 14, &query, error);
    if (failed)
        return failed;
    int step;
    while ((step = sqlite3_step(query)) == SQLITE_ROW) {
        struct columns columns = {.query = query};
        struct ob_history_frontier frontier = {0};
        size_t count = 0;
        struct ob_history_end *ends = NULL;
        bool good = read_frontier(&columns, &frontier);
        if (good)
            ends = read_ends(&columns, &count);
        good = good && !columns.bad && see(context, &frontier, ends, count);
        free(ends);
        if (!good)
            break;
    }
    return end_query(file, query, step, "frontier", error);
}

enum ob_err history_file_each_event(struct history_file *file,
                                    bool (*see)(void *, int64_t, const struct ob_history_event *),
                                    void *context, struct ob_error *error) {
    sqlite3_stmt *query = NULL;
    enum ob_err failed = begin_query(file, "event", "SELECT * FROM event ORDER BY id", 5, &query, error);
    if (failed)
        return failed;
    int step;
    while ((step = sqlite3_step(query)) == SQLITE_ROW) {
        struct columns columns = {.query = query};
        struct ob_history_event event = {0};
        int64_t id = (int64_t)whole(&columns, INT64_MAX);
        event.time_ms = whole(&columns, 1ull << 52);
        text(&columns, event.kind, sizeof event.kind);
        text(&columns, event.machine, sizeof event.machine);
        text(&columns, event.text, sizeof event.text);
        if (columns.bad || !see(context, id, &event))
            break;
    }
    return end_query(file, query, step, "event", error);
}

/* ---- writing ---- */

static sqlite3_stmt *begin(struct history_file *file, enum statement which) {
    if (!file->failed && !file->in_transaction) {
        if (sqlite3_exec(file->db, "BEGIN IMMEDIATE", NULL, NULL, NULL) == SQLITE_OK)
            file->in_transaction = true;
        else
            note(file);
    }
    return file->failed ? NULL : file->statements[which];
}

static void run(struct history_file *file, sqlite3_stmt *statement) {
    if (sqlite3_step(statement) != SQLITE_DONE)
        note(file);
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
}

static void put_whole(sqlite3_stmt *statement, int *next, uint64_t value) {
    sqlite3_bind_int64(statement, ++*next, value > INT64_MAX ? INT64_MAX : (sqlite3_int64)value);
}

static void put_real(sqlite3_stmt *statement, int *next, double value) {
    ++*next;
    if (isfinite(value))
        sqlite3_bind_double(statement, *next, value);
    else
        sqlite3_bind_null(statement, *next);
}

void history_file_put_row(struct history_file *file, int64_t id, const struct ob_history_row *row) {
    sqlite3_stmt *s = begin(file, PUT_ROUND);
    int at = 0;
    if (!s)
        return;
    put_whole(s, &at, (uint64_t)id);
    put_whole(s, &at, row->time_ms);
    put_whole(s, &at, row->round);
    put_whole(s, &at, row->rounds);
    put_whole(s, &at, row->level);
    put_real(s, &at, row->seconds);
    put_whole(s, &at, row->samples);
    put_real(s, &at, row->loss);
    put_real(s, &at, row->loss_square);
    put_real(s, &at, row->lr);
    put_real(s, &at, row->machines);
    put_real(s, &at, row->swarm_loss);
    put_real(s, &at, row->swarm_rate);
    put_real(s, &at, row->curvature);
    put_whole(s, &at, row->bytes);
    put_whole(s, &at, row->saturated);
    put_whole(s, &at, row->abstained);
    put_real(s, &at, row->size);
    put_real(s, &at, row->replay);
    put_real(s, &at, row->sent_rate);
    put_real(s, &at, row->received_rate);
    run(file, s);
}

void history_file_put_frontier(struct history_file *file, const struct ob_history_frontier *frontier,
                               const struct ob_history_end *ends, size_t count) {
    sqlite3_stmt *s = begin(file, PUT_FRONTIER);
    const struct ob_score *score = &frontier->score;
    uint8_t *blob = count > 0 ? malloc(count * END_BYTES) : NULL;
    int at = 0;
    if (s) {
        for (size_t i = 0; blob && i < count; i++) {
            memcpy(blob + i * END_BYTES, ends[i].machine.key, OB_KEY_BYTES);
            ob_store_u64(blob + i * END_BYTES + OB_KEY_BYTES, ends[i].next);
        }
        put_whole(s, &at, frontier->round);
        put_whole(s, &at, frontier->time_ms);
        sqlite3_bind_blob(s, ++at, frontier->log.bytes, OB_HASH_BYTES, SQLITE_STATIC);
        sqlite3_bind_blob(s, ++at, frontier->weights.bytes, OB_HASH_BYTES, SQLITE_STATIC);
        put_whole(s, &at, score->items);
        put_whole(s, &at, score->units);
        put_whole(s, &at, score->choices);
        put_whole(s, &at, score->right);
        put_real(s, &at, score->loss);
        put_real(s, &at, score->loss_square);
        put_real(s, &at, score->loss_units);
        put_real(s, &at, score->units_square);
        put_whole(s, &at, frontier->machines);
        if (blob)
            sqlite3_bind_blob(s, ++at, blob, (int)(count * END_BYTES), SQLITE_STATIC);
        run(file, s);
    }
    free(blob);
}

void history_file_put_event(struct history_file *file, int64_t id, const struct ob_history_event *event) {
    sqlite3_stmt *s = begin(file, PUT_EVENT);
    int at = 0;
    if (!s)
        return;
    put_whole(s, &at, (uint64_t)id);
    put_whole(s, &at, event->time_ms);
    sqlite3_bind_text(s, ++at, event->kind, -1, SQLITE_STATIC);
    sqlite3_bind_text(s, ++at, event->machine, -1, SQLITE_STATIC);
    sqlite3_bind_text(s, ++at, event->text, -1, SQLITE_STATIC);
    run(file, s);
}

void history_file_remove(struct history_file *file, enum history_table table, int64_t id) {
    sqlite3_stmt *s = begin(file, (enum statement)(REMOVE_ROUND + table));
    int at = 0;
    if (!s)
        return;
    put_whole(s, &at, (uint64_t)id);
    run(file, s);
}

void history_file_clear(struct history_file *file) {
    if (begin(file, PUT_ROUND) &&
        sqlite3_exec(file->db, "DELETE FROM round; DELETE FROM frontier; DELETE FROM event", NULL, NULL,
                     NULL) != SQLITE_OK)
        note(file);
}

enum ob_err history_file_commit(struct history_file *file, struct ob_error *error) {
    if (file->in_transaction && !file->failed &&
        sqlite3_exec(file->db, "COMMIT", NULL, NULL, NULL) != SQLITE_OK)
        note(file);
    if (file->in_transaction && file->failed && !sqlite3_get_autocommit(file->db))
        (void)sqlite3_exec(file->db, "ROLLBACK", NULL, NULL, NULL);
    enum ob_err failed = file->failed;
    if (failed && error)
        *error = file->error;
    file->in_transaction = false;
    file->failed = OB_OK;
    return failed;
}
