/* send - frames to everybody and to one machine. */
#include <assert.h>

#include "transport/state.h"

static bool has_room(struct ob_transport *transport, const struct ob_link *link, size_t bytes) {
    bool room = ob_outbox_room(link->outbox, transport->outboxes, bytes);
    transport->counters.unread_messages += !room;
    return room;
}

static bool send_dealer(struct ob_transport *transport, struct ob_link *link, const void *data,
                        size_t bytes) {
    ob_poll_mark(transport, &link->dealer); /* what the socket learned while sending is not signalled again */
    return ob_outbox_post(link->outbox, transport->outboxes, link->dealer.socket, data, bytes);
}

/* A machine that we connect to and that does not connect to us has no subscription to our PUB (we cannot be
 * reached, or it does not know where): what we publish is pushed to it over our own connection. */
static void push_to_unsubscribed(struct ob_transport *transport, const void *data, size_t bytes) {
    for (size_t i = 0; i < transport->link_count; i++) {
        struct ob_link *link = transport->links[i];
        if (!link->dealer_up || link->routing_id_bytes > 0 || !link->admitted)
            continue;
        if (!has_room(transport, link, bytes) || !send_dealer(transport, link, data, bytes)) {
            transport->counters.dropped_messages++;
            continue;
        }
        transport->counters.sent_messages++;
        transport->counters.sent_bytes += bytes;
    }
}

void ob_transport_publish(struct ob_transport *transport, const void *data, size_t bytes) {
    assert(bytes <= OB_MESSAGE_MAX);
    push_to_unsubscribed(transport, data, bytes);
    if (zmq_send(transport->servers[OB_SERVER_PUB].socket, data, bytes, ZMQ_DONTWAIT) < 0) {
        transport->counters.dropped_messages++;
        return;
    }
    transport->counters.published_messages++;
    transport->counters.published_bytes += bytes;
}

static bool send_routed(struct ob_transport *transport, struct ob_link *link, const void *data,
                        size_t bytes) {
    struct ob_server *router = &transport->servers[OB_SERVER_ROUTER];
    ob_poll_mark(transport, &router->source);
    if (zmq_send(router->socket, link->routing_id, link->routing_id_bytes, ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0) {
        if (zmq_errno() == EHOSTUNREACH) {
            link->routing_id_bytes = 0;
            ob_link_changed(transport, link);
        }
        return false;
    }
    if (ob_outbox_post(link->outbox, transport->outboxes, router->socket, data, bytes))
        return true;
    (void)zmq_send(router->socket, "", 0, ZMQ_DONTWAIT); /* ends what the routing id began */
    return false;
}

bool ob_transport_send(struct ob_transport *transport, const struct ob_machine_id *machine, const void *data,
                       size_t bytes) {
    assert(bytes <= OB_MESSAGE_MAX);
    struct ob_link *link = ob_link_find(transport, machine);
    if (!link)
        return false;
    bool room = has_room(transport, link, bytes);
    bool sent = room && link->dealer_up && send_dealer(transport, link, data, bytes);
    if (room && !sent && link->routing_id_bytes > 0)
        sent = send_routed(transport, link, data, bytes);
    if (!sent) {
        transport->counters.dropped_messages++;
        return false;
    }
    transport->counters.sent_messages++;
    transport->counters.sent_bytes += bytes;
    return true;
}

struct ob_transport_counters ob_transport_counters(const struct ob_transport *transport) {
    struct ob_transport_counters counters = transport->counters;
    counters.links = 0;
    for (size_t i = 0; i < transport->link_count; i++)
        counters.links += ob_link_up(transport->links[i]);
    counters.connections = (uint32_t)transport->connections;
    return counters;
}
