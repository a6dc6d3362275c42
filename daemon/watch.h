/* watch - is the run healthy: once a second the verdict, what changed since, and what follows from that.
 *
 * Threads: the network thread. */
#ifndef OB_DAEMON_WATCH_H
#define OB_DAEMON_WATCH_H

#include "daemon/state.h"

OB_MUST_USE enum ob_err ob_watch_tend(struct ob_daemon *daemon, uint64_t now_ns, struct ob_error *error);
/* What the verdict rests on beside the history. `name`: storage of facts.waits_for. */
struct ob_health_facts ob_watch_facts(const struct ob_daemon *daemon, uint64_t now_ns, char name[static 64]);

#endif
