/* daemon - one peer at work: the place where the layers meet.
 *
 * The network thread (the caller of ob_daemon_run) turns what the transport, the compute thread and the clock say into
 * events of the peer's state machine, and carries out its effects in order. Nothing acts inside a callback, and no effect
 * steps the peer: what the daemon's own parts want to tell it waits in a queue until the effects are done.
 *
 *   main -> open, daemon -> status, request -> perform -> join, membership, disk_full, names -> session
 *
 * Errors:  what the daemon cannot go on after.
 * Threads: the network thread. */
#ifndef OB_DAEMON_DAEMON_H
#define OB_DAEMON_DAEMON_H

#include "daemon/state.h"

/* From any thread: it finishes the running sample, or drops it when that takes long, and says goodbye. */
void ob_daemon_ask_to_leave(struct ob_daemon *daemon);
/* From any thread: the configuration is read again (daemon/reload.h). */
void ob_daemon_ask_to_reload(struct ob_daemon *daemon);
/* Until it has left or cannot go on. */
OB_MUST_USE enum ob_err ob_daemon_run(struct ob_daemon *daemon, struct ob_error *error);

#endif
