/* A daemon that was launched: its number is nobody else's until it is forgotten. */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/launch.h"
#include "tests/support/folder.h"

static pid_t ended_child(int code) {
    siginfo_t ended;
    pid_t pid = fork();
    if (pid == 0)
        _exit(code);
    assert_true(pid > 0);
    assert_int_equal(waitid(P_PID, (id_t)pid, &ended, WEXITED | WNOWAIT), 0);
    return pid;
}

/* An interrupted `join` signals its daemon from another thread than the one that finds it ended. */
static void launched_keeps_the_number_of_one_that_ended(void **state) {
    (void)state;
    struct test_folder folder;
    struct ob_error error = {0};
    test_folder_make(&folder);
    pid_t pid = ended_child(2);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(ob_cli_launched(folder.path, pid, &error), OB_EUSAGE);
        assert_int_equal(kill(pid, 0), 0);
    }
    ob_cli_unlaunch(folder.path, pid);
    assert_int_equal(kill(pid, 0), -1);
    assert_int_equal(errno, ESRCH);
    pid = ended_child(1);
    assert_int_equal(ob_cli_launched(folder.path, pid, &error), OB_EIO);
    assert_string_equal(error.text, "it said nothing");
    ob_cli_unlaunch(folder.path, pid);
    test_folder_remove(&folder);
}

static void launched_lets_one_that_runs(void **state) {
    (void)state;
    struct test_folder folder;
    test_folder_make(&folder);
    pid_t pid = fork();
    while (pid == 0)
        (void)pause();
    assert_true(pid > 0);
    assert_int_equal(ob_cli_launched(folder.path, pid, NULL), OB_OK);
    ob_cli_unlaunch(folder.path, pid);
    assert_int_equal(kill(pid, 0), -1);
    test_folder_remove(&folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(launched_keeps_the_number_of_one_that_ended),
        cmocka_unit_test(launched_lets_one_that_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
