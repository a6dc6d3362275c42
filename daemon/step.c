#include "daemon/step.h"

#include <assert.h>
#include <string.h>

#include "base/clock.h"

void ob_daemon_pause(struct ob_daemon *daemon, enum ob_pause_reason reason, bool on) {
    if (!ob_pause_set(&daemon->pause, reason, on))
        return;
    if (!ob_pause_any(&daemon->pause))
        daemon->resumed_ns = ob_now_ns();
    ob_event_queue_push(&daemon->queue, ob_pause_any(&daemon->pause) ? OB_EVENT_PAUSE : OB_EVENT_RESUME);
}

static enum ob_err step(struct ob_daemon *daemon, struct ob_event *event, struct ob_error *error) {
    assert(!daemon->stepping);
    daemon->stepping = true;
    event->now_ns = ob_now_ns();
    event->wall_s = ob_wall_s();
    if (event->bytes > 0 && event->bytes <= sizeof daemon->event_data) {
        /* effects point into it, and waiting for room polls the transport whose buffer it is */
        memcpy(daemon->event_data, event->data, event->bytes);
        event->data = daemon->event_data;
    }
    struct ob_effects effects = ob_peer_step(daemon->session.peer, event);
    enum ob_err failed = OB_OK;
    for (size_t i = 0; i < effects.count && !failed; i++)
        failed = ob_perform(&daemon->performer, &effects.items[i], error);
    daemon->stepping = false;
    /* an effect may have ended the join, or begun to replay what it had put off */
    ob_daemon_pause(daemon, OB_PAUSE_JOINING, daemon->join.holds_training);
    return failed;
}

enum ob_err ob_daemon_drain(struct ob_daemon *daemon, struct ob_error *error) {
    struct ob_event event;
    enum ob_err failed = OB_OK;
    ob_daemon_pause(daemon, OB_PAUSE_JOINING, daemon->join.holds_training);
    while (!failed && ob_event_queue_take(&daemon->queue, &event))
        failed = step(daemon, &event, error);
    return failed;
}

enum ob_err ob_daemon_step(struct ob_daemon *daemon, struct ob_event *event, struct ob_error *error) {
    enum ob_err failed = step(daemon, event, error);
    return failed ? failed : ob_daemon_drain(daemon, error);
}
