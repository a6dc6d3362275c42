/* guard - an interrupted command leaves nothing half written: on SIGINT, SIGTERM or SIGHUP the output that is under way is
 * removed and the program ends at once, as if the signal had ended it.
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

#include "base/path.h"

struct ob_cli_guard {
    pthread_mutex_t lock;   /* of what follows */
    char path[OB_PATH_MAX]; /* "": nothing is under way */
    bool keep_folder;       /* only what is in it goes */
    bool finished;          /* all outputs are whole */
};

typedef int (*ob_cli_work_fn)(struct ob_cli_guard *guard, const void *arguments);

/* What `work` returns; OB_EXIT_FAILED when it cannot be started. */
int ob_cli_guard_run(ob_cli_work_fn work, const void *arguments);
/* A file, or a folder with files; `keep_folder`: it was there before. */
void ob_cli_guard_begin(struct ob_cli_guard *guard, const char *path, bool keep_folder);
void ob_cli_guard_done(struct ob_cli_guard *guard);
/* Like done, for the command's last output, renamed first from `part` to its name (NULL: it has it already): from then on
 * everything is whole, and a signal no longer ends the command, which is about to end. Returns 0, or errno of the rename:
 * the output is then still under way. */
int ob_cli_guard_finish(struct ob_cli_guard *guard, const char *part, const char *path);

/* Removes a file, or a folder with the files in it; what is not there, or holds folders, stays. */
void ob_cli_remove_output(const char *path, bool keep_folder);

#endif
