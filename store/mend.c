/* Rows that were changed, moved or removed while the log is in use: which one, and what belongs there. The chain that is
 * in the weights is known by its signatures: each covers all bodies before it. */
#include <string.h>

#include "base/hex.h"
#include "store/store_internal.h"

struct walk {
    struct ob_store *store;
    const struct ob_store_machine *machine;
    uint64_t next; /* where the next row must begin */
    bool any;
    struct ob_hash head;
};

/* The nearest row at or before `sample` that can be read and says what is before it; 0: the beginning of the chain. */
static uint64_t anchor_before(struct walk *walk, uint64_t sample) {
    sqlite3_stmt *query = walk->store->backward;
    uint64_t anchor = 0;
    sqlite3_bind_int64(query, 1, walk->machine->number);
    sqlite3_bind_int64(query, 2, (int64_t)sample);
    while (anchor == 0 && sqlite3_step(query) == SQLITE_ROW) {
        struct ob_store_row row;
        int64_t first = sqlite3_column_int64(query, 0);
        if (first >= 0 &&
            ob_store_row_decode(&walk->machine->id, (struct ob_sample){(uint64_t)first},
                                sqlite3_column_blob(query, 1), (size_t)sqlite3_column_bytes(query, 1), &row,
                                NULL) == OB_OK &&
            row.has_prev)
            anchor = (uint64_t)first;
    }
    sqlite3_reset(query);
    return anchor;
}

/* One row of the chain. False: it is not what it should be; walk->next is where that begins. */
static bool step_over(struct walk *walk, sqlite3_stmt *query) {
    struct ob_store_row row;
    if (sqlite3_column_int64(query, 0) != (int64_t)walk->next ||
        ob_store_row_decode(&walk->machine->id, (struct ob_sample){walk->next}, sqlite3_column_blob(query, 1),
                            (size_t)sqlite3_column_bytes(query, 1), &row, NULL) != OB_OK)
        return false;
    if (walk->any && row.has_prev && !ob_hash_equal(&row.record.prev, &walk->head))
        return false;
    if (walk->any)
        row.record.prev = walk->head;
    if (!ob_record_verify(&walk->store->run, &row.record))
        return false;
    walk->any = true;
    walk->next += row.record.n;
    walk->head = ob_record_hash(&walk->store->run, &row.record);
    return true;
}

bool ob_store_find_bad(struct ob_store *store, const struct ob_machine_id *id, struct ob_sample from,
                       struct ob_sample end, size_t records_max, struct ob_sample *ret_first) {
    struct walk walk = {.store = store, .machine = ob_store_machine_of(store, id)};
    if (!walk.machine || from.index >= end.index || end.index > INT64_MAX ||
        ob_store_flush(store, NULL) != OB_OK)
        return false;
    walk.next = anchor_before(&walk, from.index);
    sqlite3_stmt *query = store->forward;
    bool good = true;
    size_t records = 0;
    sqlite3_bind_int64(query, 1, walk.machine->number);
    sqlite3_bind_int64(query, 2, (int64_t)walk.next);
    while (good && walk.next < end.index && records < records_max) {
        good = sqlite3_step(query) == SQLITE_ROW && step_over(&walk, query);
        records += walk.next > from.index;
    }
    sqlite3_reset(query);
    ret_first->index = walk.next;
    return !good;
}

/* ---- putting it right ---- */

static bool is_same(const struct ob_record *a, const struct ob_record *b) {
    return a->round.index == b->round.index && a->live == b->live && a->n == b->n &&
           a->exponent == b->exponent && a->profile == b->profile && memcmp(a->bytes, b->bytes, a->n) == 0 &&
           memcmp(a->signature, b->signature, OB_RECORD_SIGNATURE_BYTES) == 0;
}

/* The row of this record's place says the same, but for prev. */
static bool is_stored(struct walk *walk, const struct ob_record *record) {
    sqlite3_stmt *query = walk->store->backward;
    struct ob_store_row row;
    sqlite3_bind_int64(query, 1, walk->machine->number);
    sqlite3_bind_int64(query, 2, (int64_t)record->first.index);
    bool same = sqlite3_step(query) == SQLITE_ROW &&
                sqlite3_column_int64(query, 0) == (int64_t)record->first.index &&
                ob_store_row_decode(&walk->machine->id, record->first, sqlite3_column_blob(query, 1),
                                    (size_t)sqlite3_column_bytes(query, 1), &row, NULL) == OB_OK &&
                is_same(&row.record, record);
    sqlite3_reset(query);
    return same;
}

static bool follows(const struct ob_store *store, const struct ob_record *record, uint64_t next,
                    const struct ob_hash *head) {
    return record->first.index == next && ob_hash_equal(&record->prev, head) &&
           ob_record_verify(&store->run, record);
}

/* How many of the records, from the first on, belong into the chain as it is: up to one that is stored, or its end. 0: that
 * cannot be told. */
static size_t count_joined(struct walk *walk, const struct ob_record *records, size_t count,
                           const struct ob_hash *end) {
    for (size_t i = 0; i < count && follows(walk->store, &records[i], walk->next, &walk->head); i++) {
        if (i > 0 && is_stored(walk, &records[i]))
            return i;
        walk->next += records[i].n;
        walk->head = ob_record_hash(&walk->store->run, &records[i]);
        if (ob_hash_equal(&walk->head, end))
            return i + 1;
    }
    return 0;
}

/* What is before the first of them: nothing, or a record that is good. */
static enum ob_err find_before(struct walk *walk, const struct ob_record *first, struct ob_error *error) {
    uint8_t data[OB_RECORD_BYTES_MAX];
    struct ob_record before;
    size_t bytes = 0;
    walk->next = first->first.index;
    if (first->first.index == 0)
        return OB_OK;
    enum ob_err failed = ob_store_find(walk->store, &first->machine,
                                       (struct ob_sample){first->first.index - 1}, data, &bytes, error);
    if (!failed)
        failed = ob_record_decode(data, bytes, &walk->store->bounds, &before, error);
    if (!failed)
        walk->head = ob_record_hash(&walk->store->run, &before);
    return failed;
}

static enum ob_err run(struct ob_store *store, const char *sql, int64_t number, int64_t first, int64_t end,
                       const void *data, size_t bytes, struct ob_error *error) {
    sqlite3_stmt *query = NULL;
    if (sqlite3_prepare_v2(store->db, sql, -1, &query, NULL) != SQLITE_OK)
        return ob_store_sql_error(store, error);
    sqlite3_bind_int64(query, 1, number);
    sqlite3_bind_int64(query, 2, first);
    if (data)
        sqlite3_bind_blob(query, 3, data, (int)bytes, SQLITE_STATIC);
    else
        sqlite3_bind_int64(query, 3, end);
    enum ob_err failed = sqlite3_step(query) == SQLITE_DONE ? OB_OK : ob_store_sql_error(store, error);
    sqlite3_finalize(query);
    return failed;
}

static enum ob_err replace(struct walk *walk, const struct ob_record *record, struct ob_error *error) {
    uint8_t data[OB_STORE_ROW_BYTES_MAX];
    int64_t first = (int64_t)record->first.index, number = walk->machine->number;
    size_t bytes = ob_store_row_encode(record, first > 0, data); /* with prev, whatever is before it */
    enum ob_err failed = run(walk->store, "DELETE FROM record WHERE machine = ? AND first >= ? AND first < ?",
                             number, first, first + record->n, NULL, 0, error);
    return failed ? failed
                  : run(walk->store, "INSERT INTO record (machine, first, data) VALUES (?, ?, ?)", number,
                        first, 0, data, bytes, error);
}

enum ob_err ob_store_mend(struct ob_store *store, const struct ob_record *records, size_t count,
                          const struct ob_hash *head, size_t *ret_mended, struct ob_error *error) {
    struct walk walk = {.store = store,
                        .machine = count == 0 ? NULL : ob_store_machine_of(store, &records[0].machine)};
    if (!walk.machine)
        return ob_fail(error, OB_EMISMATCH, "%s: no records of a known machine", store->path);
    enum ob_err failed = ob_store_flush(store, error);
    if (!failed)
        failed = find_before(&walk, &records[0], error);
    if (failed)
        return failed;
    size_t joined = count_joined(&walk, records, count, head);
    if (joined == 0)
        return ob_fail(error, OB_EMISMATCH, "%s: these records do not lead to what follows", store->path);
    failed = ob_store_execute(store, "BEGIN IMMEDIATE", error);
    for (size_t i = 0; i < joined && !failed; i++)
        failed = replace(&walk, &records[i], error);
    if (!failed)
        failed = ob_store_execute(store, "COMMIT", error);
    if (failed)
        (void)ob_store_execute(store, "ROLLBACK", NULL);
    else
        *ret_mended = joined;
    return failed;
}
