/* Reading rows: each is checked, and each chain is followed, so that damage is an error that names the row.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hex.h"
#include "store/store_internal.h"

/* The chain that is being followed, and what was read last of it. */
struct follower {
    struct ob_store *store;
    const struct ob_store_machine *machine;
    bool any;
    uint64_t next;
    uint32_t round;
    struct ob_hash head;
};

static enum ob_err complain(const struct follower *f, enum ob_err failed, struct ob_error *error) {
    char key[OB_HEX_SHORT_MAX];
    return ob_fail_within(error, failed, "%s: machine %s", f->store->path,
                          ob_hex_short(&f->machine->id, key));
}

static enum ob_err decode(const struct follower *f, sqlite3_stmt *query, struct ob_store_row *ret_row,
                          struct ob_error *error) {
    int64_t first = sqlite3_column_int64(query, 0);
    size_t bytes = (size_t)sqlite3_column_bytes(query, 1);
    const void *data = sqlite3_column_blob(query, 1);
    enum ob_err failed =
        first < 0 || bytes == 0
            ? ob_fail(error, OB_EFORMAT, "the row of sample %lld is damaged", (long long)first)
            : ob_store_row_decode(&f->machine->id, (struct ob_sample){(uint64_t)first}, data, bytes, ret_row,
                                  error);
    if (failed)
        (void)complain(f, failed, error);
    return failed;
}

/* Fills in prev and checks that the row goes on where the one before ended. */
static enum ob_err link_row(struct follower *f, struct ob_store_row *row, struct ob_error *error) {
    struct ob_record *record = &row->record;
    assert(f->any || row->has_prev || record->first.index == 0);
    bool broken = f->any && (record->first.index != f->next || record->round.index <= f->round ||
                             (row->has_prev && !ob_hash_equal(&record->prev, &f->head)));
    if (broken) {
        (void)ob_fail(error, OB_EFORMAT, "the chain breaks at sample %llu",
                      (unsigned long long)record->first.index);
        return complain(f, OB_EFORMAT, error);
    }
    if (f->any)
        record->prev = f->head;
    f->any = true;
    f->next = record->first.index + record->n;
    f->round = record->round.index;
    f->head = ob_record_hash(&f->store->run, record);
    return OB_OK;
}

/* A row is input like any other: the bounds of the run hold for it too. */
static enum ob_err show(const struct follower *f, const struct ob_record *record, ob_store_record_fn see,
                        void *context, struct ob_error *error) {
    uint8_t data[OB_RECORD_BYTES_MAX];
    struct ob_record checked;
    size_t bytes = ob_record_encode(record, data);
    enum ob_err failed = ob_record_decode(data, bytes, &f->store->bounds, &checked, error);
    if (failed) {
        return complain(f, OB_EFORMAT, error);
    }
    return see(context, &checked, error);
}

/* The nearest sample at or before `first` whose row says by itself what is before it. */
static enum ob_err find_anchor(struct follower *f, uint64_t first, int64_t *ret_anchor,
                               struct ob_error *error) {
    sqlite3_stmt *query = f->store->backward;
    enum ob_err failed = OB_OK;
    int step;
    *ret_anchor = 0;
    sqlite3_bind_int64(query, 1, f->machine->number);
    sqlite3_bind_int64(query, 2, (int64_t)first);
    while (!failed && (step = sqlite3_step(query)) == SQLITE_ROW) {
        struct ob_store_row row;
        failed = decode(f, query, &row, error);
        if (failed || !row.has_prev)
            continue;
        *ret_anchor = (int64_t)row.record.first.index;
        break;
    }
    if (!failed && step != SQLITE_ROW && step != SQLITE_DONE)
        failed = ob_store_sql_error(f->store, error);
    sqlite3_reset(query);
    return failed;
}

static enum ob_err follow(struct follower *f, int64_t anchor, uint64_t first, ob_store_record_fn see,
                          void *context, struct ob_error *error) {
    sqlite3_stmt *query = f->store->forward;
    enum ob_err failed = OB_OK;
    int step = SQLITE_DONE;
    sqlite3_bind_int64(query, 1, f->machine->number);
    sqlite3_bind_int64(query, 2, anchor);
    while (!failed && (step = sqlite3_step(query)) == SQLITE_ROW) {
        struct ob_store_row row;
        failed = decode(f, query, &row, error);
        if (!failed && !f->any && !row.has_prev && row.record.first.index != 0) {
            (void)ob_fail(error, OB_EFORMAT, "the chain starts at sample %llu instead of 0",
                          (unsigned long long)row.record.first.index);
            failed = complain(f, OB_EFORMAT, error);
        }
        if (!failed)
            failed = link_row(f, &row, error);
        if (!failed && f->next > first)
            failed = show(f, &row.record, see, context, error);
    }
    if (!failed && step != SQLITE_DONE)
        failed = ob_store_sql_error(f->store, error);
    sqlite3_reset(query);
    return failed;
}

enum ob_err ob_store_machine_records(struct ob_store *store, const struct ob_store_machine *machine,
                                     struct ob_sample first, ob_store_record_fn see, void *context,
                                     struct ob_error *error) {
    struct follower follower = {.store = store, .machine = machine};
    int64_t anchor = 0;
    if (first.index > INT64_MAX)
        return OB_OK;
    enum ob_err failed = first.index == 0 ? OB_OK : find_anchor(&follower, first.index, &anchor, error);
    return failed ? failed : follow(&follower, anchor, first.index, see, context, error);
}

/* What was handed in is seen; machines that another store of this directory has added are, too. */
static enum ob_err refresh(struct ob_store *store, struct ob_error *error) {
    return store->read_only ? ob_store_load_machines(store, error) : ob_store_flush(store, error);
}

enum ob_err ob_store_each(struct ob_store *store, ob_store_record_fn see, void *context,
                          struct ob_error *error) {
    enum ob_err failed = refresh(store, error);
    for (size_t i = 0; i < store->machine_count && !failed; i++)
        failed =
            ob_store_machine_records(store, &store->machines[i], (struct ob_sample){0}, see, context, error);
    return failed;
}

enum ob_err ob_store_from(struct ob_store *store, const struct ob_machine_id *id, struct ob_sample first,
                          ob_store_record_fn see, void *context, struct ob_error *error) {
    enum ob_err failed = refresh(store, error);
    const struct ob_store_machine *machine = ob_store_machine_of(store, id);
    if (!failed && machine)
        failed = ob_store_machine_records(store, machine, first, see, context, error);
    return failed == OB_ENOTFOUND ? OB_OK : failed;
}

enum ob_err ob_store_hold(struct ob_store *store, struct ob_error *error) {
    assert(store->read_only);
    enum ob_err failed = ob_store_execute(store, "BEGIN", error);
    return failed ? failed : ob_store_load_machines(store, error); /* the first reading is what holds it */
}

struct finding {
    const struct ob_store *store;
    struct ob_sample sample;
    uint8_t *data;
    size_t bytes;
};

static enum ob_err find_row(void *context, const struct ob_record *record, struct ob_error *error) {
    struct finding *finding = context;
    char key[OB_HEX_SHORT_MAX];
    if (record->first.index > finding->sample.index)
        return ob_fail(error, OB_ENOTFOUND, "that was the one");
    if (!ob_record_verify(&finding->store->run, record))
        return ob_fail(
            error, OB_EFORMAT,
            "%s: machine %s: the record of sample %llu was changed on the disk; restart onebyted to "
            "repair the log",
            finding->store->path, ob_hex_short(&record->machine, key),
            (unsigned long long)record->first.index);
    finding->bytes = ob_record_encode(record, finding->data);
    return ob_fail(error, OB_ENOTFOUND, "that was the one");
}

enum ob_err ob_store_find(struct ob_store *store, const struct ob_machine_id *machine,
                          struct ob_sample sample, uint8_t *ret_data, size_t *ret_bytes,
                          struct ob_error *error) {
    struct finding finding = {.store = store, .sample = sample, .data = ret_data};
    enum ob_err failed = ob_store_from(store, machine, sample, find_row, &finding, error);
    if (failed)
        return failed;
    if (finding.bytes == 0)
        return ob_fail(error, OB_ENOTFOUND, "%s: no record holds sample %llu", store->path,
                       (unsigned long long)sample.index);
    *ret_bytes = finding.bytes;
    return OB_OK;
}

/* The first sample of the machine's first record of `round` or later; -1: it has none. */
static enum ob_err first_since(struct follower *f, uint32_t round, int64_t *ret_first,
                               struct ob_error *error) {
    sqlite3_stmt *query = f->store->backward;
    enum ob_err failed = OB_OK;
    int step = SQLITE_DONE;
    *ret_first = -1;
    sqlite3_bind_int64(query, 1, f->machine->number);
    sqlite3_bind_int64(query, 2, INT64_MAX);
    while (!failed && (step = sqlite3_step(query)) == SQLITE_ROW) {
        struct ob_store_row row;
        failed = decode(f, query, &row, error);
        if (!failed && row.record.round.index < round)
            break;
        if (!failed)
            *ret_first = (int64_t)row.record.first.index;
    }
    if (!failed && step != SQLITE_ROW && step != SQLITE_DONE)
        failed = ob_store_sql_error(f->store, error);
    sqlite3_reset(query);
    return failed;
}

enum ob_err ob_store_since(struct ob_store *store, struct ob_round round, ob_store_record_fn see,
                           void *context, struct ob_error *error) {
    enum ob_err failed = refresh(store, error);
    for (size_t i = 0; i < store->machine_count && !failed; i++) {
        struct follower follower = {.store = store, .machine = &store->machines[i]};
        int64_t first = -1;
        failed = first_since(&follower, round.index, &first, error);
        if (!failed && first >= 0)
            failed = ob_store_machine_records(store, &store->machines[i], (struct ob_sample){(uint64_t)first},
                                              see, context, error);
    }
    return failed;
}

static bool key_of(sqlite3_stmt *query, int column, struct ob_machine_id *ret_key) {
    if (sqlite3_column_bytes(query, column) != OB_KEY_BYTES)
        return false;
    memcpy(ret_key->key, sqlite3_column_blob(query, column), OB_KEY_BYTES);
    return true;
}

static struct ob_store_entry entry_of(sqlite3_stmt *query) {
    struct ob_store_entry entry = {.kind = sqlite3_column_int(query, 0),
                                   .data = sqlite3_column_blob(query, 3),
                                   .bytes = (size_t)sqlite3_column_bytes(query, 3)};
    entry.keys_fit = key_of(query, 1, &entry.signer) && key_of(query, 2, &entry.subject);
    return entry;
}

enum ob_err ob_store_each_entry(struct ob_store *store, ob_store_entry_fn see, void *context,
                                struct ob_error *error) {
    enum ob_err failed = refresh(store, error);
    sqlite3_stmt *query = NULL;
    if (failed)
        return failed;
    if (sqlite3_prepare_v2(store->db,
                           "SELECT kind, signer, subject, data FROM control ORDER BY kind, signer, subject",
                           -1, &query, NULL) != SQLITE_OK)
        return ob_store_sql_error(store, error);
    int step = SQLITE_DONE;
    while (!failed && (step = sqlite3_step(query)) == SQLITE_ROW) {
        struct ob_store_entry entry = entry_of(query);
        failed = see(context, &entry, error);
    }
    if (!failed && step != SQLITE_DONE)
        failed = ob_store_sql_error(store, error);
    sqlite3_finalize(query);
    return failed;
}

struct control_seer {
    ob_store_control_fn see;
    void *context;
};

static enum ob_err see_control(void *context, const struct ob_store_entry *entry, struct ob_error *error) {
    const struct control_seer *seer = context;
    return seer->see(seer->context, entry->data, entry->bytes, error);
}

enum ob_err ob_store_each_control(struct ob_store *store, ob_store_control_fn see, void *context,
                                  struct ob_error *error) {
    struct control_seer seer = {see, context};
    return ob_store_each_entry(store, see_control, &seer, error);
}

enum ob_err ob_store_each_machine(struct ob_store *store, ob_store_machine_fn see, void *context,
                                  struct ob_error *error) {
    enum ob_err failed = refresh(store, error);
    struct ob_machine_id id; /* a copy: others may come in before it while `see` reads */
    for (const struct ob_store_machine *at = ob_store_machine_after(store, NULL); at && !failed;
         at = ob_store_machine_after(store, &id)) {
        id = at->id;
        failed = see(context, &id, error);
    }
    return failed;
}

enum ob_err ob_store_count_one(void *context, const struct ob_record *record, struct ob_error *error) {
    (void)error;
    struct ob_store_counts *counts = context;
    counts->records++;
    counts->samples += record->n;
    return OB_OK;
}
