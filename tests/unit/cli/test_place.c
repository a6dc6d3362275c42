/* Where a run is looked for: closed folders are named, several runs need a choice, and hints say it. */
#include "tests/unit/cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/place.h"
#include "tests/support/folder.h"

#define NOBODY 65534

/* $XDG_STATE_HOME/onebyte/NAME, with an identity. */
static void make_run(const struct test_folder *folder, const char *name,
                     char ret_path[static TEST_PATH_MAX]) {
    char below[128];
    (void)snprintf(below, sizeof below, "onebyte/%s", name);
    assert_int_equal(ob_file_make_folder(test_folder_path(folder, "onebyte", ret_path), 0755, NULL), OB_OK);
    assert_int_equal(ob_file_make_folder(test_folder_path(folder, below, ret_path), 0700, NULL), OB_OK);
    (void)snprintf(below, sizeof below, "onebyte/%s/identity", name);
    test_folder_print(folder, below, "key");
}

static void begin(struct test_folder *folder) {
    test_folder_make(folder);
    assert_int_equal(setenv("XDG_STATE_HOME", folder->path, 1), 0);
    assert_int_equal(unsetenv("ONEBYTE_STATE"), 0);
}

static void without_a_run_the_first_commands_are_named(void **state) {
    (void)state;
    struct test_folder folder;
    struct ob_cli_place place;
    struct ob_error error = {0};
    begin(&folder);
    assert_int_equal(ob_cli_find(&(struct ob_cli_at){0}, OB_NEED_STATE_DIR, &place, &error), OB_EUSAGE);
    assert_non_null(strstr(error.text, "`onebyte up` creates one"));
    assert_int_equal(ob_cli_find(&(struct ob_cli_at){.run = "x"}, OB_NEED_STATE_DIR, &place, &error),
                     OB_ENOTFOUND);
    assert_non_null(strstr(error.text, "no run \"x\""));
    test_folder_remove(&folder);
}

/* A command that would find the run by itself needs no word; else the run's name, or its path. */
static void hints_say_what_a_command_needs(void **state) {
    (void)state;
    struct test_folder folder;
    char one[TEST_PATH_MAX], two[TEST_PATH_MAX], hint[OB_CLI_HINT_MAX];
    begin(&folder);
    make_run(&folder, "one", one);
    assert_string_equal(ob_cli_hint(one, "", hint), "");
    assert_string_equal(ob_cli_hint("/elsewhere/state", "", hint), " /elsewhere/state");
    assert_string_equal(ob_cli_hint("/else where", "--state ", hint), " --state '/else where'");
    make_run(&folder, "two", two);
    assert_string_equal(ob_cli_hint(one, "", hint), " --run one");
    assert_string_equal(ob_cli_hint(two, "--state ", hint), " --run two");
    assert_int_equal(setenv("ONEBYTE_STATE", two, 1), 0);
    assert_string_equal(ob_cli_hint(two, "", hint), "");
    assert_int_equal(unsetenv("ONEBYTE_STATE"), 0);
    test_folder_remove(&folder);
}

static void as_somebody_else(const struct test_folder *folder, const char *closed, bool on) {
    if (getuid() != 0)
        assert_int_equal(chmod(closed, on ? 0 : 0755), 0);
    else if (on)
        assert_true(chmod(folder->path, 0755) == 0 && seteuid(NOBODY) == 0);
    else
        assert_int_equal(seteuid(0), 0);
}

/* Neither "there is no run" nor "give a manifest". */
static void a_closed_folder_is_named(void **state) {
    (void)state;
    struct test_folder folder;
    char run[TEST_PATH_MAX], root[TEST_PATH_MAX];
    struct ob_cli_place place;
    struct ob_error error = {0}, of_root = {0};
    begin(&folder);
    make_run(&folder, "closed", run);
    as_somebody_else(&folder, run, true);
    enum ob_err found = ob_cli_find(&(struct ob_cli_at){0}, OB_NEED_STATE_DIR, &place, NULL);
    enum ob_err failed = ob_cli_find(&(struct ob_cli_at){0}, OB_NEED_MANIFEST, &place, &error);
    as_somebody_else(&folder, run, false);
    assert_int_equal(found, OB_OK);
    assert_int_equal(failed, OB_EREFUSED);
    assert_non_null(strstr(error.text, run));
    assert_non_null(strstr(error.text, "mode 0"));
    test_folder_path(&folder, "onebyte", root);
    assert_int_equal(chmod(root, 0700), 0);
    as_somebody_else(&folder, root, true);
    failed = ob_cli_find(&(struct ob_cli_at){0}, OB_NEED_STATE_DIR, &place, &of_root);
    as_somebody_else(&folder, root, false);
    assert_int_equal(failed, OB_EREFUSED);
    assert_non_null(strstr(of_root.text, root));
    test_folder_remove(&folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_run_the_first_commands_are_named),
        cmocka_unit_test(hints_say_what_a_command_needs),
        cmocka_unit_test(a_closed_folder_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
