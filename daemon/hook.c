#include "daemon/hook.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "model/formats/json_value.h"

/* ---- the queue ---- */

static bool is_fresh(const struct ob_hook *hook, const struct ob_history_event *event, uint64_t now_ns) {
    size_t kept = hook->seen_count < OB_HOOK_QUEUE ? hook->seen_count : OB_HOOK_QUEUE;
    for (size_t i = 0; i < kept; i++)
        if (strcmp(hook->seen[i].kind, event->kind) == 0 &&
            strcmp(hook->seen[i].machine, event->machine) == 0 &&
            now_ns - hook->seen[i].at_ns < OB_HOOK_REST_S * OB_SECOND_NS)
            return false;
    return true;
}

void ob_hook_push(struct ob_hook *hook, const struct ob_history_event *event, uint64_t now_ns) {
    if (!hook->command || !*hook->command || !is_fresh(hook, event, now_ns))
        return;
    if (hook->count == OB_HOOK_QUEUE) {
        if (hook->dropped++ == 0)
            ob_log(hook->logger, OB_LOG_WARN, "on-event",
                   "text=\"events come faster than on_event handles them; dropping some\"");
        return;
    }
    struct ob_hook_seen *seen = &hook->seen[hook->seen_count++ % OB_HOOK_QUEUE];
    seen->at_ns = now_ns;
    memcpy(seen->kind, event->kind, sizeof seen->kind);
    memcpy(seen->machine, event->machine, sizeof seen->machine);
    hook->queue[(hook->first + hook->count++) % OB_HOOK_QUEUE] = *event;
}

/* ---- a process ---- */

static char *line_of(const struct ob_hook *hook, const struct ob_history_event *event) {
    json_t *root = json_object();
    bool good = ob_json_set(root, "time", json_real(1e-3 * (double)event->time_ms)) &&
                ob_json_set(root, "event", ob_json_text(event->kind)) &&
                ob_json_set(root, "machine", ob_json_text(event->machine)) &&
                ob_json_set(root, "text", ob_json_text(event->text)) &&
                ob_json_set(root, "run", ob_json_text(hook->run)) &&
                ob_json_set(root, "state_dir", ob_json_text(hook->state_dir));
    char *text = good ? json_dumps(root, JSON_COMPACT) : NULL;
    json_decref(root);
    return text;
}

/* The line is shorter than what a pipe holds, so that writing it never waits. */
static bool fill_pipe(int fd, const char *line) {
    size_t length = strlen(line);
    return write(fd, line, length) == (ssize_t)length && write(fd, "\n", 1) == 1;
}

static int spawn(const struct ob_hook *hook, int input, pid_t *ret_process) {
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t none, all;
    char *arguments[] = {"sh", "-c", (char *)hook->command, NULL};
    sigemptyset(&none);
    sigfillset(&all);
    int failed = posix_spawn_file_actions_init(&files);
    if (failed)
        return failed;
    failed = posix_spawnattr_init(&attributes);
    if (failed) {
        posix_spawn_file_actions_destroy(&files);
        return failed;
    }
    posix_spawnattr_setflags(&attributes,
                             POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    failed = posix_spawn_file_actions_adddup2(&files, input, STDIN_FILENO);
    if (!failed)
        failed = posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    if (!failed)
        failed = posix_spawn_file_actions_addclosefrom_np(&files, STDERR_FILENO + 1);
    if (!failed)
        failed = posix_spawn(ret_process, "/bin/sh", &files, &attributes, arguments, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
    return failed;
}

static int start(struct ob_hook *hook, const struct ob_history_event *event) {
    int ends[2];
    char *line = line_of(hook, event);
    if (!line)
        return ENOMEM;
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) {
        free(line);
        return errno;
    }
    int flags = fcntl(ends[0], F_GETFL); /* the program reads it as any other input */
    int failed =
        flags < 0 || fcntl(ends[0], F_SETFL, flags & ~O_NONBLOCK) != 0 || !fill_pipe(ends[1], line) ? EIO : 0;
    if (!failed)
        failed = spawn(hook, ends[0], &hook->running);
    close(ends[0]);
    close(ends[1]);
    free(line);
    return failed;
}

static void look_after(struct ob_hook *hook, uint64_t now_ns) {
    int status;
    pid_t ended = waitpid(hook->running, &status, WNOHANG);
    if (ended == 0 && now_ns - hook->since_ns < OB_HOOK_SECONDS * OB_SECOND_NS)
        return;
    if (ended == 0) {
        hook->killed++;
        ob_log(hook->logger, OB_LOG_WARN, "on-event", "text=\"killed after %d seconds\"", OB_HOOK_SECONDS);
        (void)kill(-hook->running, SIGKILL);
        (void)waitpid(hook->running, &status, 0); /* of a process that is killed it does not wait */
    } else if (ended > 0 && !(WIFEXITED(status) && WEXITSTATUS(status) == 0)) {
        ob_log(hook->logger, OB_LOG_WARN, "on-event", "status=%d text=\"the program of on_event failed\"",
               WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
    }
    hook->running = 0;
}

void ob_hook_tend(struct ob_hook *hook, uint64_t now_ns) {
    if (hook->running)
        look_after(hook, now_ns);
    if (hook->running || hook->count == 0)
        return;
    const struct ob_history_event *event = &hook->queue[hook->first];
    int failed = start(hook, event);
    if (failed)
        ob_log(hook->logger, OB_LOG_WARN, "on-event", "event=%s text=\"cannot start a program: %s\"",
               event->kind, strerror(failed));
    hook->started += !failed;
    hook->since_ns = now_ns;
    hook->running = failed ? 0 : hook->running;
    hook->first = (hook->first + 1) % OB_HOOK_QUEUE;
    hook->count--;
}
