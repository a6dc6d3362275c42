/* guard - an interrupted command leaves nothing half written: on SIGINT, SIGTERM or SIGHUP the outputs that are under way
 * are removed and the program ends at once, as if the signal had ended it.
 *
 * The work runs in a thread of its own; the main thread waits for a signal, so that nothing runs inside a handler. OpenBLAS
 * has threads before main() begins, to which a signal may go first: a handler passes it on to the main thread.
 *
 *     static int work(struct ob_cli_guard *guard, const void *arguments) {
 *         ob_cli_guard_begin(guard, path, false);  … writes path …  ob_cli_guard_done(guard);
 *     }
 *     return ob_cli_guard_run(work, arguments);
 *
 * Threads: run belongs to the main thread, begin and done to the work. */
#ifndef OB_CLI_GUARD_H
#define OB_CLI_GUARD_H

#include <pthread.h>
#include <stdbool.h>
#include <sys/types.h>

#include "base/path.h"

#define OB_GUARD_OUTPUTS 6

struct ob_cli_guard {
    pthread_mutex_t lock; /* of what follows */
    size_t count;         /* that are under way */
    struct {
        char path[OB_PATH_MAX];
        bool keep_folder; /* only what is in it goes */
    } outputs[OB_GUARD_OUTPUTS];
    bool finished; /* all outputs are whole */
    pid_t child;   /* a daemon that is not up yet; 0: none */
};

typedef int (*ob_cli_work_fn)(struct ob_cli_guard *guard, const void *arguments);

/* What `work` returns; OB_EXIT_FAILED when it cannot be started. */
int ob_cli_guard_run(ob_cli_work_fn work, const void *arguments);
/* A file, or a folder with files; `keep_folder`: it was there before. Beside those that are under way already: at most
 * OB_GUARD_OUTPUTS. */
void ob_cli_guard_begin(struct ob_cli_guard *guard, const char *path, bool keep_folder);
/* Of the one that began last: it is whole, or gone. */
void ob_cli_guard_done(struct ob_cli_guard *guard);
/* Like done, for all that are under way, the last of them renamed first from `part` to its name (NULL: it has it already): from then on
 * everything is whole, and a signal no longer ends the command, which is about to end. Returns 0, or errno of the rename:
 * the outputs are then still under way. */
int ob_cli_guard_finish(struct ob_cli_guard *guard, const char *part, const char *path);

/* A daemon that was started and is not up yet ends with the command: it gets a SIGTERM. 0: it stays. */
void ob_cli_guard_child(struct ob_cli_guard *guard, pid_t child);
/* In a child, before it becomes another program: it gets signals as this one did before run. */
void ob_cli_guard_leave(void);

/* For a command that waits by itself and puts the terminal back: SIGINT, SIGTERM and SIGHUP are held back, and can be read from
 * the descriptor (a struct signalfd_siginfo each); those that are ignored stay so. -1, and nothing is held: see errno. */
int ob_cli_guard_signals(void);

/* Removes a file, or a folder with the files in it; what is not there, or holds folders, stays. */
void ob_cli_remove_output(const char *path, bool keep_folder);

#endif
