#include "cli/guard.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
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
static void remove_under_way(const char *path, bool keep_folder) {
    static const struct timespec MOMENT = {.tv_nsec = 1000 * 1000};
    static const struct rlimit NO_FILES = {0, 0};
    DIR *folder = opendir(path);
    (void)setrlimit(RLIMIT_NOFILE, &NO_FILES);
    for (int idle = 0, pass = 0; idle < 2 && pass < 100; pass++) {
        idle = (folder ? empty_folder(folder) > 0 : unlink(path) == 0) ? 0 : idle + 1;
        (void)nanosleep(&MOMENT, NULL);
    }
    if (folder && !keep_folder)
        (void)rmdir(path);
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

static void fill_signals(sigset_t *set) {
    static const int SIGNALS[] = {SIGINT, SIGTERM, SIGHUP, DONE_SIGNAL};
    struct sigaction action = {.sa_handler = pass_on, .sa_flags = SA_RESTART};
    sigemptyset(set);
    for (size_t i = 0; i < sizeof SIGNALS / sizeof *SIGNALS; i++) {
        struct sigaction before;
        if (sigaction(SIGNALS[i], NULL, &before) == 0 && before.sa_handler == SIG_IGN)
            continue; /* nohup, or a shell's background */
        sigaddset(set, SIGNALS[i]);
        (void)sigaction(SIGNALS[i], &action, NULL);
    }
}

_Noreturn static void end_by(int number, const struct ob_cli_guard *guard) {
    bool partial = guard->path[0] != 0;
    if (partial)
        remove_under_way(guard->path, guard->keep_folder);
    fprintf(stderr, "\nonebyte: interrupted%s\n", partial ? "; partially written files were removed" : "");
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
    fill_signals(&signals);
    pthread_sigmask(SIG_BLOCK, &signals, NULL); /* the work's threads inherit it */
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
    (void)snprintf(guard->path, sizeof guard->path, "%s", path);
    guard->keep_folder = keep_folder;
    pthread_mutex_unlock(&guard->lock);
}

void ob_cli_guard_done(struct ob_cli_guard *guard) {
    pthread_mutex_lock(&guard->lock);
    guard->path[0] = 0;
    pthread_mutex_unlock(&guard->lock);
}

int ob_cli_guard_finish(struct ob_cli_guard *guard, const char *part, const char *path) {
    int failed = 0;
    pthread_mutex_lock(&guard->lock);
    if (part && rename(part, path) != 0)
        failed = errno;
    if (!failed) {
        guard->path[0] = 0;
        guard->finished = true;
    }
    pthread_mutex_unlock(&guard->lock);
    return failed;
}
