/* The table `machine`, in memory: sorted by id. */
#include <stdlib.h>
#include <string.h>

#include "store/store_internal.h"

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

const struct ob_store_machine *ob_store_machine_after(const struct ob_store *store,
                                                      const struct ob_machine_id *id) {
    bool found = false;
    size_t at = id ? position_of(store, id, &found) : 0;
    at += found;
    return at < store->machine_count ? &store->machines[at] : NULL;
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
            if (store->lenient)
                continue;
            failed = ob_fail(error, OB_EFORMAT, "%s: the row of machine number %lld is damaged", store->path,
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
