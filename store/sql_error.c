/* What SQLite says, as errors of ours: the file, the cause with SQLite's extended code, and what to do.
 * Source: sqlite.org/rescode.html. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/access.h"
#include "store/store_internal.h"

#define WHAT_MAX 160

/* What may become of a disk or a file system; the others have their number. */
static const struct {
    int code;
    const char *name;
} NAMES[] = {
    {SQLITE_IOERR_READ, "IOERR_READ"},
    {SQLITE_IOERR_SHORT_READ, "IOERR_SHORT_READ"},
    {SQLITE_IOERR_WRITE, "IOERR_WRITE"},
    {SQLITE_IOERR_FSYNC, "IOERR_FSYNC"},
    {SQLITE_IOERR_DIR_FSYNC, "IOERR_DIR_FSYNC"},
    {SQLITE_IOERR_TRUNCATE, "IOERR_TRUNCATE"},
    {SQLITE_IOERR_FSTAT, "IOERR_FSTAT"},
    {SQLITE_IOERR_UNLOCK, "IOERR_UNLOCK"},
    {SQLITE_IOERR_RDLOCK, "IOERR_RDLOCK"},
    {SQLITE_IOERR_DELETE, "IOERR_DELETE"},
    {SQLITE_IOERR_ACCESS, "IOERR_ACCESS"},
    {SQLITE_IOERR_CHECKRESERVEDLOCK, "IOERR_CHECKRESERVEDLOCK"},
    {SQLITE_IOERR_LOCK, "IOERR_LOCK"},
    {SQLITE_IOERR_CLOSE, "IOERR_CLOSE"},
    {SQLITE_IOERR_SHMOPEN, "IOERR_SHMOPEN"},
    {SQLITE_IOERR_SHMSIZE, "IOERR_SHMSIZE"},
    {SQLITE_IOERR_SHMLOCK, "IOERR_SHMLOCK"},
    {SQLITE_IOERR_SHMMAP, "IOERR_SHMMAP"},
    {SQLITE_IOERR_CORRUPTFS, "IOERR_CORRUPTFS"},
    {SQLITE_IOERR_NOMEM, "IOERR_NOMEM"},
    {SQLITE_IOERR_BLOCKED, "IOERR_BLOCKED"},
    {SQLITE_IOERR_SEEK, "IOERR_SEEK"},
    {SQLITE_IOERR_MMAP, "IOERR_MMAP"},
    {SQLITE_IOERR, "IOERR"},
    {SQLITE_CANTOPEN_ISDIR, "CANTOPEN_ISDIR"},
    {SQLITE_CANTOPEN, "CANTOPEN"},
    {SQLITE_READONLY_DBMOVED, "READONLY_DBMOVED"},
    {SQLITE_READONLY_DIRECTORY, "READONLY_DIRECTORY"},
    {SQLITE_READONLY_CANTINIT, "READONLY_CANTINIT"},
    {SQLITE_READONLY, "READONLY"},
    {SQLITE_BUSY, "BUSY"},
    {SQLITE_BUSY_RECOVERY, "BUSY_RECOVERY"},
    {SQLITE_PROTOCOL, "PROTOCOL"},
};

struct said {
    int code, system; /* the extended code; the errno, 0: none */
    char what[WHAT_MAX];
};

static struct said read_said(sqlite3 *db) {
    struct said said = {.code = sqlite3_extended_errcode(db)};
    const char *name = "error";
    int primary = said.code & 0xff;
    if (primary == SQLITE_IOERR || primary == SQLITE_CANTOPEN) /* of others it is left over */
        said.system = sqlite3_system_errno(db);
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++)
        if (NAMES[i].code == said.code)
            name = NAMES[i].name;
    (void)snprintf(said.what, sizeof said.what, "%.90s; SQLite %s %d", sqlite3_errmsg(db), name, said.code);
    return said;
}

static bool no_room(const struct said *said) {
    return (said->code & 0xff) == SQLITE_FULL || said->system == ENOSPC || said->system == EDQUOT ||
           said->system == EFBIG;
}

static bool of_shared_memory(int code) {
    return code == SQLITE_IOERR_SHMMAP || code == SQLITE_IOERR_SHMOPEN || code == SQLITE_IOERR_SHMSIZE ||
           code == SQLITE_IOERR_SHMLOCK;
}

static bool of_locks(int code) {
    return code == SQLITE_IOERR_LOCK || code == SQLITE_IOERR_RDLOCK || code == SQLITE_IOERR_UNLOCK ||
           code == SQLITE_IOERR_CHECKRESERVEDLOCK;
}

static enum ob_err of_file_system(const struct ob_store *store, const struct said *said,
                                  struct ob_error *error) {
    char system[OB_FILE_SYSTEM_MAX];
    const char *why = said->system ? strerror(said->system) : "no reason given";
    ob_access_file_system(store->path, system);
    if (of_locks(said->code))
        return ob_fail(error, OB_EUNSUPPORTED,
                       "%s: its file system (%s) refuses locks (%s; %s): put state_dir on a local disk, or "
                       "start the file "
                       "system's lock service",
                       store->path, system, why, said->what);
    return ob_fail(error, OB_EUNSUPPORTED,
                   "%s-shm: its file system (%s) refuses shared mappings, which the log needs (%s; %s): put "
                   "state_dir on a "
                   "local disk",
                   store->path, system, why, said->what);
}

/* A file that may not be read or written: SQLite does not say why, asking again does. */
static enum ob_err not_allowed(const struct ob_store *store, const struct said *said,
                               struct ob_error *error) {
    char what[WHAT_MAX + 32];
    (void)snprintf(what, sizeof what, "cannot be %s (%s)", store->read_only ? "read" : "written", said->what);
    return ob_access_fail(error, store->path, what, said->system ? said->system : EACCES);
}

static enum ob_err of_system(const struct ob_store *store, const struct said *said, struct ob_error *error) {
    int why = said->system;
    if (why == ENOENT && (said->code & 0xff) == SQLITE_CANTOPEN)
        return ob_fail(error, OB_ENOTFOUND,
                       "%s: no log; name the state directory of a daemon that was started (%s)", store->path,
                       said->what);
    if (why == EACCES || why == EPERM || why == EROFS)
        return not_allowed(store, said, error);
    if (why == ENOMEM || said->code == SQLITE_IOERR_NOMEM)
        return ob_fail(error, OB_ENOMEM, "%s: not enough memory (%s)", store->path, said->what);
    if (of_shared_memory(said->code) || of_locks(said->code))
        return of_file_system(store, said, error);
    return ob_fail(error, OB_EIO, "%s: %s (%s): look at the disk or its server (`dmesg`), then start again",
                   store->path, why ? strerror(why) : "cannot be read or written", said->what);
}

enum ob_err ob_store_sql_error(const struct ob_store *store, struct ob_error *error) {
    struct said said = read_said(store->db);
    if (no_room(&said))
        return ob_fail(error, OB_EFULL, "%s: the disk is full; free some space (%s)", store->path, said.what);
    switch (said.code & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_ERROR: /* our statements are right: its tables are not */
        return ob_fail(error, OB_EFORMAT, "%s: is damaged (%s)", store->path, said.what);
    case SQLITE_CONSTRAINT: /* the keys of the rows are ours alone to give */
        return ob_fail(error, OB_EFORMAT,
                       "%s: was changed by another program (%s); start onebyted again to repair it",
                       store->path, said.what);
    case SQLITE_NOMEM:
        return ob_fail(error, OB_ENOMEM, "%s: not enough memory (%s)", store->path, said.what);
    case SQLITE_BUSY:
        return ob_fail(error, OB_ELOCKED,
                       "%s: another program keeps it locked (%s): end it (sqlite3, a backup), then try "
                       "again; on a network "
                       "file system, its lock service may not answer",
                       store->path, said.what);
    case SQLITE_READONLY:
    case SQLITE_PERM:
        if (said.code == SQLITE_READONLY_DBMOVED)
            return ob_fail(error, OB_EMOVED, "%s: was moved or removed while it was in use (%s); put it back",
                           store->path, said.what);
        return not_allowed(store, &said, error);
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
        return of_system(store, &said, error);
    default:
        return ob_fail(error, OB_EIO, "%s: %s", store->path, said.what);
    }
}
