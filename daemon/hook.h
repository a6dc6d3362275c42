/* hook - [machine] on_event: a program of the operator's that is started for events, with one line of JSON on standard input:
 *
 *     {"time":1767225600.123,"event":"silent","machine":"carol","text":"no new records; …","run":"rows","state_dir":"/var/lib/onebyte"}
 *
 * Never in the way of training: it runs beside it, one at a time, at most OB_HOOK_SECONDS long, then it is killed with all that
 * it started. Events that come meanwhile wait, at most OB_HOOK_QUEUE of them; more are dropped and counted. The same event of the
 * same machine is passed on once in OB_HOOK_REST_S.
 *
 * The command is given to /bin/sh -c. Its standard output is thrown away, its standard error is the daemon's; it inherits no
 * other descriptor, no blocked signal.
 *
 * Errors:  what goes wrong is told in the log, once for each event.
 * Owns:    the queue, and the process that runs. At the end of the daemon that process goes on for itself.
 * Threads: the network thread. */
#ifndef OB_DAEMON_HOOK_H
#define OB_DAEMON_HOOK_H

#include <sys/types.h>

#include "history/history.h"
#include "run/logger.h"

#define OB_HOOK_QUEUE   32
#define OB_HOOK_SECONDS 30
#define OB_HOOK_REST_S  60

struct ob_hook_seen {
    char kind[OB_HISTORY_KIND_MAX], machine[OB_HISTORY_NAME_MAX];
    uint64_t at_ns;
};

struct ob_hook {
    const char *command, *run, *state_dir; /* borrowed; command "": none */
    const struct ob_logger *logger;
    struct ob_history_event queue[OB_HOOK_QUEUE];
    size_t first, count;
    struct ob_hook_seen seen[OB_HOOK_QUEUE]; /* the last ones that were passed on */
    size_t seen_count;                       /* ever */
    pid_t running;                           /* 0: none */
    uint64_t since_ns;
    uint64_t started, dropped, killed;
};

void ob_hook_push(struct ob_hook *hook, const struct ob_history_event *event, uint64_t now_ns);
/* Some times a second: looks after the process that runs, and starts the next. */
void ob_hook_tend(struct ob_hook *hook, uint64_t now_ns);

#endif
