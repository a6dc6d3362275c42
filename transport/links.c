/* links - our connections to other machines, and which machines may connect. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "transport/state.h"

bool ob_link_up(const struct ob_link *link) {
    return link->dealer_up || link->routing_id_bytes > 0;
}

void ob_link_changed(struct ob_transport *transport, struct ob_link *link) {
    if (ob_link_up(link) != link->reported_up)
        ob_poll_mark(transport, &link->change);
}

static void close_link(struct ob_transport *transport, struct ob_link *link) {
    if (link->dealer.socket) {
        zmq_socket_monitor(link->dealer.socket, NULL, 0);
        transport->connected--;
    }
    ob_source_close(transport, &link->monitor);
    ob_source_close(transport, &link->dealer);
    ob_source_close(transport, &link->sub);
    link->dealer_up = false;
}

/* Frees it when it is neither admitted nor connected to. */
static void drop_unused(struct ob_transport *transport, struct ob_link *link) {
    if (link->admitted || link->endpoint[0])
        return;
    close_link(transport, link);
    ob_poll_remove(transport, &link->change);
    ob_link_remove(transport, link);
}

static enum ob_err open_monitor(struct ob_transport *transport, struct ob_link *link,
                                struct ob_error *error) {
    char name[OB_MONITOR_NAME_MAX];
    ob_monitor_name(transport, name);
    if (zmq_socket_monitor(link->dealer.socket, name,
                           ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_DISCONNECTED) != 0)
        return ob_fail(error, OB_EIO, "cannot watch a socket: %s", zmq_strerror(zmq_errno()));
    return ob_source_open(transport, &link->monitor, OB_SOURCE_MONITOR, link,
                          ob_monitor_reader(transport, name), error);
}

static enum ob_err open_link(struct ob_transport *transport, struct ob_link *link, struct ob_error *error) {
    char published[OB_ENDPOINT_MAX];
    assert(!link->dealer.socket);
    link->opened_s = link->published_s = ob_now_s();
    enum ob_err failed = ob_endpoint_shift(link->endpoint, OB_SERVER_PUB, published, error);
    if (!failed)
        failed = ob_source_open(transport, &link->dealer, OB_SOURCE_DEALER, link,
                                ob_socket_new(transport, ZMQ_DEALER, link->curve_key), error);
    if (failed)
        return failed;
    transport->connected++;
    failed = ob_source_open(transport, &link->sub, OB_SOURCE_SUB, link,
                            ob_socket_new(transport, ZMQ_SUB, link->curve_key), error);
    if (!failed)
        failed = open_monitor(transport, link, error);
    if (failed)
        return failed;
    zmq_setsockopt(link->sub.socket, ZMQ_SUBSCRIBE, "", 0);
    if (zmq_connect(link->dealer.socket, link->endpoint) != 0 ||
        zmq_connect(link->sub.socket, published) != 0)
        return ob_fail(error, OB_EUSAGE, "cannot connect to %s: %s", link->endpoint,
                       zmq_strerror(zmq_errno()));
    return OB_OK;
}

static void tend(struct ob_transport *transport, struct ob_link *link, uint64_t now) {
    if (link->routing_id_bytes > 0 && now - link->heard_s > OB_LINK_SILENCE_S)
        link->routing_id_bytes = 0;
    if (link->endpoint[0] && now - link->opened_s > OB_LINK_SILENCE_S &&
        !(link->dealer_up && now - link->published_s <= OB_LINK_SILENCE_S)) {
        close_link(transport, link);
        if (open_link(transport, link, NULL))
            close_link(transport, link); /* once more after a while */
    }
    ob_link_changed(transport, link);
}

void ob_links_tend(struct ob_transport *transport) {
    uint64_t now = ob_now_s();
    for (size_t i = 0; i < transport->link_count; i++)
        tend(transport, transport->links[i], now);
}

enum ob_err ob_transport_connect(struct ob_transport *transport, const struct ob_machine_id *machine,
                                 const char *endpoint, struct ob_error *error) {
    char host[OB_ENDPOINT_MAX];
    uint16_t port;
    struct ob_link *link = ob_link_find(transport, machine);
    enum ob_err failed = ob_endpoint_parse(endpoint, host, &port, error);
    if (failed)
        return failed;
    if (link && link->dealer.socket && strcmp(link->endpoint, endpoint) == 0)
        return OB_OK;
    if (!(link && link->dealer.socket) && transport->connected >= transport->links_max)
        return ob_fail(error, OB_ESTATE,
                       "cannot connect to another machine: %zu connections are open, the limit",
                       transport->connected);
    failed = ob_link_take(transport, machine, &link, error);
    if (failed)
        return failed;
    close_link(transport, link);
    memcpy(link->endpoint, endpoint, strlen(endpoint) + 1);
    failed = open_link(transport, link, error);
    if (failed) {
        close_link(transport, link);
        link->endpoint[0] = 0;
        drop_unused(transport, link);
        return failed;
    }
    ob_link_changed(transport, link);
    return OB_OK;
}

void ob_transport_disconnect(struct ob_transport *transport, const struct ob_machine_id *machine) {
    struct ob_link *link = ob_link_find(transport, machine);
    if (!link)
        return;
    close_link(transport, link);
    link->endpoint[0] = 0;
    ob_link_changed(transport, link);
    drop_unused(transport, link);
}

const char *ob_transport_endpoint(const struct ob_transport *transport, const struct ob_machine_id *machine) {
    const struct ob_link *link = ob_link_find(transport, machine);
    return link ? link->endpoint : "";
}

bool ob_transport_linked(const struct ob_transport *transport, const struct ob_machine_id *machine) {
    const struct ob_link *link = ob_link_find(transport, machine);
    return link && ob_link_up(link);
}

enum ob_taken ob_link_take_change(struct ob_link *link, struct ob_transport_event *event) {
    if (ob_link_up(link) == link->reported_up)
        return OB_TAKEN_NOTHING;
    link->reported_up = ob_link_up(link);
    event->kind = link->reported_up ? OB_TRANSPORT_LINK_UP : OB_TRANSPORT_LINK_DOWN;
    event->machine = link->machine;
    return OB_TAKEN_EVENT;
}

enum ob_taken ob_link_take_monitor(struct ob_link *link, struct ob_transport_event *event) {
    uint16_t kind;
    int value;
    if (!ob_monitor_receive(link->monitor.socket, &kind, &value))
        return OB_TAKEN_NOTHING;
    link->dealer_up = kind == ZMQ_EVENT_HANDSHAKE_SUCCEEDED;
    if (!link->dealer_up)
        link->routing_id_bytes = 0; /* it is gone; its own connection is known again with its next frame */
    return ob_link_take_change(link, event) == OB_TAKEN_EVENT ? OB_TAKEN_EVENT : OB_TAKEN_MORE;
}

enum ob_err ob_transport_allow(struct ob_transport *transport, const struct ob_machine_id *machine,
                               struct ob_error *error) {
    struct ob_link *link = NULL;
    enum ob_err failed = ob_link_take(transport, machine, &link, error);
    if (!failed)
        link->admitted = true;
    return failed;
}

bool ob_transport_allowed(const struct ob_transport *transport, const struct ob_machine_id *machine) {
    const struct ob_link *link = ob_link_find(transport, machine);
    return link && link->admitted;
}

void ob_transport_forbid(struct ob_transport *transport, const struct ob_machine_id *machine) {
    struct ob_link *link = ob_link_find(transport, machine);
    if (!link)
        return;
    /* ZAP asks only at the handshake: connections that are open must go */
    transport->rebind_wanted = transport->rebind_wanted || link->admitted;
    link->admitted = false;
    close_link(transport, link);
    link->endpoint[0] = 0;
    drop_unused(transport, link);
}

void ob_links_free(struct ob_transport *transport) {
    while (transport->link_count > 0) {
        struct ob_link *link = transport->links[transport->link_count - 1];
        link->admitted = false;
        link->endpoint[0] = 0;
        drop_unused(transport, link);
    }
    free(transport->links);
    free(transport->by_curve);
}
