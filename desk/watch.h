/* watch - looks at the machine every two seconds, in a thread of its own, because a driver, a bus or a disk may take its
 * time: whether it is in use, what it is powered by, how much memory we have taken.
 *
 * Errors:  OB_EIO: no thread. OB_ENOMEM.
 * Owns:    its thread and its copies of the paths.
 * Threads: any. */
#ifndef OB_DESK_WATCH_H
#define OB_DESK_WATCH_H

#include "base/err.h"
#include "desk/desk.h"

struct ob_desk_watch;

struct ob_desk_sources {
    const char *power;   /* folder of power supplies; NULL: not looked at */
    const char *devices; /* of terminals and input devices; NULL: whether it is in use is not looked at */
    bool memory;
};

/* What it is now: waits for all of them. */
struct ob_desk_facts ob_desk_look(const struct ob_desk_sources *sources);

OB_MUST_USE enum ob_err ob_desk_watch_open(const struct ob_desk_sources *sources,
                                           struct ob_desk_watch **ret_watch, struct ob_error *error);
/* As it was last seen. */
struct ob_desk_facts ob_desk_watch_facts(struct ob_desk_watch *watch);
void ob_desk_watch_close(struct ob_desk_watch *watch);

#endif
