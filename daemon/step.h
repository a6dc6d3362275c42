/* step - one event through the peer, its effects in order, and then what the daemon's own parts had to tell the peer
 * meanwhile (daemon/event_queue.h), each as a step of its own. Never within a step: that is asserted.
 *
 * Errors:  those of ob_perform; the daemon cannot go on after one, because the peer has gone ahead of its effects.
 * Threads: the network thread. */
#ifndef OB_DAEMON_STEP_H
#define OB_DAEMON_STEP_H

#include "daemon/state.h"

OB_MUST_USE enum ob_err ob_daemon_step(struct ob_daemon *daemon, struct ob_event *event,
                                       struct ob_error *error);
/* What waits in the queue, when no event came with it. */
OB_MUST_USE enum ob_err ob_daemon_drain(struct ob_daemon *daemon, struct ob_error *error);

/* A reason to pause comes or goes: the peer hears of it, in turn, when that changes whether there is one. */
void ob_daemon_pause(struct ob_daemon *daemon, enum ob_pause_reason reason, bool on);

#endif
