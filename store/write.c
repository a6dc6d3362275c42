/* Changes wait in a queue and are committed together; a commit that fails leaves the queue as it is. */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/store_internal.h"

static enum ob_err run(struct ob_store *store, sqlite3_stmt *statement, struct ob_error *error) {
    int step = sqlite3_step(statement);
    enum ob_err failed = step == SQLITE_DONE ? OB_OK : ob_store_sql_error(store, error);
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    return failed;
}

static enum ob_err write_change(struct ob_store *store, const struct ob_store_change *change,
                                struct ob_error *error) {
    switch (change->kind) {
    case OB_CHANGE_MACHINE:
        sqlite3_bind_int64(store->put_machine, 1, change->number);
        sqlite3_bind_blob(store->put_machine, 2, change->subject.key, OB_KEY_BYTES, SQLITE_STATIC);
        return run(store, store->put_machine, error);
    case OB_CHANGE_RECORD:
        sqlite3_bind_int64(store->put_record, 1, change->number);
        sqlite3_bind_int64(store->put_record, 2, change->first);
        sqlite3_bind_blob(store->put_record, 3, change->data, (int)change->bytes, SQLITE_STATIC);
        return run(store, store->put_record, error);
    case OB_CHANGE_CONTROL:
        sqlite3_bind_int(store->put_control, 1, change->control);
        sqlite3_bind_blob(store->put_control, 2, change->signer.key, OB_KEY_BYTES, SQLITE_STATIC);
        sqlite3_bind_blob(store->put_control, 3, change->subject.key, OB_KEY_BYTES, SQLITE_STATIC);
        sqlite3_bind_blob(store->put_control, 4, change->data, (int)change->bytes, SQLITE_STATIC);
        return run(store, store->put_control, error);
    case OB_CHANGE_REMOVE:
        sqlite3_bind_int64(store->remove_records, 1, change->number);
        sqlite3_bind_int64(store->remove_records, 2, change->first);
        return run(store, store->remove_records, error);
    }
    assert(false);
    return OB_OK;
}

enum ob_err ob_store_flush(struct ob_store *store, struct ob_error *error) {
    if (store->queue_count == 0)
        return OB_OK;
    enum ob_err failed = ob_store_execute(store, "BEGIN IMMEDIATE", error);
    for (size_t i = 0; i < store->queue_count && !failed; i++)
        failed = write_change(store, &store->queue[i], error);
    if (!failed)
        failed = ob_store_execute(store, "COMMIT", error);
    if (failed) {
        (void)sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL); /* a full disk may have done so itself */
        return failed;
    }
    while (store->queue_count > 0)
        free(store->queue[--store->queue_count].data);
    return OB_OK;
}

/* Makes room for `count` further changes. */
static enum ob_err make_room(struct ob_store *store, size_t count, struct ob_error *error) {
    assert(!store->read_only);
    return store->queue_count + count > OB_STORE_QUEUE_MAX ? ob_store_flush(store, error) : OB_OK;
}

/* Takes a copy of `data`. There is room. */
static enum ob_err push(struct ob_store *store, struct ob_store_change change, const void *data,
                        struct ob_error *error) {
    assert(store->queue_count < OB_STORE_QUEUE_MAX);
    assert((data != NULL) == (change.bytes > 0));
    if (data) {
        change.data = malloc(change.bytes);
        if (!change.data)
            return ob_fail(error, OB_ENOMEM, "%s: out of memory", store->path);
        memcpy(change.data, data, change.bytes);
    }
    store->queue[store->queue_count++] = change;
    return OB_OK;
}

static void drop_after(struct ob_store *store, size_t count) {
    while (store->queue_count > count)
        free(store->queue[--store->queue_count].data);
}

static enum ob_err put_machine(struct ob_store *store, const struct ob_machine_id *id,
                               struct ob_store_machine **ret_machine, struct ob_error *error) {
    struct ob_store_machine *machine = ob_store_take(store, id, store->last_number + 1);
    if (!machine)
        return ob_fail(error, OB_ENOMEM, "%s: out of memory", store->path);
    *ret_machine = machine;
    if (machine->stored)
        return OB_OK;
    struct ob_store_change change = {.kind = OB_CHANGE_MACHINE, .number = machine->number, .subject = *id};
    enum ob_err failed = push(store, change, NULL, error);
    machine->stored = !failed;
    return failed;
}

static enum ob_err put(struct ob_store *store, const struct ob_record *record, bool flush,
                       struct ob_error *error) {
    uint8_t data[OB_STORE_ROW_BYTES_MAX];
    enum ob_err failed = make_room(store, 2, error);
    if (failed)
        return failed;
    size_t before = store->queue_count;
    struct ob_store_machine *machine = ob_store_machine_of(store, &record->machine);
    bool was_stored = machine && machine->stored;
    if ((failed = put_machine(store, &record->machine, &machine, error)))
        return failed;
    bool with_prev = record->first.index > 0 && machine->without + 1 >= OB_STORE_PREV_EVERY;
    struct ob_store_change change = {.kind = OB_CHANGE_RECORD,
                                     .number = machine->number,
                                     .first = (int64_t)record->first.index,
                                     .bytes = ob_store_row_encode(record, with_prev, data)};
    failed = push(store, change, data, error);
    if (!failed && flush)
        failed = ob_store_flush(store, error);
    if (failed) {
        drop_after(store, before);
        machine->stored = was_stored;
        return failed;
    }
    machine->without = with_prev ? 0 : machine->without + 1;
    store->counts.records++;
    store->counts.samples += record->n;
    return OB_OK;
}

enum ob_err ob_store_own(struct ob_store *store, const struct ob_record *record, struct ob_error *error) {
    enum ob_err failed = put(store, record, true, error);
    if (failed || store->may_start_alone)
        return failed;
    /* The peer has learned from others where its chain ends and went on from there. */
    store->may_start_alone = ob_store_place_renew(store, NULL) == OB_OK;
    return OB_OK;
}

enum ob_err ob_store_other(struct ob_store *store, const struct ob_record *record, struct ob_error *error) {
    return put(store, record, false, error);
}

enum ob_err ob_store_control(struct ob_store *store, const struct ob_control *control, const void *data,
                             size_t bytes, struct ob_error *error) {
    enum ob_err failed = make_room(store, 1, error);
    if (failed)
        return failed;
    size_t before = store->queue_count;
    struct ob_store_change change = {.kind = OB_CHANGE_CONTROL,
                                     .control = (int)control->kind,
                                     .signer = control->signer,
                                     .subject = control->subject,
                                     .bytes = bytes};
    failed = push(store, change, data, error);
    if (!failed)
        failed = ob_store_flush(store, error);
    if (failed)
        drop_after(store, before);
    return failed;
}

/* Before the records go: a crash between the two leaves a mark that the log still reaches. */
static enum ob_err remember_signed(struct ob_store *store, uint64_t end, struct ob_error *error) {
    struct ob_sample known;
    char text[24];
    enum ob_err failed = ob_store_signed(store, &known, error);
    if (failed || end <= known.index)
        return failed;
    int bytes = snprintf(text, sizeof text, "%" PRIu64, end);
    return ob_store_meta_put(store, "signed", text, (size_t)bytes, error);
}

enum ob_err ob_store_cut(struct ob_store *store, const struct ob_machine_id *id, struct ob_sample first,
                         struct ob_error *error) {
    struct ob_store_machine *machine = ob_store_machine_of(store, id);
    if (!machine || first.index > INT64_MAX)
        return OB_OK;
    struct ob_store_counts gone = {0};
    enum ob_err failed = ob_store_from(store, id, first, ob_store_count_one, &gone, error);
    if (!failed && gone.samples > 0 && ob_machine_equal(id, &store->machine))
        failed = remember_signed(store, first.index + gone.samples, error);
    if (!failed)
        failed = make_room(store, 1, error);
    if (failed)
        return failed;
    size_t before = store->queue_count;
    struct ob_store_change change = {
        .kind = OB_CHANGE_REMOVE, .number = machine->number, .first = (int64_t)first.index};
    failed = push(store, change, NULL, error);
    if (!failed)
        failed = ob_store_flush(store, error);
    if (failed) {
        drop_after(store, before);
        return failed;
    }
    machine->without = OB_STORE_PREV_EVERY; /* the next row says what is before it */
    store->counts.records -= gone.records;
    store->counts.samples -= gone.samples;
    return OB_OK;
}
