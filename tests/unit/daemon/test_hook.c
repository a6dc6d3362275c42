#include "tests/unit/cmocka_all.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "daemon/hook.h"
#include "tests/support/folder.h"
#include "tests/support/json.h"

static struct test_folder folder;
static struct ob_logger logger;
static char command[TEST_PATH_MAX + 64], out[TEST_PATH_MAX];

static int make(void **state) {
    (void)state;
    atomic_init(&logger.least, OB_LOG_ERROR + 1);
    test_folder_make(&folder);
    test_folder_path(&folder, "out", out);
    (void)snprintf(command, sizeof command, "cat >>%s", out);
    return 0;
}
static int drop(void **state) {
    (void)state;
    test_folder_remove(&folder);
    return 0;
}

static struct ob_hook hook_of(const char *text) {
    return (struct ob_hook){.command = text, .run = "r\xff", .state_dir = "/x y", .logger = &logger};
}

static struct ob_history_event event_of(const char *kind, const char *machine) {
    struct ob_history_event event = {.time_ms = 1500, .text = "a \"text\"\n"};
    (void)snprintf(event.kind, sizeof event.kind, "%s", kind);
    (void)snprintf(event.machine, sizeof event.machine, "%s", machine);
    return event;
}

/* Until nothing runs or waits; the clock of the hook is the caller's. */
static void settle(struct ob_hook *hook, uint64_t now_ns) {
    for (int i = 0; i < 20000 && (hook->running || hook->count > 0); i++) {
        ob_hook_tend(hook, now_ns);
        usleep(1000);
    }
    assert_true(hook->running == 0 && hook->count == 0);
}

static void event_is_one_line_of_json_on_standard_input(void **state) {
    (void)state;
    struct ob_hook hook = hook_of(command);
    struct ob_history_event event = event_of("silent", "carol; rm -rf $HOME");
    ob_hook_push(&hook, &event, 1);
    settle(&hook, 1);
    char *text = test_file_read(out, NULL);
    assert_true(strchr(text, '\n') == text + strlen(text) - 1);
    json_t *root = test_json_parse(text);
    assert_string_equal(json_string_value(json_object_get(root, "event")), "silent");
    assert_string_equal(json_string_value(json_object_get(root, "machine")), "carol; rm -rf $HOME");
    assert_string_equal(json_string_value(json_object_get(root, "text")), "a \"text\"\n");
    assert_string_equal(json_string_value(json_object_get(root, "run")), "r\\xff");
    assert_true(json_real_value(json_object_get(root, "time")) == 1.5);
    json_decref(root);
    free(text);
}

static void one_runs_at_a_time_in_order(void **state) {
    (void)state;
    struct ob_hook hook = hook_of(command);
    for (int i = 0; i < 5; i++) {
        char machine[8];
        (void)snprintf(machine, sizeof machine, "m%d", i);
        struct ob_history_event event = event_of("joined", machine);
        ob_hook_push(&hook, &event, 1);
    }
    settle(&hook, 1);
    char *text = test_file_read(out, NULL), *at = text;
    for (int i = 0; i < 5; i++) {
        char wanted[32];
        (void)snprintf(wanted, sizeof wanted, "\"machine\":\"m%d\"", i);
        at = strstr(at, wanted);
        assert_non_null(at);
    }
    assert_int_equal(hook.started, 5);
    free(text);
}

static void same_event_is_passed_on_once_a_minute(void **state) {
    (void)state;
    struct ob_hook hook = hook_of(command);
    struct ob_history_event event = event_of("silent", "a"), other = event_of("silent", "b");
    ob_hook_push(&hook, &event, 1);
    ob_hook_push(&hook, &event, 59 * OB_SECOND_NS);
    ob_hook_push(&hook, &other, 59 * OB_SECOND_NS);
    ob_hook_push(&hook, &event, 61 * OB_SECOND_NS);
    assert_int_equal(hook.count, 3);
    settle(&hook, 1);
}

static void queue_is_bounded_and_training_is_not_waited_for(void **state) {
    (void)state;
    struct ob_hook hook = hook_of("sleep 1000");
    for (int i = 0; i < 100; i++) {
        char machine[8];
        (void)snprintf(machine, sizeof machine, "m%d", i);
        struct ob_history_event event = event_of("joined", machine);
        ob_hook_push(&hook, &event, 1);
        ob_hook_tend(&hook, 1);
    }
    assert_int_equal(hook.started, 1);
    assert_int_equal(hook.count, OB_HOOK_QUEUE);
    assert_int_equal(hook.dropped, 100 - 1 - OB_HOOK_QUEUE);
    pid_t running = hook.running;
    assert_true(running > 0);
    hook.count = 0;
    ob_hook_tend(&hook, OB_HOOK_SECONDS * OB_SECOND_NS);
    assert_int_equal(hook.running, running);
    ob_hook_tend(&hook, OB_HOOK_SECONDS * OB_SECOND_NS + 1);
    assert_int_equal(hook.running, 0);
    assert_int_equal(hook.killed, 1);
}

static void program_that_reads_nothing_or_is_not_there_does_no_harm(void **state) {
    (void)state;
    struct ob_hook hook = hook_of("exit 3");
    struct ob_history_event event = event_of("joined", "a");
    ob_hook_push(&hook, &event, 1);
    settle(&hook, 1);
    hook = hook_of("/nowhere/to be found");
    ob_hook_push(&hook, &event, 1);
    settle(&hook, 1);
    hook = hook_of("");
    ob_hook_push(&hook, &event, 1);
    assert_int_equal(hook.count, 0);
}

static void program_has_no_descriptor_of_ours(void **state) {
    (void)state;
    char list[TEST_PATH_MAX + 64];
    (void)snprintf(list, sizeof list, "ls /proc/self/fd | wc -l >%s", out);
    struct ob_hook hook = hook_of(list);
    struct ob_history_event event = event_of("joined", "a");
    FILE *ours = fopen("/dev/null", "r");
    ob_hook_push(&hook, &event, 1);
    settle(&hook, 1);
    char *text = test_file_read(out, NULL);
    assert_true(atoi(text) <= 4); /* its three, and the folder that ls reads */
    free(text);
    (void)fclose(ours);
}

int main(void) {
#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make, drop)
    const struct CMUnitTest tests[] = {
        IN_FOLDER(event_is_one_line_of_json_on_standard_input),
        IN_FOLDER(one_runs_at_a_time_in_order),
        IN_FOLDER(same_event_is_passed_on_once_a_minute),
        IN_FOLDER(queue_is_bounded_and_training_is_not_waited_for),
        IN_FOLDER(program_that_reads_nothing_or_is_not_there_does_no_harm),
        IN_FOLDER(program_has_no_descriptor_of_ours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
