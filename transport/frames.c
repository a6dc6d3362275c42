#include <string.h>

#include "base/clock.h"
#include "base/hex.h"
#include "transport/state.h"

bool ob_frame_receive(struct ob_transport *transport, void *socket) {
    if (transport->frame_open)
        zmq_msg_close(&transport->frame);
    zmq_msg_init(&transport->frame);
    transport->frame_open = true;
    if (zmq_msg_recv(&transport->frame, socket, ZMQ_DONTWAIT) < 0)
        return false;
    ob_flow_delivered(transport);
    return true;
}

bool ob_frame_drop_rest(struct ob_transport *transport, void *socket) {
    bool any = false;
    while (zmq_msg_more(&transport->frame)) {
        any = true;
        if (!ob_frame_receive(transport, socket))
            break;
    }
    return any;
}

static enum ob_taken deliver(struct ob_transport *transport, struct ob_link *link, bool published,
                             struct ob_transport_event *event) {
    event->kind = OB_TRANSPORT_FRAME;
    event->machine = link->machine;
    event->published = published;
    event->admitted = link->admitted;
    event->data = zmq_msg_data(&transport->frame);
    event->bytes = zmq_msg_size(&transport->frame);
    link->heard_s = ob_now_s();
    if (published)
        link->published_s = link->heard_s;
    transport->counters.received_messages++;
    transport->counters.received_bytes += event->bytes;
    return OB_TAKEN_EVENT;
}

enum ob_taken ob_take_plain(struct ob_transport *transport, struct ob_source *source,
                            struct ob_transport_event *event) {
    if (!ob_frame_receive(transport, source->socket))
        return OB_TAKEN_NOTHING;
    if (ob_frame_drop_rest(transport, source->socket))
        return OB_TAKEN_MORE; /* parts that nobody should have sent: the whole message is dropped */
    return deliver(transport, source->owner, source->kind == OB_SOURCE_SUB, event);
}

static struct ob_link *sender(const struct ob_transport *transport) {
    const char *user = zmq_msg_gets((zmq_msg_t *)&transport->frame, "User-Id");
    struct ob_machine_id machine;
    if (!user || !ob_hex_decode(user, OB_KEY_BYTES, machine.key))
        return NULL;
    struct ob_link *link = ob_link_find(transport, &machine);
    return link && link->admitted ? link : NULL; /* forbidden a moment ago? */
}

/* From the ROUTER: routing id, then the frame; who it is from is the ZAP handler's word, not the routing id.
 */
enum ob_taken ob_take_routed(struct ob_transport *transport, struct ob_transport_event *event) {
    uint8_t id[OB_ROUTING_ID_MAX];
    void *router = transport->servers[OB_SERVER_ROUTER].socket;
    if (!ob_frame_receive(transport, router))
        return OB_TAKEN_NOTHING;
    size_t id_bytes = zmq_msg_size(&transport->frame);
    if (id_bytes > sizeof id || !zmq_msg_more(&transport->frame)) {
        (void)ob_frame_drop_rest(transport, router);
        return OB_TAKEN_MORE;
    }
    memcpy(id, zmq_msg_data(&transport->frame), id_bytes);
    if (!ob_frame_receive(transport, router) || ob_frame_drop_rest(transport, router))
        return OB_TAKEN_MORE;
    struct ob_link *link = sender(transport);
    if (!link)
        return OB_TAKEN_MORE;
    memcpy(link->routing_id, id, id_bytes);
    link->routing_id_bytes = id_bytes;
    ob_link_changed(transport, link);
    return deliver(transport, link, false, event);
}
