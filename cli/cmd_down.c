#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "cli/ask.h"
#include "cli/command.h"
#include "cli/unit.h"
#include "transport/status_client.h"

struct arguments {
    struct ob_cli_at at;
};

#define POLL_NS      100000000L
#define ENDING_TRIES 100

static const struct ob_operand OPERANDS[] = {OB_OPERAND_STATE_DIR(struct arguments)};
static const struct ob_option OPTIONS[] = {OB_OPTION_RUN(struct arguments)};

static void pause_a_little(void) {
    (void)nanosleep(&(struct timespec){.tv_nsec = POLL_NS}, NULL);
}

/* A daemon keeps this locked as long as it lives. */
static bool is_locked(const char *state_dir) {
    char path[OB_PATH_MAX];
    int fd = ob_path_join(path, state_dir, "lock", NULL) == OB_OK ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0)
        return false;
    bool locked = flock(fd, LOCK_EX | LOCK_NB) != 0;
    (void)close(fd);
    return locked;
}

/* Of the daemon that listens at the status socket; -1: nobody does. */
static pid_t daemon_of(const char *state_dir) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct ucred who = {.pid = -1};
    socklen_t bytes = sizeof who;
    char path[OB_PATH_MAX];
    if (ob_path_join(path, state_dir, OB_STATUS_SOCKET, NULL) != OB_OK ||
        strlen(path) >= sizeof address.sun_path)
        return -1;
    memcpy(address.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool good = fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
                getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &bytes) == 0;
    if (fd >= 0)
        (void)close(fd);
    return good && who.pid > 0 ? who.pid : -1;
}

static int down(const void *arguments) {
    const struct arguments *a = arguments;
    struct ob_error error = {0};
    struct ob_cli_place place;
    json_t *answer = NULL;
    enum ob_err failed = ob_cli_find(&a->at, OB_NEED_STATE_DIR, &place, &error);
    pid_t pid = failed ? -1 : daemon_of(place.state_dir);
    if (!failed)
        failed = ob_cli_ask_command(place.state_dir, "leave", &answer, &error);
    json_decref(answer);
    if (failed && failed != OB_ENOTFOUND)
        return ob_cli_fail(&error);
    if (ob_unit_exists(place.state_dir)) /* else it starts again with the machine */
        ob_unit_remove(place.state_dir);
    if (failed) {
        puts("no daemon is running");
        return OB_EXIT_DONE;
    }
    while (is_locked(place.state_dir))
        pause_a_little();
    for (int tries = 0; tries < ENDING_TRIES && pid > 0 && kill(pid, 0) == 0; tries++)
        pause_a_little(); /* what is left of it holds nothing of the run */
    puts("left and stopped; `onebyte up` or `onebyte join` goes on from here");
    return OB_EXIT_DONE;
}

const struct ob_command OB_COMMAND_DOWN = {
    .name = "down",
    .summary = "leave the run and stop the daemon, and wait until it is gone",
    .details = "As `onebyte leave`, but returns only when the daemon has ended. What was trained stays.",
    OB_OPERANDS(OPERANDS),
    OB_OPTIONS(OPTIONS),
    .arguments_bytes = sizeof(struct arguments),
    .run = down,
};
