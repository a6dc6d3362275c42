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

/* A routing id is remembered until the ROUTER, a silence or the end of our own connection says that it is gone: for as long as
 * OB_LINK_SILENCE_S. The ROUTER gives each of our machines a number of its own and never the same again. A member that speaks
 * ZMTP by itself may choose the id of one that has gone: what is for that one must not go to it then. Until it speaks, it can
 * take that much from a machine that is not there, and reads nothing that members may not read: only members are admitted,
 * and whoever no longer is loses its connection (ob_transport_forbid). */
static void take_routing_id(struct ob_transport *transport, struct ob_link *link, const uint8_t *id,
                            size_t bytes) {
    if (link->routing_id_bytes == bytes && memcmp(link->routing_id, id, bytes) == 0)
        return;
    for (size_t i = 0; i < transport->link_count; i++) {
        struct ob_link *other = transport->links[i];
        if (other == link || other->routing_id_bytes != bytes || memcmp(other->routing_id, id, bytes) != 0)
            continue;
        other->routing_id_bytes = 0;
        ob_link_changed(transport, other);
    }
    memcpy(link->routing_id, id, bytes);
    link->routing_id_bytes = bytes;
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
    take_routing_id(transport, link, id, id_bytes);
    ob_link_changed(transport, link);
    return deliver(transport, link, false, event);
}
