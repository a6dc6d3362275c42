#include "daemon/catch_up.h"

#define LOOK_EVERY_NS 5000000000ull
#define LOOK_EVERY_S  5.0

/* What waits to be replayed fills up and is worked off: asking stops at one mark and goes on at another. */
void ob_catch_up_pace(struct ob_catch_up *c, const struct ob_compute_view *work,
                      struct ob_event_queue *queue) {
    bool busy = work->waiting_bytes > (c->busy ? OB_WAITING_BYTES_MAX / 4 : OB_WAITING_BYTES_MAX);
    if (busy == c->busy)
        return;
    c->busy = busy;
    ob_event_queue_push(queue, busy ? OB_EVENT_BUSY : OB_EVENT_FREE);
}

double ob_catch_up_seconds(const struct ob_peer_view *view, const struct ob_compute_view *work, bool busy) {
    uint64_t missing = view->samples_known - view->samples_held;
    double replay_s = (double)(missing + work->waiting_samples) * work->replay_seconds;
    if (busy) /* the pace at which records come says nothing then */
        return replay_s;
    return view->catch_up_s < 0 || view->catch_up_s > replay_s ? view->catch_up_s : replay_s;
}

/* Records on their way are missing for a moment all the time: only what lasts is told. */
void ob_catch_up_tell(struct ob_catch_up *c, const struct ob_peer *peer, const struct ob_compute_view *work,
                      const struct ob_logger *logger, uint64_t now_ns) {
    if (now_ns - c->looked_ns < LOOK_EVERY_NS)
        return;
    struct ob_peer_view view = ob_peer_view(peer);
    bool behind = view.samples_known > view.samples_held || c->busy ||
                  (double)work->waiting_samples * work->replay_seconds > LOOK_EVERY_S;
    if (behind && c->behind)
        ob_log(logger, OB_LOG_INFO, "catch-up",
               "samples=%llu known=%llu per_s=%.0f left_s=%.0f waiting_records=%llu",
               (unsigned long long)view.samples_held, (unsigned long long)view.samples_known,
               view.samples_per_s, ob_catch_up_seconds(&view, work, c->busy),
               (unsigned long long)work->waiting_records);
    c->behind = behind;
    c->looked_ns = now_ns;
}
