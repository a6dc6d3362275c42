#include "cli/guard.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cli/command.h"

#define DONE_SIGNAL SIGUSR2 /* ours: the work is done */

void ob_cli_remove_output(const char *path, bool keep_folder) {
    char inner[OB_PATH_MAX];
    DIR *folder = opendir(path);
    if (!folder) {
        (void)unlink(path);
        return;
    }
    for (const struct dirent *entry; (entry = readdir(folder));)
        if (ob_path_join(inner, path, entry->d_name, NULL) == OB_OK)
            (void)unlink(inner); /* fails for folders, "." and ".." too */
    closedir(folder);
    if (!keep_folder)
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

/* Until the work is done, or the program ends here. */
static void watch(struct ob_cli_guard *guard, const sigset_t *signals) {
    int number = 0;
    while (sigwait(signals, &number) != 0)
        ;
    if (number == DONE_SIGNAL)
        return;
    pthread_mutex_lock(&guard->lock); /* for good: nothing new begins */
    if (guard->path[0])
        ob_cli_remove_output(guard->path, guard->keep_folder);
    fprintf(stderr, "\nonebyte: interrupted; partially written files were removed\n");
    _exit(128 + number);
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
