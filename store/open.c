#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/access.h"
#include "store/store_internal.h"

#define RUNNING_BUSY_MS 200 /* until somebody else's lock is told; the caller waits on */

/* Somebody else has the lock, or there are none to be had. */
static enum ob_err not_locked(const struct ob_store *store, const char *path, int why,
                              struct ob_error *error) {
    char system[OB_FILE_SYSTEM_MAX];
    if (why == EWOULDBLOCK)
        return ob_fail(error, OB_EBUSY, "%s: another onebyted uses this state directory; stop it first",
                       store->folder);
    if (why != ENOLCK && why != EOPNOTSUPP && why != ENOSYS && why != EINVAL)
        return ob_access_fail(error, path, "cannot lock", why);
    ob_access_file_system(store->folder, system);
    return ob_fail(
        error, OB_EUNSUPPORTED,
        "%s: cannot lock: its file system (%s) has no lock service (%s): put state_dir on a local disk, or "
        "start the lock service (NFS version 3: rpc.statd on both sides, no mount option nolock)",
        path, system, strerror(why));
}

static enum ob_err take_lock(struct ob_store *store, struct ob_error *error) {
    char path[OB_PATH_MAX];
    enum ob_err failed = ob_path_join(path, store->folder, "lock", error);
    if (failed)
        return failed;
    store->lock = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (store->lock < 0)
        return ob_access_fail(error, path, "cannot open", errno);
    return flock(store->lock, LOCK_EX | LOCK_NB) == 0 ? OB_OK : not_locked(store, path, errno, error);
}

static enum ob_err open_checked(struct ob_store *store, struct ob_pool *pool, struct ob_error *error) {
    struct ob_error damage = {0};
    enum ob_err failed = ob_store_open_database(store, &damage);
    if (!failed)
        failed = ob_store_check(store, pool, &damage);
    if (failed == OB_EFORMAT)
        return ob_store_rescue_from(store, pool, damage.text, error);
    if (failed && error)
        *error = damage;
    return failed;
}

static enum ob_err open_for_writing(struct ob_store *store, unsigned threads, struct ob_error *error) {
    struct ob_pool *pool = NULL;
    enum ob_err failed = ob_store_files_check(store, error);
    if (!failed)
        failed = take_lock(store, error);
    if (!failed)
        failed = ob_pool_new(threads ? threads : ob_processors(), &pool, error);
    if (!failed)
        failed = open_checked(store, pool, error);
    ob_pool_free(pool);
    if (failed)
        return failed;
    ob_store_files_note(store);
    sqlite3_busy_timeout(store->db, RUNNING_BUSY_MS);
    return OB_OK;
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
    enum ob_err failed = ob_path_join(store->path, options->state_dir, "log.sqlite", error);
    if (!failed) {
        (void)snprintf(store->folder, sizeof store->folder, "%s", options->state_dir);
        failed = store->read_only ? ob_store_open_database(store, error)
                                  : open_for_writing(store, options->threads, error);
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
