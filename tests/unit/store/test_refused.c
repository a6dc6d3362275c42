/* What a file system refuses - locks, shared mappings - and what SQLite cannot do: said with cause, file and remedy. The
 * refusals are injected: flock(2) by this program's own, the calls of SQLite through its VFS. */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/unit/store/store_fixture.h"

static int flock_fails; /* the errno; 0: it works */
static int map_fails;

int flock(int fd, int operation) {
    if (flock_fails == 0)
        return (int)syscall(SYS_flock, fd, operation);
    errno = flock_fails;
    return -1;
}

static void *refuse_map(void *address, size_t bytes, int protection, int flags, int fd, off_t offset) {
    if (map_fails == 0 || (flags & MAP_SHARED) == 0)
        return mmap(address, bytes, protection, flags, fd, offset);
    errno = map_fails;
    return MAP_FAILED;
}

static enum ob_err open_failing(struct fixture *f, struct ob_error *error) {
    struct ob_store *store = NULL;
    enum ob_err failed = ob_store_open(&f->options, &store, error);
    ob_store_close(store);
    return failed;
}

static void has(const char *text, const char *part) {
    if (!strstr(text, part))
        fail_msg("\"%s\" is not in: %s", part, text);
}

static void no_lock_service_is_not_another_daemon(void **state) {
    (void)state;
    static const int WHY[] = {ENOLCK, EOPNOTSUPP, ENOSYS};
    struct fixture f;
    make(&f);
    for (size_t i = 0; i < sizeof WHY / sizeof *WHY; i++) {
        struct ob_error error = {0};
        flock_fails = WHY[i];
        enum ob_err failed = open_failing(&f, &error);
        flock_fails = 0;
        assert_int_equal(failed, OB_EUNSUPPORTED);
        has(error.text, f.folder.path);
        has(error.text, "/lock: cannot lock: its file system (");
        has(error.text, strerror(WHY[i]));
        has(error.text, "put state_dir on a local disk");
        assert_null(strstr(error.text, "another onebyted"));
    }
    struct ob_error error = {0};
    struct ob_store *store = open_store(&f);
    assert_int_equal(open_failing(&f, &error), OB_EBUSY);
    has(error.text, "another onebyted uses this state directory");
    ob_store_close(store);
    remove_all(&f);
}

static void refused_shared_mappings_are_named(void **state) {
    (void)state;
    struct fixture f;
    struct ob_error error = {0};
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
    make(&f);
    assert_int_equal(vfs->xSetSystemCall(vfs, "mmap", (sqlite3_syscall_ptr)refuse_map), SQLITE_OK);
    map_fails = ENODEV;
    assert_int_equal(open_failing(&f, &error), OB_EUNSUPPORTED);
    has(error.text, "log.sqlite-shm: its file system (");
    has(error.text, "refuses shared mappings");
    has(error.text, "No such device");
    has(error.text, "IOERR_SHMMAP 5386");
    has(error.text, "put state_dir on a local disk");
    map_fails = 0; /* nothing was lost */
    ob_store_close(open_store(&f));
    assert_int_equal(vfs->xSetSystemCall(vfs, "mmap", NULL), SQLITE_OK);
    remove_all(&f);
}

static int fail_read(int fd, void *data, size_t bytes, off_t offset) {
    (void)fd, (void)data, (void)bytes, (void)offset;
    errno = EIO;
    return -1;
}

static void errors_of_the_disk_have_their_code(void **state) {
    (void)state;
    struct fixture f;
    struct ob_error error = {0};
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
    make(&f);
    ob_store_close(open_store(&f));
    assert_int_equal(vfs->xSetSystemCall(vfs, "pread", (sqlite3_syscall_ptr)fail_read), SQLITE_OK);
    assert_int_equal(vfs->xSetSystemCall(vfs, "pread64", (sqlite3_syscall_ptr)fail_read), SQLITE_OK);
    enum ob_err failed = open_failing(&f, &error);
    assert_int_equal(vfs->xSetSystemCall(vfs, "pread", NULL), SQLITE_OK);
    assert_int_equal(vfs->xSetSystemCall(vfs, "pread64", NULL), SQLITE_OK);
    assert_int_equal(failed, OB_EIO);
    has(error.text, "/log.sqlite: Input/output error");
    has(error.text, "IOERR_CORRUPTFS 8458");
    ob_store_close(open_store(&f));
    remove_all(&f);
}

static void a_log_that_somebody_locks_is_busy(void **state) {
    (void)state;
    struct fixture f;
    struct ob_error error = {0};
    make(&f);
    ob_store_close(open_store(&f));
    sqlite3 *db = open_file(&f);
    assert_int_equal(
        sqlite3_exec(db,
                     "PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; INSERT INTO meta VALUES('x', 'y')",
                     NULL, NULL, NULL),
        SQLITE_OK);
    assert_int_equal(open_failing(&f, &error), OB_ELOCKED);
    has(error.text, "another program keeps it locked");
    has(error.text, "BUSY");
    sqlite3_close(db);
    remove_all(&f);
}

static void a_log_that_is_not_there_is_said(void **state) {
    (void)state;
    struct fixture f;
    struct ob_error error = {0};
    make(&f);
    f.options.machine = NULL;
    assert_int_equal(open_failing(&f, &error), OB_ENOTFOUND);
    has(error.text, "/log.sqlite: no log");
    has(error.text, "CANTOPEN 14");
    remove_all(&f);
}

/* Root's ways into everything are closed for another user. */
static void another_owners_log_is_said(void **state) {
    (void)state;
    struct fixture f;
    struct ob_error error = {0};
    if (geteuid() != 0)
        skip();
    make(&f);
    ob_store_close(open_store(&f));
    assert_int_equal(seteuid(65534), 0);
    enum ob_err failed = open_failing(&f, &error);
    f.options.machine = NULL;
    struct ob_error reading = {0};
    enum ob_err read = open_failing(&f, &reading);
    assert_int_equal(seteuid(0), 0);
    assert_int_equal(failed, OB_EREFUSED);
    assert_int_equal(read, OB_EREFUSED);
    has(error.text, f.folder.path);
    has(error.text, "belongs to root");
    has(error.text, "runs as nobody");
    has(reading.text, "/log.sqlite: cannot be read");
    has(reading.text, "belongs to root");
    remove_all(&f);
}

static void the_hash_of_another_run_is_named(void **state) {
    (void)state;
    struct fixture f;
    struct ob_error error = {0};
    make(&f);
    ob_store_close(open_store(&f));
    f.options.run.hash.bytes[0] = 0xab;
    assert_int_equal(open_failing(&f, &error), OB_EMISMATCH);
    has(error.text, "another run (0900000000000000...)");
    has(error.text, "hash is ab00000000000000...");
    has(error.text, "put the original back");
    remove_all(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_lock_service_is_not_another_daemon),
        cmocka_unit_test(refused_shared_mappings_are_named),
        cmocka_unit_test(errors_of_the_disk_have_their_code),
        cmocka_unit_test(a_log_that_somebody_locks_is_busy),
        cmocka_unit_test(a_log_that_is_not_there_is_said),
        cmocka_unit_test(another_owners_log_is_said),
        cmocka_unit_test(the_hash_of_another_run_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
