/* The database handle, and the table `meta`. */
#include <string.h>

#include "store/store_internal.h"

enum ob_err ob_store_execute(struct ob_store *store, const char *sql, struct ob_error *error) {
    return sqlite3_exec(store->db, sql, NULL, NULL, NULL) == SQLITE_OK ? OB_OK
                                                                       : ob_store_sql_error(store, error);
}

enum ob_err ob_store_meta_get(struct ob_store *store, const char *key, void *ret_value, size_t capacity,
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
    enum ob_err failed = ob_store_meta_get(store, key, ret_text, capacity - 1, &bytes, error);
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
