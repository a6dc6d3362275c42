#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "transport/state.h"

bool ob_link_up(const struct ob_link *link) {
    return link->dealer_up || link->routing_id_bytes > 0;
}

void ob_link_changed(struct ob_transport *transport, struct ob_link *link) {
    if (ob_link_up(link) != link->reported_up)
        ob_watch_mark(transport, &link->change);
}

void ob_link_close(struct ob_transport *transport, struct ob_link *link) {
    if (link->dealer.socket) {
        zmq_socket_monitor(link->dealer.socket, NULL, 0);
        transport->connected--;
    }
    ob_source_close(transport, &link->monitor);
    ob_source_close(transport, &link->dealer);
    ob_source_close(transport, &link->sub);
    link->dealer_up = false;
}

void ob_monitor_name(struct ob_transport *transport, char ret_name[OB_MONITOR_NAME_MAX]) {
    (void)snprintf(ret_name, OB_MONITOR_NAME_MAX, "inproc://monitor-%" PRIu64, transport->monitors++);
}

void *ob_monitor_reader(struct ob_transport *transport, const char *name) {
    void *pair = zmq_socket(transport->context, ZMQ_PAIR);
    if (!pair)
        return NULL;
    ob_socket_set(pair, ZMQ_RCVHWM, 0);
    if (zmq_connect(pair, name) == 0)
        return pair;
    zmq_close(pair);
    return NULL;
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
        ob_link_close(transport, link);
        if (open_link(transport, link, NULL))
            ob_link_close(transport, link); /* once more after a while */
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
        return ob_fail(error, OB_ESTATE, "%zu connections to other machines are open, which is the limit",
                       transport->connected);
    failed = ob_link_take(transport, machine, &link, error);
    if (failed)
        return failed;
    ob_link_close(transport, link);
    memcpy(link->endpoint, endpoint, strlen(endpoint) + 1);
    failed = open_link(transport, link, error);
    if (failed) {
        ob_link_close(transport, link);
        link->endpoint[0] = 0;
        ob_link_drop_unused(transport, link);
        return failed;
    }
    ob_link_changed(transport, link);
    return OB_OK;
}

void ob_transport_disconnect(struct ob_transport *transport, const struct ob_machine_id *machine) {
    struct ob_link *link = ob_link_find(transport, machine);
    if (!link)
        return;
    ob_link_close(transport, link);
    link->endpoint[0] = 0;
    ob_link_changed(transport, link);
    ob_link_drop_unused(transport, link);
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

bool ob_monitor_receive(void *reader, uint16_t *ret_kind, int *ret_value) {
    uint8_t first[6];
    char address[OB_ENDPOINT_MAX];
    int32_t value;
    if (zmq_recv(reader, first, sizeof first, ZMQ_DONTWAIT) != (int)sizeof first)
        return false;
    (void)zmq_recv(reader, address, sizeof address, ZMQ_DONTWAIT);
    memcpy(ret_kind, first, sizeof *ret_kind);
    memcpy(&value, first + sizeof *ret_kind, sizeof value);
    *ret_value = value;
    return true;
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
