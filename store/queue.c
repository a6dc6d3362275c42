/* Changes wait in a queue and are committed together; a commit that fails leaves the queue as it is. */
#include <assert.h>
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
    enum ob_err failed = ob_store_files_same(store, error);
    if (!failed)
        failed = ob_store_execute(store, "BEGIN IMMEDIATE", error);
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

enum ob_err ob_store_make_room(struct ob_store *store, size_t count, struct ob_error *error) {
    assert(!store->read_only);
    return store->queue_count + count > OB_STORE_QUEUE_MAX ? ob_store_flush(store, error) : OB_OK;
}

enum ob_err ob_store_push(struct ob_store *store, struct ob_store_change change, const void *data,
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

void ob_store_drop_after(struct ob_store *store, size_t count) {
    while (store->queue_count > count)
        free(store->queue[--store->queue_count].data);
}
