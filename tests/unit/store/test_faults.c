/* What happens to a log when the disk is full, when it is damaged, and when an older state is put back. */
#include "tests/unit/cmocka_all.h"

#include <sched.h>
#include <sqlite3.h>
#include <sys/mount.h>

#include "tests/unit/store/store_fixture.h"

/* A shell command on the state directory, which it calls $S. */
static void run(const char *command, const char *folder) {
    assert_int_equal(setenv("S", folder, 1), 0);
    assert_int_equal(system(command), 0);
}

/* A small file system of our own. */
static bool mount_small(const char *folder) {
    return unshare(CLONE_NEWNS) == 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("onebyte", folder, "tmpfs", 0, "size=640k,mode=700") == 0;
}

static void full_disk_loses_nothing_and_goes_on_when_there_is_room(void **state) {
    (void)state;
    struct fixture f;
    struct ob_error error = {0};
    make(&f);
    if (!mount_small(f.folder.path)) {
        remove_all(&f);
        print_message("no tmpfs can be mounted here\n");
        skip();
    }
    struct ob_store *store = open_store(&f);
    run("dd if=/dev/zero of=$S/ballast bs=1k count=100 2>/dev/null", f.folder.path);
    enum ob_err failed = OB_OK;
    struct ob_record own;
    int stored = 0;
    for (; !failed && stored < 10000; stored++) {
        put_other(&f, store, 1, 200); /* waits until the next own record */
        own = next_record(&f, 0, 200);
        failed = ob_store_own(store, &own, &error);
    }
    assert_int_equal(failed, OB_EFULL);
    assert_non_null(strstr(error.text, "full"));
    assert_int_equal(ob_store_own(store, &own, &error), OB_EFULL); /* and says so again */
    run("rm $S/ballast", f.folder.path);
    assert_int_equal(ob_store_own(store, &own, &error), OB_OK);
    put_own(&f, store, 200);
    assert_complete(&f, store);
    ob_store_close(store);
    store = open_store(&f);
    assert_false(ob_store_rescued(store)->happened);
    assert_true(ob_store_may_start_alone(store));
    assert_complete(&f, store);
    ob_store_close(store);
    assert_int_equal(umount2(f.folder.path, MNT_DETACH), 0);
    remove_all(&f);
}

static void fill(struct fixture *f) {
    make(f);
    struct ob_store *store = open_store(f);
    for (int i = 0; i < 100; i++)
        for (int chain = 0; chain < CHAINS; chain++)
            put_other(f, store, chain, 8);
    ob_store_close(store);
}

/* Opens, expects damage, and gives what each chain ends at. */
static struct reading rescue(struct fixture *f) {
    struct ob_store *store = open_store(f);
    struct reading reading = {.fixture = f};
    assert_true(ob_store_rescued(store)->happened);
    assert_false(ob_store_may_start_alone(store));
    assert_int_equal(ob_store_each(store, read_one, &reading, NULL), OB_OK);
    assert_int_equal(ob_store_rescued(store)->records, reading.records);
    ob_store_close(store);
    store = open_store(f); /* it is whole now, and still does not know what it may have lost */
    assert_false(ob_store_rescued(store)->happened);
    assert_false(ob_store_may_start_alone(store));
    ob_store_close(store);
    return reading;
}

static void damaged_row_is_dropped_with_what_follows_it(void **state) {
    (void)state;
    static const char *const DAMAGES[] = {
        ("UPDATE record SET data = CAST(substr(data, 1, 20) || x'ee' || substr(data, 22) AS BLOB) "
         "WHERE machine = 2 AND first = 320"),
        "UPDATE record SET data = zeroblob(0) WHERE machine = 2 AND first = 320",
        "UPDATE record SET data = zeroblob(9000) WHERE machine = 2 AND first = 320",
        "UPDATE record SET first = 319 WHERE machine = 2 AND first = 320",
        "DELETE FROM record WHERE machine = 2 AND first = 320",
    };
    for (size_t i = 0; i < sizeof DAMAGES / sizeof *DAMAGES; i++) {
        struct fixture f;
        fill(&f);
        execute(&f, DAMAGES[i]);
        struct reading reading = rescue(&f);
        assert_int_equal(reading.records, 3 * 100 + 40);
        assert_int_equal(reading.next[1], 320);
        assert_int_equal(reading.next[2], 800);
        remove_all(&f);
    }
}

static void damaged_pages_lose_some_and_crash_nothing(void **state) {
    (void)state;
    for (uint32_t seed = 0; seed < 12; seed++) {
        struct fixture f;
        char path[TEST_PATH_MAX];
        uint8_t noise[600];
        fill(&f);
        FILE *file = fopen(test_folder_path(&f.folder, "log.sqlite", path), "r+");
        assert_non_null(file);
        randombytes_buf_deterministic(noise, sizeof noise, (const uint8_t[32]){(uint8_t)seed});
        assert_int_equal(fseek(file, (long)(seed * 5003), SEEK_SET), 0);
        assert_int_equal(fwrite(noise, 1, sizeof noise, file), sizeof noise);
        assert_int_equal(fclose(file), 0);
        struct ob_store *store = open_store(&f);
        struct reading reading = {.fixture = &f};
        assert_int_equal(ob_store_each(store, read_one, &reading, NULL), OB_OK);
        assert_true(ob_store_rescued(store)->happened || reading.records == 400); /* or a page not in use */
        ob_store_close(store);
        remove_all(&f);
    }
}

static void file_that_is_no_database_makes_way(void **state) {
    (void)state;
    struct fixture f;
    fill(&f);
    run("head -c 20000 /dev/zero | tr '\\000' 'x' >$S/log.sqlite", f.folder.path);
    struct reading reading = rescue(&f);
    assert_int_equal(reading.records, 0);
    run("test -f $S/log.sqlite.damaged", f.folder.path);
    remove_all(&f);
}

static void assert_alone(struct fixture *f, bool may) {
    struct ob_store *store = open_store(f);
    assert_int_equal(ob_store_may_start_alone(store), may);
    ob_store_close(store);
}

static void older_or_copied_state_may_not_start_alone(void **state) {
    (void)state;
    static const char *const RESTORES[] = {
        "cp -a $S/backup/* $S/",                               /* in place: the same inodes */
        "cd $S && rm log.sqlite* place.* && cp -a backup/* .", /* new files */
        "cp -a $S $S.x && rm -r $S && mv $S.x $S",             /* a copy of all */
        "rm $S/log.sqlite*",                                   /* the log is lost */
        "rm $S/place.*",
    };
    for (size_t i = 0; i < sizeof RESTORES / sizeof *RESTORES; i++) {
        struct fixture f;
        fill(&f);
        run("mkdir $S/backup && cp -a $S/log.sqlite $S/place.* $S/backup/", f.folder.path);
        run(RESTORES[i], f.folder.path);
        assert_alone(&f, false);
        assert_alone(&f, false);
        /* others told it where its chain ends, and it went on */
        struct ob_store *store = open_store(&f);
        if (i == 3)
            begin_again(&f, 0);
        put_own(&f, store, 3);
        assert_true(ob_store_may_start_alone(store));
        ob_store_close(store);
        assert_alone(&f, true);
        remove_all(&f);
    }
}

static int setup(void **state) {
    (void)state;
    return sodium_init() < 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(damaged_row_is_dropped_with_what_follows_it),
        cmocka_unit_test(damaged_pages_lose_some_and_crash_nothing),
        cmocka_unit_test(file_that_is_no_database_makes_way),
        cmocka_unit_test(older_or_copied_state_may_not_start_alone),
        cmocka_unit_test(full_disk_loses_nothing_and_goes_on_when_there_is_room),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
