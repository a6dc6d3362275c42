/* turn - one turn of the loop: what is due is done, and one event is taken. */
#include <assert.h>
#include <unistd.h>

#include "base/clock.h"
#include "transport/state.h"

#define TURNS_PER_LOOK 32  /* ready sources served before the descriptors are asked again */
#define TAKES_PER_POLL 256 /* frames that come to nothing, before the caller has its turn */

static enum ob_taken take_wake(struct ob_transport *transport, struct ob_transport_event *event) {
    uint64_t count;
    if (read(transport->wake.fd, &count, sizeof count) != (ssize_t)sizeof count)
        return OB_TAKEN_NOTHING;
    event->kind = OB_TRANSPORT_WAKE;
    return OB_TAKEN_EVENT;
}

static enum ob_taken take_names(struct ob_transport *transport) {
    ob_resolver_heard(transport->resolver);
    ob_links_resolved(transport);
    ob_knocks_resolved(transport);
    return OB_TAKEN_NOTHING;
}

static enum ob_taken take_from(struct ob_transport *transport, struct ob_source *source,
                               struct ob_transport_event *event) {
    switch (source->kind) {
    case OB_SOURCE_WAKE:
        return take_wake(transport, event);
    case OB_SOURCE_ZAP:
        return ob_zap_take(transport, event);
    case OB_SOURCE_STATUS:
        return ob_status_accept(transport);
    case OB_SOURCE_STATUS_CLIENT:
        return ob_status_take(transport, source->owner, event);
    case OB_SOURCE_GATE:
        return ob_gate_take(transport, source->owner, event);
    case OB_SOURCE_ROUTER:
        return ob_take_routed(transport, event);
    case OB_SOURCE_DOOR:
        return ob_door_take(transport, event);
    case OB_SOURCE_BEACON:
        return ob_beacon_take(transport, event);
    case OB_SOURCE_MONITOR:
        return ob_link_take_monitor(transport, source->owner, event);
    case OB_SOURCE_WATCH:
        return ob_link_take_watch(transport, source->owner);
    case OB_SOURCE_NAMES:
        return take_names(transport);
    case OB_SOURCE_CHANGE:
        return ob_link_take_change(source->owner, event);
    case OB_SOURCE_KNOCK:
        return ob_knock_take(transport, source->owner, event);
    case OB_SOURCE_DEALER:
    case OB_SOURCE_SUB:
        return ob_take_plain(transport, source, event);
    }
    assert(false);
    return OB_TAKEN_NOTHING;
}

/* Serves the ready sources in turns until one gives an event. True: there is one. */
static enum ob_err take_any(struct ob_transport *transport, struct ob_transport_event *event,
                            struct ob_error *error) {
    for (int takes = 0; takes < TAKES_PER_POLL; takes++) {
        if (!transport->ready_first || ++transport->turns >= TURNS_PER_LOOK) {
            enum ob_err failed = ob_poll_wait(transport, 0, error);
            if (failed)
                return failed;
            transport->turns = 0;
        }
        struct ob_source *source = ob_poll_next(transport);
        if (!source)
            break;
        enum ob_taken taken = take_from(transport, source, event);
        /* a knock that was answered has closed its socket */
        if (taken != OB_TAKEN_NOTHING && (source->socket || source->fd >= 0))
            ob_poll_mark(transport, source);
        if (taken == OB_TAKEN_EVENT)
            break;
    }
    return OB_OK;
}

static enum ob_err tend(struct ob_transport *transport, struct ob_error *error) {
    uint64_t now = ob_now_s();
    if (transport->rebind_wanted) {
        transport->rebind_wanted = false;
        enum ob_err failed = ob_servers_rebind(transport, error);
        if (failed)
            return failed;
    }
    if (now == transport->tended_s)
        return OB_OK;
    transport->tended_s = now;
    ob_links_tend(transport);
    ob_gate_tend(transport);
    ob_status_tend(transport);
    ob_knocks_tend(transport);
    ob_beacon_tend(transport);
    return OB_OK;
}

enum ob_err ob_transport_poll(struct ob_transport *transport, int timeout_ms,
                              struct ob_transport_event *ret_event, struct ob_error *error) {
    struct ob_transport_event event = {.kind = OB_TRANSPORT_NOTHING};
    enum ob_err failed = tend(transport, error);
    if (!failed && ob_flow_tend(transport, &event) == OB_TAKEN_NOTHING)
        failed = take_any(transport, &event, error);
    if (!failed && event.kind == OB_TRANSPORT_NOTHING && timeout_ms != 0 && !transport->ready_first) {
        failed = ob_poll_wait(transport, timeout_ms, error);
        if (!failed)
            failed = take_any(transport, &event, error);
    }
    if (!failed)
        *ret_event = event;
    return failed;
}

void ob_transport_wake(struct ob_transport *transport) {
    uint64_t one = 1;
    if (transport && write(transport->wake.fd, &one, sizeof one) < 0)
        return; /* the counter is full: it is awake */
}
