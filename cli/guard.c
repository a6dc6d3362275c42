#include "cli/guard.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cli/command.h"

#define DONE_SIGNAL SIGUSR2 /* ours: the work is done */

/* The number of entries that went; folders, "." and ".." stay. */
static int empty_folder(DIR *folder) {
    int count = 0;
    rewinddir(folder);
    for (const struct dirent *entry; (entry = readdir(folder));)
        count += unlinkat(dirfd(folder), entry->d_name, 0) == 0;
    return count;
}

void ob_cli_remove_output(const char *path, bool keep_folder) {
    DIR *folder = opendir(path);
    if (!folder) {
        (void)unlink(path);
        return;
    }
    (void)empty_folder(folder);
    closedir(folder);
    if (!keep_folder)
        (void)rmdir(path);
}

/* What the work has under way, although it goes on meanwhile: it can open no file from here on, and what it was just opening is
 * found by passing again. */
static void remove_under_way(const char *path, DIR *folder, bool keep_folder) {
    static const struct timespec MOMENT = {.tv_nsec = 1000 * 1000};
    for (int idle = 0, pass = 0; idle < 2 && pass < 100; pass++) {
        idle = (folder ? empty_folder(folder) > 0 : unlink(path) == 0) ? 0 : idle + 1;
        (void)nanosleep(&MOMENT, NULL);
    }
    if (folder && !keep_folder)
        (void)rmdir(path);
}

/* The kernel frees a large file that has no name any more when the last process that has it open or mapped ends: a second for
 * three gigabytes. A copy of this process stays for that, so that nobody waits for it. Without one (no memory, no process) the
 * command ends a little later. */
static void leave_freeing_behind(void) {
    static const struct timespec MOMENT = {.tv_nsec = 5 * 1000 * 1000};
    pid_t parent = getpid();
    if (fork() != 0)
        return;
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        (void)close(fd); /* who reads what we say is not kept waiting */
    while (getppid() == parent)
        (void)nanosleep(&MOMENT, NULL);
    _exit(0);
}

static void remove_all_under_way(const struct ob_cli_guard *guard) {
    static const struct rlimit NO_FILES = {0, 0};
    DIR *folders[OB_GUARD_OUTPUTS];
    for (size_t i = 0; i < guard->count; i++)
        folders[i] = opendir(guard->outputs[i].path);
    (void)setrlimit(RLIMIT_NOFILE, &NO_FILES);
    if (guard->count > 0)
        leave_freeing_behind();
    for (size_t i = 0; i < guard->count; i++)
        remove_under_way(guard->outputs[i].path, folders[i], guard->outputs[i].keep_folder);
}

/* To the main thread, whose number is the process's. */
static void pass_on(int number) {
    (void)syscall(SYS_tgkill, getpid(), getpid(), number);
}

struct working {
    ob_cli_work_fn work;
    const void *arguments;
    struct ob_cli_guard guard;
    int code;
};

static void *run_work(void *context) {
    struct working *working = context;
    working->code = working->work(&working->guard, working->arguments);
    (void)kill(getpid(), DONE_SIGNAL);
    return NULL;
}

static void take_signals(sigset_t *set, bool and_done) {
    static const int SIGNALS[] = {SIGINT, SIGTERM, SIGHUP, DONE_SIGNAL};
    struct sigaction action = {.sa_handler = pass_on, .sa_flags = SA_RESTART};
    sigemptyset(set);
    for (size_t i = 0; i < sizeof SIGNALS / sizeof *SIGNALS - !and_done; i++) {
        struct sigaction before;
        if (sigaction(SIGNALS[i], NULL, &before) == 0 && before.sa_handler == SIG_IGN)
            continue; /* nohup, or a shell's background */
        sigaddset(set, SIGNALS[i]);
        (void)sigaction(SIGNALS[i], &action, NULL);
    }
    (void)pthread_sigmask(SIG_BLOCK, set, NULL);
}

/* It has removed nothing that it needs: the same command goes on. One that takes its time ends without us. */
static void end_child(pid_t child) {
    static const struct timespec MOMENT = {.tv_nsec = 10 * 1000 * 1000};
    (void)kill(child, SIGTERM);
    for (int i = 0; i < 50 && waitpid(child, NULL, WNOHANG) == 0; i++)
        (void)nanosleep(&MOMENT, NULL);
}

_Noreturn static void end_by(int number, const struct ob_cli_guard *guard) {
    const char *what = guard->child > 0   ? ", and the daemon with it; the same command goes on"
                       : guard->count > 0 ? "; partially written files were removed"
                                          : "";
    remove_all_under_way(guard);
    if (guard->child > 0)
        end_child(guard->child);
    fprintf(stderr, "\nonebyte: interrupted%s\n", what);
    _exit(128 + number);
}

/* Until the work is done, or the program ends here. */
static void watch(struct ob_cli_guard *guard, const sigset_t *signals) {
    for (int number = 0;;) {
        if (sigwait(signals, &number) != 0)
            continue;
        if (number == DONE_SIGNAL)
            return;
        pthread_mutex_lock(&guard->lock);
        if (!guard->finished)
            end_by(number, guard); /* the lock is kept: nothing new begins */
        pthread_mutex_unlock(&guard->lock);
    }
}

int ob_cli_guard_run(ob_cli_work_fn work, const void *arguments) {
    struct working working = {.work = work, .arguments = arguments};
    sigset_t signals;
    pthread_t thread;
    pthread_mutex_init(&working.guard.lock, NULL);
    take_signals(&signals, true); /* the work's threads inherit that they are blocked */
    int failed = pthread_create(&thread, NULL, run_work, &working);
    if (failed) {
        fprintf(stderr, "onebyte: cannot start a thread: %s\n", strerror(failed));
        return OB_EXIT_FAILED;
    }
    watch(&working.guard, &signals);
    pthread_join(thread, NULL);
    pthread_mutex_destroy(&working.guard.lock);
    return working.code;
}

void ob_cli_guard_begin(struct ob_cli_guard *guard, const char *path, bool keep_folder) {
    pthread_mutex_lock(&guard->lock);
    assert(guard->count < OB_GUARD_OUTPUTS);
    (void)snprintf(guard->outputs[guard->count].path, OB_PATH_MAX, "%s", path);
    guard->outputs[guard->count++].keep_folder = keep_folder;
    pthread_mutex_unlock(&guard->lock);
}

void ob_cli_guard_child(struct ob_cli_guard *guard, pid_t child) {
    pthread_mutex_lock(&guard->lock);
    guard->child = child;
    pthread_mutex_unlock(&guard->lock);
}

int ob_cli_guard_signals(void) {
    sigset_t signals;
    take_signals(&signals, false);
    int fd = signalfd(-1, &signals, SFD_CLOEXEC);
    if (fd < 0)
        (void)pthread_sigmask(SIG_UNBLOCK, &signals, NULL);
    return fd;
}

void ob_cli_guard_leave(void) {
    sigset_t none;
    sigemptyset(&none);
    (void)pthread_sigmask(SIG_SETMASK, &none, NULL);
}

void ob_cli_guard_done(struct ob_cli_guard *guard) {
    pthread_mutex_lock(&guard->lock);
    assert(guard->count > 0);
    guard->count--;
    pthread_mutex_unlock(&guard->lock);
}

int ob_cli_guard_finish(struct ob_cli_guard *guard, const char *part, const char *path) {
    int failed = 0;
    pthread_mutex_lock(&guard->lock);
    if (part && rename(part, path) != 0)
        failed = errno;
    if (!failed) {
        guard->count = 0;
        guard->finished = true;
    }
    pthread_mutex_unlock(&guard->lock);
    return failed;
}
