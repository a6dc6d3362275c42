#include "cli/launch.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cli/ask.h"
#include "cli/conf.h"
#include "cli/listen.h"
#include "cli/patience.h"
#include "cli/unit.h"

#define LOG          "onebyted.log"
#define PROGRAM      "onebyted"
#define ARGUMENTS    64
#define POLL_NS      100000000L
#define LINE_MAX_    480
#define EXIT_LASTING 2

static void pause_a_little(void) {
    (void)nanosleep(&(struct timespec){.tv_nsec = POLL_NS}, NULL);
}

/* Beside this program, in ../sbin; else as it is found in $PATH. */
static void find_program(char ret_path[static OB_PATH_MAX]) {
    static const char *const FOLDERS[] = {"", "../sbin/", "../bin/"};
    char self[OB_PATH_MAX];
    ssize_t bytes = readlink("/proc/self/exe", self, sizeof self - 1);
    char *slash = NULL;
    if (bytes > 0) {
        self[bytes] = 0;
        slash = strrchr(self, '/');
    }
    for (size_t i = 0; slash && i < sizeof FOLDERS / sizeof *FOLDERS; i++) {
        int length =
            snprintf(ret_path, OB_PATH_MAX, "%.*s/%s" PROGRAM, (int)(slash - self), self, FOLDERS[i]);
        if (length < OB_PATH_MAX && access(ret_path, X_OK) == 0)
            return;
    }
    (void)snprintf(ret_path, OB_PATH_MAX, PROGRAM);
}

enum ob_err ob_cli_programs(char ret_client[static OB_PATH_MAX], char ret_daemon[static OB_PATH_MAX],
                            struct ob_error *error) {
    ssize_t bytes = readlink("/proc/self/exe", ret_client, OB_PATH_MAX - 1);
    if (bytes <= 0)
        return ob_fail(error, OB_EIO, "/proc/self/exe: %s", strerror(errno));
    ret_client[bytes] = 0;
    find_program(ret_daemon);
    if (!strchr(ret_daemon, '/'))
        return ob_fail(error, OB_ENOTFOUND, PROGRAM " is not beside %s", ret_client);
    return OB_OK;
}

enum ob_err ob_cli_become_daemon(const char *state_dir, struct ob_error *error) {
    char program[OB_PATH_MAX], conf[OB_PATH_MAX];
    enum ob_err failed = ob_path_join(conf, state_dir, OB_CLI_CONF, error);
    if (failed)
        return failed;
    find_program(program);
    ob_cli_guard_leave();
    (void)execlp(program, PROGRAM, "--config", conf, (char *)NULL);
    return ob_fail(error, OB_EIO, "cannot start %s: %s; put it into $PATH", program, strerror(errno));
}

/* In the child. */
static void be_daemon(const char *state_dir, const char *log) {
    struct ob_error error = {0};
    int in = open("/dev/null", O_RDONLY), out = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    (void)setsid();
    if (in < 0 || out < 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0)
        _exit(1);
    for (int fd = 3; fd < 1024; fd++)
        (void)close(fd);
    enum ob_err failed = ob_cli_become_daemon(state_dir, &error);
    assert(failed);
    (void)failed;
    fprintf(stderr, "onebyte: %s\n", error.text);
    _exit(1);
}

/* The last line of the log, without the program's name. */
static void last_words(const char *state_dir, char ret_line[static LINE_MAX_]) {
    char path[OB_PATH_MAX], line[2048];
    (void)snprintf(ret_line, LINE_MAX_, "it said nothing");
    FILE *log = ob_path_join(path, state_dir, LOG, NULL) ? NULL : fopen(path, "re");
    while (log && fgets(line, sizeof line, log)) {
        const char *text =
            strncmp(line, PROGRAM ": ", sizeof PROGRAM + 1) == 0 ? line + sizeof PROGRAM + 1 : line;
        line[strcspn(line, "\n")] = 0;
        if (text[0])
            (void)snprintf(ret_line, LINE_MAX_, "%.*s", LINE_MAX_ - 1, text);
    }
    if (log)
        (void)fclose(log);
}

enum ob_err ob_cli_launched(const char *state_dir, pid_t pid, struct ob_error *error) {
    char line[LINE_MAX_];
    if (pid == OB_CLI_SERVICE)
        return ob_unit_check(state_dir, error);
    siginfo_t ended = {0};
    if (waitid(P_PID, (id_t)pid, &ended, WEXITED | WNOHANG | WNOWAIT) != 0 || ended.si_pid != pid)
        return OB_OK;
    last_words(state_dir, line);
    bool lasting = ended.si_code == CLD_EXITED && ended.si_status == EXIT_LASTING;
    return ob_fail(error, lasting ? OB_EUSAGE : OB_EIO, "%s", line);
}

void ob_cli_unlaunch(const char *state_dir, pid_t pid) {
    int status;
    if (pid == OB_CLI_SERVICE) {
        ob_unit_remove(state_dir);
        return;
    }
    (void)kill(pid, SIGTERM);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
}

/* systemd waits until it is ready, which is after its status socket answers. */
static enum ob_err launch_service(const char *state_dir, struct ob_error *error) {
    char client[OB_PATH_MAX], daemon[OB_PATH_MAX], conf[OB_PATH_MAX];
    enum ob_err failed = ob_cli_programs(client, daemon, error);
    if (!failed)
        failed = ob_path_join(conf, state_dir, OB_CLI_CONF, error);
    return failed ? failed : ob_unit_start(state_dir, daemon, conf, error);
}

enum ob_err ob_cli_launch(const char *state_dir, bool service, struct ob_cli_guard *guard, pid_t *ret_pid,
                          struct ob_error *error) {
    char log[OB_PATH_MAX], before[OB_PATH_MAX];
    struct ob_patience patience;
    bool answers = false;
    if (service || ob_unit_exists(state_dir)) {
        *ret_pid = OB_CLI_SERVICE;
        return launch_service(state_dir, error);
    }
    enum ob_err failed = ob_path_join(log, state_dir, LOG, error);
    if (!failed)
        failed = ob_path_join(before, state_dir, LOG ".1", error);
    if (failed)
        return failed;
    (void)rename(log, before); /* so that the last line is of this start */
    pid_t pid = fork();
    if (pid < 0)
        return ob_fail(error, OB_EIO, "cannot start a process: %s", strerror(errno));
    if (pid == 0)
        be_daemon(state_dir, log);
    ob_cli_guard_child(guard, pid);
    ob_patience_start(&patience);
    while (!answers && !failed) {
        json_t *answer = NULL;
        failed = ob_cli_launched(state_dir, pid, error);
        answers = !failed && ob_cli_ask_command(state_dir, "status", &answer, NULL) == OB_OK;
        json_decref(answer);
        if (answers || failed)
            break;
        ob_patience_tell(&patience, "the daemon is starting; its messages are in %s", log);
        pause_a_little();
    }
    ob_patience_end(&patience);
    if (failed)
        ob_cli_guard_child(guard, 0); /* it has ended */
    else
        *ret_pid = pid;
    return failed;
}

bool ob_cli_move(const char *state_dir) {
    char listen[OB_PATH_MAX] = "", next[OB_ENDPOINT_MAX];
    if (ob_cli_conf_value(state_dir, "network", "listen", listen, NULL) != OB_OK ||
        strlen(listen) >= OB_ENDPOINT_MAX || ob_cli_listen_try(listen, NULL) != OB_EBUSY)
        return false;
    return ob_cli_listen_free(listen, next, NULL) == OB_OK &&
           ob_cli_conf_set(state_dir, "network", "listen", next, NULL) == OB_OK;
}

enum ob_err ob_cli_run_self(const char *const *arguments, struct ob_error *error) {
    char *argv[ARGUMENTS + 2] = {(char *)"onebyte"};
    for (size_t i = 0; i < ARGUMENTS && arguments[i]; i++)
        argv[i + 1] = (char *)arguments[i];
    (void)fflush(stdout);
    int status = 0;
    pid_t self = getpid(), pid = fork();
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGTERM); /* who ends us alone ends it too */
        if (getppid() == self)
            (void)execv("/proc/self/exe", argv);
        _exit(1);
    }
    if (pid < 0)
        return ob_fail(error, OB_EIO, "cannot start a process: %s", strerror(errno));
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return OB_OK;
    return ob_fail(error, WIFEXITED(status) && WEXITSTATUS(status) == EXIT_LASTING ? OB_EUSAGE : OB_ESTATE,
                   "%s", "");
}
