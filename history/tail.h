/* tail - the newest rows of a history that a daemon writes, for who looks every second: the file is opened and checked once, and
 * again when another one took its place; then a look costs what its rows cost, however long the history is.
 *
 * Errors:  those of ob_history_read; the next look tries again.
 * Owns:    its connection to the file; what it returns is the caller's.
 * Threads: one at a time; the daemon may write meanwhile. */
#ifndef OB_HISTORY_TAIL_H
#define OB_HISTORY_TAIL_H

#include <sys/types.h>

#include "history/history.h"

struct history_file;

/* Zeros: nothing was read yet. */
struct ob_history_tail {
    struct history_file *file; /* NULL: not open */
    dev_t device;              /* which file it is */
    ino_t inode;
};

/* A history of the newest `rows` rows, oldest first, without frontiers and events. */
OB_MUST_USE enum ob_err ob_history_tail_read(struct ob_history_tail *tail, const char *state_dir, size_t rows,
                                             struct ob_history **ret_history, struct ob_error *error);
void ob_history_tail_close(struct ob_history_tail *tail);

#endif
