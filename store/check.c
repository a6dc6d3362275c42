/* Finding damage: all of the log is read when it is opened for writing, and every signature in it is
 * verified, by all threads. What an editor of the file can make right (the check of a row, SQLite's own
 * structure) is not enough: a wrong row that is believed would be taken for a fork of the machine that it
 * names. */
#include <stdlib.h>
#include <string.h>

#include "base/hex.h"
#include "base/pool.h"
#include "store/store_internal.h"

#define BATCH 1024 /* records verified at a time */

/* ---- records ---- */

struct batch {
    const struct ob_store *store;
    struct ob_pool *pool;
    ob_store_record_fn see;
    void *context;
    size_t count, used;
    uint8_t *data; /* room for BATCH records of any size */
    struct ob_record records[BATCH];
    bool good[BATCH];
};

static void verify_one(void *context, size_t index, unsigned thread) {
    (void)thread;
    struct batch *batch = context;
    batch->good[index] = ob_record_verify(&batch->store->run, &batch->records[index]);
}

/* Hands on what is good, up to the first record that is not. */
static enum ob_err empty_batch(struct batch *batch, struct ob_error *error) {
    enum ob_err failed = OB_OK;
    char key[OB_HEX_SHORT_MAX];
    ob_pool_run(batch->pool, batch->count, verify_one, batch);
    for (size_t i = 0; i < batch->count && !failed; i++) {
        const struct ob_record *record = &batch->records[i];
        failed = batch->good[i]
                     ? batch->see(batch->context, record, error)
                     : ob_fail(error, OB_EFORMAT,
                               "%s: machine %s: the record of sample %llu is damaged: its signature is not "
                               "the machine's",
                               batch->store->path, ob_hex_short(&record->machine, key),
                               (unsigned long long)record->first.index);
    }
    batch->count = batch->used = 0;
    return failed;
}

static enum ob_err take_record(void *context, const struct ob_record *record, struct ob_error *error) {
    struct batch *batch = context;
    uint8_t *place = batch->data + batch->used;
    struct ob_record *copy = &batch->records[batch->count++];
    *copy = *record;
    memcpy(place, record->bytes, record->n);
    memcpy(place + record->n, record->signature, OB_RECORD_SIGNATURE_BYTES);
    copy->bytes = place;
    copy->signature = place + record->n;
    batch->used += record->n + (size_t)OB_RECORD_SIGNATURE_BYTES;
    return batch->count < BATCH ? OB_OK : empty_batch(batch, error);
}

enum ob_err ob_store_verified(struct ob_store *store, const struct ob_store_machine *machine,
                              struct ob_pool *pool, ob_store_record_fn see, void *context,
                              struct ob_error *error) {
    struct batch *batch = malloc(sizeof *batch);
    uint8_t *data = malloc((size_t)BATCH * (OB_SAMPLES_PER_ROUND_MAX + OB_RECORD_SIGNATURE_BYTES));
    enum ob_err failed = OB_OK;
    struct ob_error first = {0};
    if (!batch || !data) {
        failed = ob_fail(error, OB_ENOMEM, "%s: not enough memory to verify its records", store->path);
    } else {
        batch->store = store, batch->pool = pool, batch->see = see, batch->context = context;
        batch->count = batch->used = 0, batch->data = data;
        failed = ob_store_machine_records(store, machine, (struct ob_sample){0}, take_record, batch, &first);
        /* what was read before the row that could not be: the first wrong one counts */
        enum ob_err before = empty_batch(batch, error);
        if (!before && failed && error)
            *error = first;
        failed = before ? before : failed;
    }
    free(data);
    free(batch);
    return failed;
}

enum ob_err ob_store_each_verified(struct ob_store *store, const struct ob_machine_id *id,
                                   struct ob_pool *pool, ob_store_record_fn see, void *context,
                                   struct ob_error *error) {
    const struct ob_store_machine *machine = ob_store_machine_of(store, id);
    return machine ? ob_store_verified(store, machine, pool, see, context, error) : OB_OK;
}

/* ---- rows that nothing leads to ---- */

static int by_number(const void *a, const void *b) {
    int64_t one = *(const int64_t *)a, other = *(const int64_t *)b;
    return (one > other) - (one < other);
}

static enum ob_err numbers_of(const struct ob_store *store, int64_t **ret_numbers, struct ob_error *error) {
    int64_t *numbers = calloc(store->machine_count + 1, sizeof *numbers);
    if (!numbers)
        return ob_fail(error, OB_ENOMEM, "%s: not enough memory for its machines", store->path);
    for (size_t i = 0; i < store->machine_count; i++)
        numbers[i] = store->machines[i].number;
    qsort(numbers, store->machine_count, sizeof *numbers, by_number);
    *ret_numbers = numbers;
    return OB_OK;
}

/* Steps from number to number: a seek for each, not a scan of the records. */
static enum ob_err find_orphan(struct ob_store *store, sqlite3_stmt *next, const int64_t *numbers,
                               struct ob_error *error) {
    for (int64_t number = INT64_MIN;;) {
        sqlite3_bind_int64(next, 1, number);
        if (sqlite3_step(next) != SQLITE_ROW)
            return ob_store_sql_error(store, error);
        int type = sqlite3_column_type(next, 0);
        number = sqlite3_column_int64(next, 0);
        sqlite3_reset(next);
        if (type == SQLITE_NULL)
            return OB_OK;
        if (type != SQLITE_INTEGER ||
            !bsearch(&number, numbers, store->machine_count, sizeof *numbers, by_number))
            return ob_fail(error, OB_EFORMAT,
                           "%s: is damaged: it holds records of machine number %lld, which its table of "
                           "machines lacks",
                           store->path, (long long)number);
    }
}

/* Reading begins at sample 0: what is below would be in the way and never seen. */
static enum ob_err find_negative(struct ob_store *store, struct ob_error *error) {
    enum ob_err failed = OB_OK;
    for (size_t i = 0; i < store->machine_count && !failed; i++) {
        sqlite3_bind_int64(store->backward, 1, store->machines[i].number);
        sqlite3_bind_int64(store->backward, 2, -1);
        int step = sqlite3_step(store->backward);
        if (step == SQLITE_ROW)
            failed =
                ob_fail(error, OB_EFORMAT, "%s: is damaged: it holds a record below sample 0", store->path);
        else if (step != SQLITE_DONE)
            failed = ob_store_sql_error(store, error);
        sqlite3_reset(store->backward);
    }
    return failed;
}

enum ob_err ob_store_check_rows(struct ob_store *store, struct ob_error *error) {
    sqlite3_stmt *next = NULL;
    int64_t *numbers = NULL;
    enum ob_err failed = numbers_of(store, &numbers, error);
    if (!failed && sqlite3_prepare_v2(store->db, "SELECT min(machine) FROM record WHERE machine > ?", -1,
                                      &next, NULL) != SQLITE_OK)
        failed = ob_store_sql_error(store, error);
    if (!failed)
        failed = find_orphan(store, next, numbers, error);
    sqlite3_finalize(next);
    free(numbers);
    return failed ? failed : find_negative(store, error);
}

/* ---- all of it ---- */

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

enum ob_err ob_store_check_entry(const struct ob_store *store, const struct ob_store_entry *entry,
                                 struct ob_control *ret_control, struct ob_error *error) {
    struct ob_error why = {0};
    if (ob_control_decode(entry->data, entry->bytes, ret_control, &why) == OB_OK) {
        bool is_there = entry->kind == (int)ret_control->kind && entry->keys_fit &&
                        ob_machine_equal(&entry->signer, &ret_control->signer) &&
                        ob_machine_equal(&entry->subject, &ret_control->subject);
        if (is_there && ob_control_verify(&store->run, ret_control))
            return OB_OK;
        (void)ob_fail(&why, OB_EFORMAT,
                      is_there ? "its signature is not its signer's" : "it is in another entry's row");
    }
    return ob_fail(error, OB_EFORMAT, "%s: an entry of the control table is damaged (%s)", store->path,
                   why.text);
}

static enum ob_err check_entry(void *context, const struct ob_store_entry *entry, struct ob_error *error) {
    struct ob_control control;
    return ob_store_check_entry(context, entry, &control, error);
}

enum ob_err ob_store_check(struct ob_store *store, struct ob_pool *pool, struct ob_error *error) {
    struct ob_store_counts counts = {0};
    enum ob_err failed = quick_check(store, error);
    if (!failed)
        failed = ob_store_check_rows(store, error);
    for (size_t i = 0; i < store->machine_count && !failed; i++)
        failed = ob_store_verified(store, &store->machines[i], pool, ob_store_count_one, &counts, error);
    if (!failed)
        failed = ob_store_each_entry(store, check_entry, store, error);
    /* How long ago a machine's last row with prev was is not looked up: its next row has one. */
    for (size_t i = 0; i < store->machine_count && !failed; i++)
        store->machines[i].without = OB_STORE_PREV_EVERY;
    if (!failed)
        store->counts = counts;
    return failed;
}
