/* The configuration that up and join write: one value is changed, everything else stays. */
#include "tests/unit/cmocka_all.h"

#include <stdlib.h>
#include <string.h>

#include "base/options.h"
#include "cli/adjust.h"
#include "cli/conf.h"
#include "tests/support/folder.h"

static void expect_file(const struct test_folder *folder, const char *text) {
    char path[TEST_PATH_MAX];
    char *data = test_file_read(test_folder_path(folder, OB_CLI_CONF, path), NULL);
    assert_string_equal(data, text);
    free(data);
}

static void set(const struct test_folder *folder, const char *section, const char *key, const char *value) {
    struct ob_error error = {0};
    assert_int_equal(ob_cli_conf_set(folder->path, section, key, value, &error), OB_OK);
}

static void a_value_is_replaced_and_comments_stay(void **state) {
    (void)state;
    struct test_folder folder;
    test_folder_make(&folder);
    test_folder_print(
        &folder, OB_CLI_CONF,
        "# mine\n[machine]\nstate_dir = /s\nthreads = 1 ; two of four\n\n[network]\nlisten = \n[peers]\n");
    set(&folder, "machine", "threads", "2");
    set(&folder, "network", "listen", "tcp://[::1]:7300");
    set(&folder, "network", "listen", "");
    set(&folder, "network", "listen", "tcp://*:7303");
    expect_file(
        &folder,
        "# mine\n[machine]\nstate_dir = /s\nthreads = 2\n\n[network]\nlisten = tcp://*:7303\n[peers]\n");
    test_folder_remove(&folder);
}

static void a_key_or_a_section_that_is_missing_is_added(void **state) {
    (void)state;
    struct test_folder folder;
    test_folder_make(&folder);
    test_folder_print(&folder, OB_CLI_CONF,
                      "[run]\nmodel = /m\n# threads = 9\nthreads2 = 3\n[machine]\n  threads=1");
    set(&folder, "run", "share_model", "yes");
    set(&folder, "machine", "threads", "4");
    set(&folder, "training", "exit_when_finished", "yes");
    expect_file(&folder,
                "[run]\nshare_model = yes\nmodel = /m\n# threads = 9\nthreads2 = 3\n[machine]\nthreads = "
                "4\n[training]\nexit_when_finished = yes\n");
    test_folder_remove(&folder);
}

static void what_cannot_stand_in_it_is_refused(void **state) {
    (void)state;
    struct test_folder folder;
    test_folder_make(&folder);
    assert_int_equal(ob_cli_conf_set(folder.path, "run", "model", "/m", NULL), OB_ENOTFOUND);
    test_folder_print(&folder, OB_CLI_CONF, "[run]\nmodel = /m\n");
    assert_int_equal(ob_cli_conf_set(folder.path, "run", "model", "/a\n[peers]", NULL), OB_EUSAGE);
    assert_int_equal(ob_cli_conf_set(folder.path, "run", "model", "/a ;b", NULL), OB_EUSAGE);
    assert_int_equal(ob_cli_conf_set(folder.path, "run", "model", " /a", NULL), OB_EUSAGE);
    expect_file(&folder, "[run]\nmodel = /m\n");
    test_folder_remove(&folder);
}

/* What was not given stays as it is. */
static void options_change_what_they_say(void **state) {
    (void)state;
    struct test_folder folder;
    char number[OB_CLI_NUMBER_MAX], other[OB_CLI_NUMBER_MAX];
    test_folder_make(&folder);
    test_folder_print(&folder, OB_CLI_CONF, "[machine]\nthreads = 1\n[network]\nlisten = tcp://*:7300\n");
    const struct ob_cli_setting settings[] = {{"machine", "threads", ob_cli_number(3, number)},
                                              {"network", "listen", NULL},
                                              {"training", "shards", ob_cli_number(OB_NOT_GIVEN, other)},
                                              {"training", "observer", "no"}};
    assert_int_equal(ob_cli_adjust(folder.path, settings, 4, true, NULL), OB_OK);
    expect_file(&folder, "[machine]\nthreads = 3\n[network]\nlisten = tcp://*:7300\n");
    test_folder_remove(&folder);
}

/* --set: a section, a key and any value; nothing else. */
static void any_line_can_be_set(void **state) {
    (void)state;
    static const char *const BAD[] = {"",
                                      "training",
                                      "training.batch",
                                      ".batch=1",
                                      "training.=1",
                                      "Training.batch=1",
                                      "training.batch 8",
                                      "a b.c=1",
                                      "[peers].x=1"};
    struct test_folder folder;
    struct ob_cli_settings settings = {.count = 0};
    /* a switch that is off where nothing says so is set all the same: others are on */
    struct ob_option_list good = {
        .count = 3, .values = {"training.batch=8", "peers.bob=KEY@tcp://b:1=2", "swarm.share_metrics=no"}};
    struct ob_error error = {0};
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        const struct ob_option_list bad = {.count = 1, .values = {BAD[i]}};
        assert_int_equal(ob_cli_settings_add(&settings, &bad, &error), OB_EUSAGE);
        assert_non_null(strstr(error.text, "SECTION.KEY=VALUE"));
    }
    test_folder_make(&folder);
    test_folder_print(&folder, OB_CLI_CONF, "[training]\ndata = /d\n");
    assert_int_equal(ob_cli_adjust_new(folder.path, &good, NULL), OB_OK);
    expect_file(
        &folder,
        "[training]\nbatch = 8\ndata = /d\n[peers]\nbob = KEY@tcp://b:1=2\n[swarm]\nshare_metrics = no\n");
    test_folder_remove(&folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_is_replaced_and_comments_stay),
        cmocka_unit_test(a_key_or_a_section_that_is_missing_is_added),
        cmocka_unit_test(what_cannot_stand_in_it_is_refused),
        cmocka_unit_test(options_change_what_they_say),
        cmocka_unit_test(any_line_can_be_set),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
