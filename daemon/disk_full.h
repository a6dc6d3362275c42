/* disk_full - a full disk, or a log that another program locks, removes or replaces. The peer's state machine has gone ahead, its effects have not: nothing else may happen until
 * they are carried out. So the daemon stands still, answers the status socket, drops frames (they may be lost anyway: what
 * they held is fetched again), and tries again every second. Others see it go quiet and go on.
 *
 * Errors:  those of the work, but never OB_EFULL, OB_ELOCKED, OB_EMOVED; those of `wait`.
 * Owns:    nothing.
 * Threads: the network thread. */
#ifndef OB_DAEMON_DISK_FULL_H
#define OB_DAEMON_DISK_FULL_H

#include <stdbool.h>

#include "run/logger.h"

struct ob_disk_full {
    const struct ob_logger *logger;
    /* Waits a second or so; an error ends the waiting, and the work (told to leave, say). */
    enum ob_err (*wait)(void *context, struct ob_error *error);
    void *context;
    bool full;         /* now, or what `why` says */
    enum ob_err cause; /* OB_EFULL, OB_ELOCKED or OB_EMOVED, when it is */
    char why[OB_ERROR_TEXT_MAX];
    bool was; /* since this was last set to false: links came and went meanwhile */
};

typedef enum ob_err (*ob_disk_work_fn)(void *work, struct ob_error *error);

/* "disk-full", "log-locked" or "log-gone". */
const char *ob_disk_full_life(const struct ob_disk_full *disk);
/* Does the work until it finds room. It must be such that it may be tried again after any of the three. */
OB_MUST_USE enum ob_err ob_disk_full_retry(struct ob_disk_full *disk, ob_disk_work_fn run, void *work,
                                           struct ob_error *error);

#endif
