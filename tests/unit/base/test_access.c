#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/access.h"
#include "base/file.h"
#include "tests/support/folder.h"

#define NOBODY 65534

/* Only root can give a file away: what another user owns is not told to be taken. */
static void files_of_others_are_named_with_both_users(void **state) {
    (void)state;
    struct ob_error error = {0};
    struct stat info = {.st_uid = 4000000001u, .st_mode = S_IFREG | 0600}, roots = {.st_uid = 0};
    uid_t before = geteuid();
    assert_int_equal(ob_access_foreign(&error, "D/identity", &info), OB_EREFUSED);
    assert_non_null(strstr(error.text, "D/identity: belongs to user 4000000001"));
    assert_true((strstr(error.text, "chown") != NULL) == (before == 0));
    assert_null(strstr(error.text, "chmod"));
    if (before != 0)
        return;
    assert_int_equal(seteuid(NOBODY), 0);
    (void)ob_access_foreign(&error, "D/identity", &info);
    struct ob_error of_root = {0};
    (void)ob_access_foreign(&of_root, "D/identity", &roots);
    assert_int_equal(seteuid(before), 0);
    assert_null(strstr(error.text, "chown"));
    assert_non_null(strstr(error.text, "run it as user 4000000001"));
    assert_non_null(strstr(of_root.text, "have root run `chown nobody D/identity`"));
}

/* What cannot be looked at is not taken for absent. */
static void exists_tells_closed_from_absent(void **state) {
    (void)state;
    struct test_folder folder;
    char closed[TEST_PATH_MAX], path[TEST_PATH_MAX + 16];
    struct ob_error error = {0};
    bool there = true;
    uid_t before = geteuid();
    test_folder_make(&folder);
    assert_int_equal(ob_file_make_folder(test_folder_path(&folder, "closed", closed), 0700, NULL), OB_OK);
    (void)snprintf(path, sizeof path, "%s/file", closed);
    assert_int_equal(ob_access_exists(path, &there, &error), OB_OK);
    assert_false(there);
    assert_int_equal(ob_access_exists(closed, &there, &error), OB_OK);
    assert_true(there);
    if (before == 0) {
        assert_int_equal(chmod(folder.path, 0711), 0);
        assert_int_equal(seteuid(NOBODY), 0);
    } else {
        assert_int_equal(chmod(closed, 0), 0);
    }
    enum ob_err failed = ob_access_exists(path, &there, &error);
    if (before == 0)
        assert_int_equal(seteuid(before), 0);
    else
        assert_int_equal(chmod(closed, 0700), 0);
    assert_int_equal(failed, OB_EREFUSED);
    assert_non_null(strstr(error.text, closed));
    test_folder_remove(&folder);
}

/* As another user, root's ways into everything are closed. */
static void a_closed_folder_is_named(void **state) {
    (void)state;
    struct test_folder folder;
    char closed[TEST_PATH_MAX], path[TEST_PATH_MAX + 16], *data = NULL;
    size_t bytes = 0;
    struct ob_error error = {0};
    uid_t before = geteuid();
    test_folder_make(&folder);
    assert_int_equal(ob_file_make_folder(test_folder_path(&folder, "closed", closed), 0700, NULL), OB_OK);
    (void)snprintf(path, sizeof path, "%s/file", closed);
    assert_int_equal(ob_file_write_new(path, "text", 4, 0600, NULL), OB_OK);
    if (before == 0) {
        assert_int_equal(chmod(folder.path, 0711), 0);
        assert_int_equal(seteuid(NOBODY), 0);
    } else {
        assert_int_equal(chmod(closed, 0), 0);
    }
    enum ob_err failed = ob_file_read(path, 100, &data, &bytes, &error);
    enum ob_err made = ob_file_write_new(path, "text", 4, 0600, NULL);
    if (before == 0)
        assert_int_equal(seteuid(before), 0);
    else
        assert_int_equal(chmod(closed, 0700), 0);
    assert_int_equal(failed, OB_EREFUSED);
    assert_int_equal(made, OB_EREFUSED);
    assert_non_null(strstr(error.text, path));
    assert_non_null(strstr(error.text, "the folder "));
    assert_non_null(strstr(error.text, before == 0
                                           ? "belongs to root (mode 0700), and this program runs as nobody"
                                           : "chmod u+rwx"));
    test_folder_remove(&folder);
}

static void errnos_have_their_codes(void **state) {
    (void)state;
    struct ob_error error = {0};
    assert_int_equal(ob_access_fail(&error, "F", "cannot open", ENOENT), OB_ENOTFOUND);
    assert_int_equal(ob_access_fail(&error, "F", "cannot write", ENOSPC), OB_EFULL);
    assert_int_equal(ob_access_fail(&error, "F", "cannot write", EIO), OB_EIO);
    assert_int_equal(ob_access_fail(&error, "F", "cannot write", EROFS), OB_EREFUSED);
    assert_non_null(strstr(error.text, "mounted read-only"));
    assert_int_equal(ob_access_fail(&error, "no/such/file", "cannot open", EACCES), OB_EREFUSED);
    assert_int_equal(ob_access_fail(NULL, "/", "cannot open", EPERM), OB_EREFUSED);
}

static void file_systems_have_names(void **state) {
    (void)state;
    char name[OB_FILE_SYSTEM_MAX];
    ob_access_file_system("/dev/shm", name);
    assert_string_equal(name, "tmpfs");
    ob_access_file_system("/proc", name);
    assert_non_null(strstr(name, "type 0x9fa0"));
    ob_access_file_system("/no/such/place", name);
    assert_string_equal(name, "unknown");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_of_others_are_named_with_both_users),
        cmocka_unit_test(exists_tells_closed_from_absent),
        cmocka_unit_test(a_closed_folder_is_named),
        cmocka_unit_test(errnos_have_their_codes),
        cmocka_unit_test(file_systems_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
