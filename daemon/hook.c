#include "daemon/hook.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
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

/* A file in memory that cannot grow: whoever writes more gets an error and no signal, also when we are gone. -1: none to be had. */
static int make_notes(void) {
    int fd = memfd_create("onebyte-on-event", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd >= 0 &&
        (ftruncate(fd, OB_HOOK_SAID) != 0 || fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK) != 0)) {
        close(fd);
        fd = -1;
    }
    return fd;
}

static int redirect(posix_spawn_file_actions_t *files, int input, int says) {
    int failed = posix_spawn_file_actions_adddup2(files, input, STDIN_FILENO);
    if (!failed)
        failed = posix_spawn_file_actions_addopen(files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    if (!failed && says >= 0)
        failed = posix_spawn_file_actions_adddup2(files, says, STDERR_FILENO);
    else if (!failed)
        failed = posix_spawn_file_actions_addopen(files, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    return failed ? failed : posix_spawn_file_actions_addclosefrom_np(files, STDERR_FILENO + 1);
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
    failed = redirect(&files, input, hook->says);
    if (!failed)
        failed = posix_spawn(ret_process, "/bin/sh", &files, &attributes, arguments, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
    return failed;
}

static void close_notes(struct ob_hook *hook) {
    if (hook->says >= 0)
        close(hook->says);
    hook->says = -1;
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
    hook->says = make_notes();
    if (!failed)
        failed = spawn(hook, ends[0], &hook->running);
    if (failed)
        close_notes(hook);
    close(ends[0]);
    close(ends[1]);
    free(line);
    return failed;
}

/* ---- how it ends ---- */

/* The first line of what it wrote to its standard error; "": nothing. */
static const char *first_line(const struct ob_hook *hook, char *buffer, size_t capacity) {
    ssize_t bytes = hook->says >= 0 ? pread(hook->says, buffer, capacity - 1, 0) : 0;
    buffer[bytes > 0 ? bytes : 0] = 0;
    buffer[strcspn(buffer, "\n")] = 0;
    for (char *c = buffer; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = '?';
    return buffer;
}

/* `what`: what came of it; NULL: all went well. */
static void conclude(struct ob_hook *hook, int status, const char *what) {
    char line[200], text[512], quoted[600];
    hook->failed += what != NULL;
    if (what && !hook->told) {
        const char *said = first_line(hook, line, sizeof line);
        (void)snprintf(text, sizeof text, "%s%s%s; not said again until it works", what, *said ? ": " : "",
                       said);
        ob_log(hook->logger, OB_LOG_WARN, "on-event", "status=%d text=%s", status,
               ob_logger_quote(text, quoted, sizeof quoted));
    } else if (!what && hook->told) {
        ob_log(hook->logger, OB_LOG_INFO, "on-event",
               "failed=%llu text=\"the program of on_event works again\"", (unsigned long long)hook->failed);
    }
    hook->told = what != NULL;
}

/* Until its leader is taken note of, the group's number is nobody else's. */
static void look_after(struct ob_hook *hook, uint64_t now_ns) {
    siginfo_t ended = {0};
    int status = 0;
    bool gone = waitid(P_PID, (id_t)hook->running, &ended, WEXITED | WNOHANG | WNOWAIT) != 0;
    if (!gone && ended.si_pid == 0 && !hook->late &&
        now_ns - hook->since_ns >= OB_HOOK_SECONDS * OB_SECOND_NS) {
        hook->killed++;
        hook->late = true;
        (void)kill(-hook->running, SIGKILL);
    }
    if (!gone && ended.si_pid == 0) /* what is killed is not waited for: its file system may hang */
        return;
    if (!gone) {
        (void)kill(-hook->running, SIGKILL);
        gone = waitpid(hook->running, &status, 0) < 0;
    }
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    conclude(hook, code,
             hook->late          ? "the program of on_event took too long and was killed"
             : gone || code == 0 ? NULL
                                 : "the program of on_event failed");
    close_notes(hook);
    hook->running = 0;
    hook->late = false;
}

void ob_hook_tend(struct ob_hook *hook, uint64_t now_ns) {
    if (hook->running)
        look_after(hook, now_ns);
    if (hook->running || hook->count == 0)
        return;
    const struct ob_history_event *event = &hook->queue[hook->first];
    hook->says = -1;
    int failed = start(hook, event);
    if (failed) {
        hook->running = 0;
        conclude(hook, failed, strerror(failed));
    }
    hook->started += !failed;
    hook->since_ns = now_ns;
    hook->first = (hook->first + 1) % OB_HOOK_QUEUE;
    hook->count--;
}
