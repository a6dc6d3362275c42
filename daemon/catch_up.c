#include "daemon/catch_up.h"

#include "base/clock.h"
#include "daemon/daemon.h"

#define LOOK_EVERY_NS (5 * OB_SECOND_NS)

/* What waits to be replayed fills up and is worked off: asking stops at one mark and goes on at another. */
static enum ob_err pace(struct ob_daemon *daemon, struct ob_error *error) {
    struct ob_catch_up *c = &daemon->catch_up;
    uint64_t waiting = ob_compute_view(daemon->compute).waiting_bytes;
    bool busy = waiting > (c->busy ? OB_WAITING_BYTES_MAX / 4 : OB_WAITING_BYTES_MAX);
    if (busy == c->busy)
        return OB_OK;
    struct ob_event event = {.kind = busy ? OB_EVENT_BUSY : OB_EVENT_FREE};
    c->busy = busy;
    return ob_daemon_step(daemon, &event, error);
}

double ob_catch_up_seconds(const struct ob_peer_view *view, const struct ob_compute_view *work, bool busy) {
    uint64_t missing = view->samples_known - view->samples_held;
    double replay_s = (double)(missing + work->waiting_samples) * work->replay_seconds;
    if (busy) /* the pace at which records come says nothing then */
        return replay_s;
    return view->catch_up_s < 0 || view->catch_up_s > replay_s ? view->catch_up_s : replay_s;
}

/* Records on their way are missing for a moment all the time: only what lasts is told. */
static void tell(struct ob_daemon *daemon) {
    struct ob_catch_up *c = &daemon->catch_up;
    if (ob_now_ns() - c->looked_ns < LOOK_EVERY_NS)
        return;
    struct ob_peer_view view = ob_peer_view(daemon->peer);
    struct ob_compute_view work = ob_compute_view(daemon->compute);
    bool behind = view.samples_known > view.samples_held || c->busy;
    if (behind && c->behind)
        ob_log(&daemon->log, OB_LOG_INFO, "catch-up",
               "samples=%llu known=%llu per_s=%.0f left_s=%.0f waiting_records=%llu",
               (unsigned long long)view.samples_held, (unsigned long long)view.samples_known,
               view.samples_per_s, ob_catch_up_seconds(&view, &work, c->busy),
               (unsigned long long)work.waiting_records);
    c->behind = behind;
    c->looked_ns = ob_now_ns();
}

enum ob_err ob_catch_up_tend(struct ob_daemon *daemon, struct ob_error *error) {
    tell(daemon);
    return pace(daemon, error);
}
