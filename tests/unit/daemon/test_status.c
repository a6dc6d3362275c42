/* The table of status fields: every row is in the JSON and nothing else is, whatever the values. */
#include "tests/unit/cmocka_all.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "daemon/status_fields.h"
#include "tests/support/folder.h"

static struct test_folder folder;
static struct ob_history *history;
static const struct ob_health HEALTH = {
    .sentence = "\xff", .loss = {.first = NAN, .last = INFINITY}, .busy = NAN};
static struct ob_problems problems = {.count = 1,
                                      .items = {{.kind = "silent", .machine = "\xfe", .text = "b\xc3\xb6"}}};

/* A status whose numbers are all unfit for JSON, and whose texts are not UTF-8 or not there. */
static struct ob_status bad_status(struct ob_status_machine *machine) {
    struct ob_status status = {
        .name = "caf\xe9",
        .life = "training",
        .pause = {1u << OB_PAUSE_OPERATOR}, /* one reason: one leaf */
        .uptime_s = INFINITY,
        .loss = NAN,
        .catch_up_s = -INFINITY,
        .wire_bytes_per_sample = NAN,
        .peer = {.samples_per_s = NAN, .catch_up_s = NAN},
        .work = {.sample_seconds = NAN, .replay_seconds = NAN},
        .snapshot = {.join = "off", .write_seconds = NAN},
        .health = &HEALTH,
        .history = history,
        .problems = &problems,
        .mean_loss = NAN,
        .seconds_left = INFINITY,
        .machines = machine,
        .machine_count = 1,
    };
    *machine = (struct ob_status_machine){.name = "\xff\xfe b\xc3\xb6"
                                                  "b",
                                          .last_record_s = NAN,
                                          .last_heard_s = INFINITY};
    return status;
}

static const json_t *at(const json_t *root, const char *path) {
    char name[64];
    const char *rest = path;
    if (strncmp(path, "machines[].", 11) == 0) {
        root = json_array_get(json_object_get(root, "machines"), 0);
        rest = path + 11;
    }
    for (const char *dot; root && (dot = strchr(rest, '.')); rest = dot + 1) {
        (void)snprintf(name, sizeof name, "%.*s", (int)(dot - rest), rest);
        root = json_object_get(root, name);
    }
    return json_object_get(root, rest);
}

static size_t leaves(json_t *value) {
    size_t count = 0, i;
    const char *key;
    json_t *child;
    if (!json_is_object(value) && !json_is_array(value))
        return 1;
    if (json_is_object(value))
        json_object_foreach(value, key, child) count += leaves(child);
    else
        json_array_foreach(value, i, child) count += leaves(child);
    return count;
}

static void every_field_is_there_and_no_other(void **state) {
    (void)state;
    struct ob_status_machine machine;
    struct ob_status status = bad_status(&machine);
    json_t *root = ob_status_json(&status);
    assert_non_null(root);
    for (size_t i = 0; i < OB_STATUS_FIELD_COUNT; i++)
        if (!at(root, OB_STATUS_FIELDS[i].path))
            fail_msg("%s is not in the status", OB_STATUS_FIELDS[i].path);
    static const char *const LISTS[] = {"problems", "curve", "events"};
    static const size_t LEAVES[] = {5, 32, 4};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(leaves(json_object_get(root, LISTS[i])), LEAVES[i]);
        json_object_del(root, LISTS[i]);
    }
    assert_int_equal(leaves(root), OB_STATUS_FIELD_COUNT - 3);
    char *text = json_dumps(root, JSON_COMPACT);
    assert_non_null(text);
    free(text);
    json_decref(root);
}

static void numbers_that_are_not_finite_are_null(void **state) {
    (void)state;
    struct ob_status_machine machine;
    struct ob_status status = bad_status(&machine);
    json_t *root = ob_status_json(&status);
    static const char *const PATHS[] = {"loss",
                                        "uptime_s",
                                        "median_round_s",
                                        "catch_up.seconds_left",
                                        "catch_up.samples_per_s",
                                        "work.sample_seconds",
                                        "snapshot.write_seconds",
                                        "machines[].last_heard_s",
                                        "weights_digest"};
    for (size_t i = 0; i < sizeof PATHS / sizeof *PATHS; i++)
        if (!json_is_null(at(root, PATHS[i])))
            fail_msg("%s is not null", PATHS[i]);
    json_decref(root);
}

static void names_that_are_not_utf8_are_escaped(void **state) {
    (void)state;
    struct ob_status_machine machine;
    struct ob_status status = bad_status(&machine);
    json_t *root = ob_status_json(&status);
    assert_string_equal(json_string_value(at(root, "name")), "caf\\xe9");
    assert_string_equal(json_string_value(at(root, "machines[].name")), "\\xff\\xfe b\xc3\xb6"
                                                                        "b");
    json_decref(root);
}

static void every_life_is_documented(void **state) {
    (void)state;
    static const char *const DAEMON[] = {"rebuilding", "halted",   "replaying", "disk-full",
                                         "log-locked", "log-gone", "fetching",  "alone"};
    static const char *const FILES[] = {OB_SOURCE_ROOT "/docs/files.md", OB_SOURCE_ROOT "/README.md"};
    for (size_t f = 0; f < 2; f++) {
        char *text = NULL, word[64];
        size_t bytes = 0;
        assert_int_equal(ob_file_read(FILES[f], 1 << 20, &text, &bytes, NULL), OB_OK);
        for (size_t i = 0; i < OB_PEER_HALTED + 1 + sizeof DAEMON / sizeof *DAEMON; i++) {
            (void)snprintf(word, sizeof word, "`%s`",
                           i <= OB_PEER_HALTED ? ob_peer_life_name((enum ob_peer_life)i)
                                               : DAEMON[i - OB_PEER_HALTED - 1]);
            if (!strstr(text, word))
                fail_msg("%s does not name the state %s", FILES[f], word);
        }
        free(text);
    }
}

static int open_history(void **state) {
    static const struct ob_run_id RUN = {{{1}}};
    static const struct ob_history_event EVENT = {.kind = "joined", .machine = "\xff", .text = "x"};
    struct ob_error warning = {0}, error = {0};
    (void)state;
    test_folder_make(&folder);
    if (ob_history_open(folder.path, &RUN, &history, &warning, &error))
        return 1;
    ob_history_add_event(history, &EVENT);
    return 0;
}

static int close_history(void **state) {
    (void)state;
    ob_history_close(history);
    test_folder_remove(&folder);
    return 0;
}

/* As a daemon that fetches its manifest or its model has it: seen red, it ended the daemon. */
static void what_does_not_train_yet_has_a_status(void **state) {
    (void)state;
    struct ob_status status = {.life = "fetching", .loss = NAN, .snapshot = {.join = "off"}};
    json_t *root = ob_status_json(&status);
    assert_non_null(root);
    assert_string_equal(json_string_value(json_object_get(root, "life")), "fetching");
    assert_int_equal(json_array_size(json_object_get(root, "events")), 0);
    assert_int_equal(json_array_size(json_object_get(root, "problems")), 0);
    json_decref(root);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_does_not_train_yet_has_a_status),
        cmocka_unit_test(every_field_is_there_and_no_other),
        cmocka_unit_test(numbers_that_are_not_finite_are_null),
        cmocka_unit_test(names_that_are_not_utf8_are_escaped),
        cmocka_unit_test(every_life_is_documented),
    };
    return cmocka_run_group_tests(tests, open_history, close_history);
}
