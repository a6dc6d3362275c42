#include "tests/unit/cmocka_all.h"

#include <fcntl.h>
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
    for (int i = 0; i < 20000 && hook.running; i++) {
        ob_hook_tend(&hook, OB_HOOK_SECONDS * OB_SECOND_NS + 1);
        usleep(1000);
    }
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

/* ---- what is said: standard error, meanwhile, is a file ---- */

static int kept_stderr;

static void listen_to_stderr(void) {
    int fd = open(out, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    kept_stderr = dup(STDERR_FILENO);
    assert_int_equal(dup2(fd, STDERR_FILENO), STDERR_FILENO);
    close(fd);
    atomic_store(&logger.least, OB_LOG_DEBUG);
}

/* malloc'ed: what was written since. */
static char *heard(void) {
    assert_int_equal(dup2(kept_stderr, STDERR_FILENO), STDERR_FILENO);
    close(kept_stderr);
    return test_file_read(out, NULL);
}

static size_t count_of(const char *text, const char *part) {
    size_t count = 0;
    for (const char *at = text; (at = strstr(at, part)) != NULL; at++)
        count++;
    return count;
}

static void handle(struct ob_hook *hook, const char *kind) {
    struct ob_history_event event = event_of(kind, "a");
    ob_hook_push(hook, &event, 1);
    settle(hook, 1);
}

static void program_that_fails_is_told_of_once(void **state) {
    (void)state;
    char text[TEST_PATH_MAX + 64], path[TEST_PATH_MAX];
    test_folder_path(&folder, "good", path);
    (void)snprintf(text, sizeof text, "test -e %s || { echo no network >&2; exit 3; }", path);
    struct ob_hook hook = hook_of(text);
    listen_to_stderr();
    handle(&hook, "joined");
    handle(&hook, "left");
    handle(&hook, "silent");
    assert_int_equal(close(open(path, O_CREAT | O_WRONLY, 0600)), 0);
    handle(&hook, "back");
    handle(&hook, "disk");
    assert_int_equal(unlink(path), 0);
    handle(&hook, "split");
    char *said = heard();
    assert_int_equal(count_of(said, "status=3"), 2);
    assert_int_equal(count_of(said, "no network"), 2);
    assert_int_equal(count_of(said, "works again"), 1);
    assert_int_equal(count_of(said, "\n"), 3);
    assert_int_equal(hook.failed, 4);
    free(said);
}

/* A log, and a disk, are not filled by what a program writes. */
static void program_that_floods_fills_nothing(void **state) {
    (void)state;
    struct ob_hook hook =
        hook_of("head -c 3000000 /dev/zero | tr '\\0' x >&2; yes | head -c 3000000; exit 1");
    listen_to_stderr();
    handle(&hook, "joined");
    char *said = heard();
    assert_true(strlen(said) > 0 && strlen(said) < 1000);
    free(said);
}

static bool runs(pid_t process) {
    char path[64], state = 0;
    (void)snprintf(path, sizeof path, "/proc/%d/stat", (int)process);
    FILE *file = fopen(path, "r");
    bool read = file && fscanf(file, "%*d %*s %c", &state) == 1;
    if (file)
        (void)fclose(file);
    return read && state != 'Z';
}

static void what_it_leaves_in_the_background_ends_with_it(void **state) {
    (void)state;
    char text[TEST_PATH_MAX + 64];
    (void)snprintf(text, sizeof text, "sleep 1000 >/dev/null 2>&1 & echo $! >%s", out);
    struct ob_hook hook = hook_of(text);
    handle(&hook, "joined");
    char *said = test_file_read(out, NULL);
    pid_t process = (pid_t)atoi(said);
    assert_true(process > 0);
    for (int i = 0; i < 5000 && runs(process); i++)
        usleep(1000);
    assert_false(runs(process));
    free(said);
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
        IN_FOLDER(program_that_fails_is_told_of_once),
        IN_FOLDER(program_that_floods_fills_nothing),
        IN_FOLDER(what_it_leaves_in_the_background_ends_with_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
