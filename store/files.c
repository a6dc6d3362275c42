/* The files of a store that is open for writing. SQLite goes on writing to a file that was removed or replaced: what it
 * commits then is lost, and what was signed would be signed again. So each commit looks first. */
#include <stdio.h>
#include <sys/stat.h>

#include "base/access.h"
#include "store/store_internal.h"

static const char *const NAMES[OB_STORE_FILES] = {"log.sqlite", "log.sqlite-wal", "lock"};

static enum ob_err path_of(const struct ob_store *store, const char *name, char ret_path[static OB_PATH_MAX],
                           struct ob_error *error) {
    return ob_path_join(ret_path, store->folder, name, error);
}

enum ob_err ob_store_files_check(const struct ob_store *store, struct ob_error *error) {
    static const char *const ALL[] = {"lock",           "log.sqlite", "log.sqlite-wal",
                                      "log.sqlite-shm", "place.a",    "place.b"};
    char path[OB_PATH_MAX];
    enum ob_err failed = ob_access_own_folder(store->folder, error);
    for (size_t i = 0; i < sizeof ALL / sizeof *ALL && !failed; i++) {
        failed = path_of(store, ALL[i], path, error);
        if (!failed)
            failed = ob_access_no_link(path, error);
    }
    return failed;
}

static struct ob_store_file look(const struct ob_store *store, const char *name) {
    char path[OB_PATH_MAX];
    struct stat info;
    if (path_of(store, name, path, NULL) || lstat(path, &info) != 0)
        return (struct ob_store_file){0};
    return (struct ob_store_file){.device = info.st_dev, .inode = info.st_ino};
}

void ob_store_files_note(struct ob_store *store) {
    for (size_t i = 0; i < OB_STORE_FILES; i++)
        store->files[i] = look(store, NAMES[i]);
}

enum ob_err ob_store_files_same(const struct ob_store *store, struct ob_error *error) {
    for (size_t i = 0; i < OB_STORE_FILES; i++) {
        struct ob_store_file is = look(store, NAMES[i]), was = store->files[i];
        if (was.inode == 0 || (is.inode == was.inode && is.device == was.device))
            continue;
        return ob_fail(
            error, OB_EMOVED,
            "%s/%s: was %s while it was in use; put back the file that was there, or stop this daemon and "
            "start it again",
            store->folder, NAMES[i], is.inode == 0 ? "removed" : "replaced");
    }
    return OB_OK;
}
