/* A terminal of the test's own, in the /dev of this machine; and folders that hold none. */
#include "tests/unit/cmocka_all.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "desk/terminals.h"
#include "tests/support/folder.h"

static void nothing_to_go_by(void **state) {
    (void)state;
    struct test_folder f;
    char path[TEST_PATH_MAX];
    assert_true(isnan(ob_terminals_idle_s("/nonexistent", 1000)));
    test_folder_make(&f);
    assert_true(isnan(ob_terminals_idle_s(f.path, 1000)));
    test_folder_write(&f, "tty1", "", 0); /* no device */
    assert_int_equal(mkdir(test_folder_path(&f, "input", path), 0700), 0);
    test_folder_write(&f, "input/mice", "", 0);
    assert_int_equal(symlink("/dev", test_folder_path(&f, "pts", path)), 0);
    assert_int_equal(symlink("/dev/null", test_folder_path(&f, "tty2", path)), 0);
    assert_true(isnan(ob_terminals_idle_s(f.path, 1000)));
    test_folder_remove(&f);
}

/* Devices whose times the test sets: root only. */
static void the_latest_counts(void **state) {
    (void)state;
    struct test_folder f;
    char path[TEST_PATH_MAX];
    test_folder_make(&f);
    static const char *const NAMES[] = {"tty1", "tty63", "pts/0", "input/mice", "tty0", "pts/ptmx", "ttyS0"};
    static const long LAST[] = {100, 900, 700, 500, 990, 991, 992};
    (void)mkdir(test_folder_path(&f, "pts", path), 0700);
    (void)mkdir(test_folder_path(&f, "input", path), 0700);
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++) {
        struct timespec times[2] = {{.tv_sec = LAST[i]}, {.tv_sec = LAST[i]}};
        if (mknod(test_folder_path(&f, NAMES[i], path), S_IFCHR | 0600, makedev(1, 3)) != 0) {
            test_folder_remove(&f);
            skip();
        }
        assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
    }
    assert_float_equal(ob_terminals_idle_s(f.path, 1000), 100, 0);
    assert_float_equal(ob_terminals_idle_s(f.path, 880), 0, 0);   /* this very minute */
    assert_float_equal(ob_terminals_idle_s(f.path, 800), 100, 0); /* the clock was put back: not that one */
    test_folder_remove(&f);
}

/* Somebody types. */
static void a_real_one(void **state) {
    (void)state;
    char byte;
    int keyboard = posix_openpt(O_RDWR | O_NOCTTY);
    if (keyboard < 0 || grantpt(keyboard) != 0 || unlockpt(keyboard) != 0)
        skip();
    int terminal = open(ptsname(keyboard), O_RDWR | O_NOCTTY);
    assert_true(terminal >= 0);
    struct stat before;
    assert_int_equal(fstat(terminal, &before), 0);
    assert_int_equal(write(keyboard, "\n", 1), 1);
    assert_int_equal(read(terminal, &byte, 1), 1);
    double idle = ob_terminals_idle_s(OB_DEVICES_FOLDER, (int64_t)before.st_atim.tv_sec + 30);
    assert_true(idle >= 0 && idle <= 30); /* the kernel writes such times in steps of eight seconds */
    close(terminal);
    close(keyboard);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(nothing_to_go_by),
                                       cmocka_unit_test(the_latest_counts), cmocka_unit_test(a_real_one)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
