/* event_queue - what the daemon's own parts have to tell the peer, in order, until the running step is over. Effects and
 * subsystems never step the peer: they push here, and the loop drains it (daemon/daemon.c).
 *
 * Only events without data fit: nothing points anywhere. Bounds: OB_EVENT_QUEUE_MAX; the parts that push are few, and each
 * pushes only a change, so that a full queue is our own mistake (an assertion).
 * Threads: the network thread. */
#ifndef OB_DAEMON_EVENT_QUEUE_H
#define OB_DAEMON_EVENT_QUEUE_H

#include "peer/peer.h"

#define OB_EVENT_QUEUE_MAX 16

struct ob_event_queue {
    enum ob_event_kind kinds[OB_EVENT_QUEUE_MAX];
    unsigned first, count;
};

void ob_event_queue_push(struct ob_event_queue *queue, enum ob_event_kind kind);
/* False: it is empty. */
bool ob_event_queue_take(struct ob_event_queue *queue, struct ob_event *ret_event);

#endif
