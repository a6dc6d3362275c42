/* State directories that are made for a run: names, folders, and what does not fit this machine. */
#include "tests/unit/cmocka_all.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/conf.h"
#include "cli/listen.h"
#include "cli/newplace.h"
#include "tests/support/folder.h"

static void names_that_are_no_folder_are_refused(void **state) {
    (void)state;
    static const char *const BAD[] = {"", ".", "..", ".hidden", "a/b", "a b", "a\nb", "caf\xc3\xa9"};
    char path[OB_PATH_MAX];
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++)
        assert_int_equal(ob_cli_new_place(NULL, BAD[i], path, NULL), OB_EUSAGE);
    assert_int_equal(setenv("XDG_STATE_HOME", "/somewhere", 1), 0);
    assert_int_equal(ob_cli_new_place(NULL, "rows", path, NULL), OB_OK);
    assert_string_equal(path, "/somewhere/onebyte/rows");
    assert_int_equal(ob_cli_new_place("/elsewhere/state", "rows", path, NULL), OB_OK);
    assert_string_equal(path, "/elsewhere/state");
    assert_int_equal(unsetenv("XDG_STATE_HOME"), 0);
}

static void folders_are_made_and_taken_away(void **state) {
    (void)state;
    struct test_folder folder;
    char path[TEST_PATH_MAX];
    struct ob_identity one, other;
    struct stat info;
    bool made = false;
    test_folder_make(&folder);
    test_folder_path(&folder, "a/b/c", path);
    assert_int_equal(ob_cli_make_place(path, &made, NULL), OB_OK);
    assert_true(made && stat(path, &info) == 0 && (info.st_mode & 0777) == 0700);
    assert_int_equal(ob_cli_make_place(path, &made, NULL), OB_OK);
    assert_false(made);
    assert_int_equal(ob_cli_place_identity(path, &one, NULL), OB_OK);
    assert_int_equal(ob_cli_place_identity(path, &other, NULL), OB_OK); /* the same one */
    assert_memory_equal(&one, &other, sizeof one);
    bool there = false;
    assert_int_equal(ob_cli_place_has(path, "identity", &there, NULL), OB_OK);
    assert_true(there);
    ob_cli_unmake_place(path);
    assert_int_not_equal(stat(path, &info), 0);
    test_folder_remove(&folder);
}

static void what_does_not_fit_is_said_with_numbers(void **state) {
    (void)state;
    struct ob_error error = {0};
    assert_int_equal(ob_cli_check_room("/tmp", 0, 1000, NULL), OB_OK);
    assert_int_equal(ob_cli_check_room("/tmp", 1000000000000000, 0, &error), OB_EUSAGE);
    assert_non_null(strstr(error.text, "too little memory: the run needs about 1000000.10 GB"));
    assert_non_null(strstr(error.text, "GB are free"));
    assert_int_equal(ob_cli_check_room("/proc", 0, 1000, &error), OB_EUSAGE); /* a disk without room */
    assert_non_null(strstr(error.text, "too little disk: the run needs about 0.10 GB at /proc"));
}

static void configuration_comes_back(void **state) {
    (void)state;
    struct test_folder folder;
    char path[TEST_PATH_MAX], value[OB_PATH_MAX], listen[OB_ENDPOINT_MAX];
    struct ob_token_place place = {.name = "a name", .endpoint = "tcp://10.0.0.1:7300"};
    bool made;
    test_folder_make(&folder);
    test_folder_path(&folder, "state", path);
    assert_int_equal(ob_cli_make_place(path, &made, NULL), OB_OK);
    assert_int_equal(ob_cli_listen_free(NULL, listen, NULL), OB_OK);
    struct ob_cli_conf conf = {.state_dir = path,
                               .model = "/models/with a blank",
                               .data = "/rows;1.jsonl",
                               .listen = listen,
                               .places = &place,
                               .place_count = 1};
    assert_int_equal(ob_cli_conf_write(&conf, NULL), OB_OK);
    assert_int_equal(ob_cli_conf_write(&conf, NULL), OB_EBUSY);
    assert_int_equal(ob_cli_conf_value(path, "run", "model", value, NULL), OB_OK);
    assert_string_equal(value, conf.model);
    assert_int_equal(ob_cli_conf_value(path, "training", "data", value, NULL), OB_OK);
    assert_string_equal(value, conf.data);
    assert_int_equal(ob_cli_conf_value(path, "network", "listen", value, NULL), OB_OK);
    assert_string_equal(value, listen);
    assert_int_equal(ob_cli_conf_value(path, "peers", "peer-1", value, NULL),
                     OB_OK); /* a key cannot have a blank */
    assert_non_null(strstr(value, "@tcp://10.0.0.1:7300"));
    conf.data = "/rows ;comment";
    assert_int_equal(ob_cli_conf_write(&conf, NULL), OB_EUSAGE);
    conf.data = "/rows\n[peers]";
    assert_int_equal(ob_cli_conf_write(&conf, NULL), OB_EUSAGE);
    test_folder_remove(&folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_that_are_no_folder_are_refused),
        cmocka_unit_test(folders_are_made_and_taken_away),
        cmocka_unit_test(what_does_not_fit_is_said_with_numbers),
        cmocka_unit_test(configuration_comes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
