/* hook - [machine] on_event: a program of the operator's that is started for events, with one line of JSON on standard input:
 *
 *     {"time":1767225600.123,"event":"silent","machine":"carol","text":"no new records; …","run":"rows","state_dir":"/var/lib/onebyte"}
 *
 * Never in the way of training: it runs beside it, one at a time, at most OB_HOOK_SECONDS long, then it is killed. What it left
 * in the background (in its process group) ends with it. Events that come meanwhile wait, at most OB_HOOK_QUEUE of them; more are
 * dropped and counted. The same event of the same machine is passed on once in OB_HOOK_REST_S.
 *
 * The command is given to /bin/sh -c. Its standard output is thrown away; of its standard error the first OB_HOOK_SAID bytes are
 * kept, more cannot be written. It inherits no other descriptor, no blocked signal.
 *
 * Errors:  that a command fails is told in the log once, with the first line of its standard error, until one succeeds again.
 * Owns:    the queue, and the process that runs. At the end of the daemon that process goes on for itself.
 * Threads: the network thread. */
#ifndef OB_DAEMON_HOOK_H
#define OB_DAEMON_HOOK_H

#include <stdbool.h>
#include <sys/types.h>

#include "history/history.h"
#include "run/logger.h"

#define OB_HOOK_QUEUE   32
#define OB_HOOK_SECONDS 30
#define OB_HOOK_REST_S  60
#define OB_HOOK_SAID    4096 /* a page */

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
    bool late;                               /* it was killed, and is waited for */
    int says; /* its standard error, a file in memory; while it runs; -1: none */
    uint64_t since_ns;
    bool told; /* that commands fail */
    uint64_t started, dropped, killed, failed;
};

void ob_hook_push(struct ob_hook *hook, const struct ob_history_event *event, uint64_t now_ns);
/* Some times a second: looks after the process that runs, and starts the next. */
void ob_hook_tend(struct ob_hook *hook, uint64_t now_ns);

#endif
