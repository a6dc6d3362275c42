/* catch_up - the way to a full log: how far it is, and how fast records may be asked for.
 *
 * Records that are in the log wait in memory until the compute thread has replayed them. While more wait than
 * OB_WAITING_BYTES_MAX, no further ones are asked for, so that a newcomer's memory is bounded by that and by
 * the answers under way (64 messages), however long the log is. A line in the log says every few seconds how
 * far it is; the status says the same at any time.
 *
 * Errors:  none.
 * Threads: the network thread. */
#ifndef OB_DAEMON_CATCH_UP_H
#define OB_DAEMON_CATCH_UP_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/compute.h"
#include "daemon/event_queue.h"
#include "run/logger.h"

#define OB_WAITING_BYTES_MAX (16u << 20)

struct ob_catch_up {
    bool busy;   /* the peer asks for nothing */
    bool behind; /* something was missing when it was last looked at */
    uint64_t looked_ns;
};

/* Seconds until all records that others have told of are in the weights: fetching and replaying go on at the
 * same time, so that the slower of the two counts. 0: nothing is missing; -1: not known yet. */
double ob_catch_up_seconds(const struct ob_peer_view *view, const struct ob_compute_view *work, bool busy);
/* Called between events: pushes OB_EVENT_BUSY or OB_EVENT_FREE when that has changed. */
void ob_catch_up_pace(struct ob_catch_up *catch_up, const struct ob_compute_view *work,
                      struct ob_event_queue *queue);
/* Called between events, with the time: logs how far it is when there is something to say. */
void ob_catch_up_tell(struct ob_catch_up *catch_up, const struct ob_peer *peer,
                      const struct ob_compute_view *work, const struct ob_logger *logger, uint64_t now_ns);

#endif
