#include <assert.h>
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "transport/state.h"

static enum ob_err open_all(struct ob_transport *transport, const struct ob_transport_options *options,
                            struct ob_error *error) {
    char probe[OB_ENDPOINT_MAX];
    if (sodium_init() < 0)
        return ob_fail(error, OB_EIO, "no source of randomness");
    if (crypto_sign_ed25519_sk_to_curve25519(transport->curve_secret, options->secret_key) != 0)
        return ob_fail(error, OB_EFORMAT, "the identity's key is not an Ed25519 key");
    crypto_scalarmult_base(transport->curve_public, transport->curve_secret);
    enum ob_err failed = options->listen ? ob_endpoint_shift(options->listen, 1, probe, error) : OB_OK;
    if (failed)
        return failed;
    if (options->listen)
        memcpy(transport->listen, options->listen, strlen(options->listen) + 1);
    transport->context = zmq_ctx_new();
    transport->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (!transport->context || transport->wake < 0)
        return ob_fail(error, OB_EIO, "cannot start the network: %s", strerror(errno));
    zmq_ctx_set(transport->context, ZMQ_MAX_SOCKETS, zmq_ctx_get(transport->context, ZMQ_SOCKET_LIMIT));
    failed = ob_zap_bind(transport, error); /* before any other bind: without it any key would be admitted */
    if (!failed)
        failed = ob_sockets_bind(transport, error);
    if (!failed)
        failed = ob_zap_self_test(transport, error);
    if (!failed && options->status_path)
        failed = ob_status_bind(transport, options->status_path, error);
    return failed;
}

enum ob_err ob_transport_new(const struct ob_transport_options *options, struct ob_transport **ret_transport,
                             struct ob_error *error) {
    struct ob_transport *transport = calloc(1, sizeof *transport);
    if (!transport)
        return ob_fail(error, OB_ENOMEM, "no memory for the network");
    transport->wake = -1;
    enum ob_err failed = open_all(transport, options, error);
    if (failed) {
        ob_transport_free(transport);
        return failed;
    }
    *ret_transport = transport;
    return OB_OK;
}

void ob_transport_free(struct ob_transport *transport) {
    if (!transport)
        return;
    for (size_t i = 0; i < transport->link_count; i++) {
        ob_link_close(transport->links[i]);
        free(transport->links[i]);
    }
    free(transport->links);
    free(transport->waits);
    if (transport->frame_open)
        zmq_msg_close(&transport->frame);
    ob_status_unbind(transport);
    ob_sockets_unbind(transport);
    if (transport->zap)
        zmq_close(transport->zap);
    if (transport->context)
        zmq_ctx_term(transport->context);
    if (transport->wake >= 0)
        close(transport->wake);
    sodium_memzero(transport, sizeof *transport);
    free(transport);
}

/* A machine that we connect to and that does not connect to us has no subscription to our PUB (we cannot be
 * reached, or it does not know where): what we publish is pushed to it over our own connection. */
static void push_to_unsubscribed(struct ob_transport *transport, const void *data, size_t bytes) {
    for (size_t i = 0; i < transport->link_count; i++) {
        const struct ob_link *link = transport->links[i];
        if (!link->dealer_up || link->routing_id_bytes > 0)
            continue;
        if (zmq_send(link->dealer, data, bytes, ZMQ_DONTWAIT) < 0) {
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
    if (zmq_send(transport->pub, data, bytes, ZMQ_DONTWAIT) < 0) {
        transport->counters.dropped_messages++;
        return;
    }
    transport->counters.published_messages++;
    transport->counters.published_bytes += bytes;
}

static bool send_routed(struct ob_transport *transport, struct ob_link *link, const void *data,
                        size_t bytes) {
    if (zmq_send(transport->router, link->routing_id, link->routing_id_bytes, ZMQ_SNDMORE | ZMQ_DONTWAIT) <
        0) {
        if (zmq_errno() == EHOSTUNREACH)
            link->routing_id_bytes = 0;
        return false;
    }
    return zmq_send(transport->router, data, bytes, ZMQ_DONTWAIT) >= 0;
}

bool ob_transport_send(struct ob_transport *transport, const struct ob_machine_id *machine, const void *data,
                       size_t bytes) {
    assert(bytes <= OB_MESSAGE_MAX);
    struct ob_link *link = ob_link_find(transport, machine);
    if (!link)
        return false;
    bool sent = link->dealer_up && zmq_send(link->dealer, data, bytes, ZMQ_DONTWAIT) >= 0;
    if (!sent && link->routing_id_bytes > 0)
        sent = send_routed(transport, link, data, bytes);
    if (!sent) {
        transport->counters.dropped_messages++;
        return false;
    }
    transport->counters.sent_messages++;
    transport->counters.sent_bytes += bytes;
    return true;
}

/* The change of a link since it was last told, if there is one. */
static bool take_change(struct ob_link *link, struct ob_transport_event *event) {
    if (ob_link_up(link) == link->reported_up)
        return false;
    link->reported_up = ob_link_up(link);
    event->kind = link->reported_up ? OB_TRANSPORT_LINK_UP : OB_TRANSPORT_LINK_DOWN;
    event->machine = link->machine;
    return true;
}

static bool take_monitor(struct ob_link *link, struct ob_transport_event *event) {
    uint8_t first[6];
    while (link->monitor && zmq_recv(link->monitor, first, sizeof first, ZMQ_DONTWAIT) == (int)sizeof first) {
        uint16_t kind;
        char address[OB_ENDPOINT_MAX];
        memcpy(&kind, first, sizeof kind);
        (void)zmq_recv(link->monitor, address, sizeof address, ZMQ_DONTWAIT);
        link->dealer_up = kind == ZMQ_EVENT_HANDSHAKE_SUCCEEDED;
        if (!link->dealer_up)
            link->routing_id_bytes =
                0; /* it is gone; its own connection is known again with its next frame */
        if (take_change(link, event))
            return true;
    }
    return take_change(link, event);
}

static void deliver(struct ob_transport *transport, const struct ob_machine_id *machine, bool published,
                    struct ob_transport_event *event) {
    event->kind = OB_TRANSPORT_FRAME;
    event->machine = *machine;
    event->published = published;
    event->data = zmq_msg_data(&transport->frame);
    event->bytes = zmq_msg_size(&transport->frame);
    transport->counters.received_messages++;
    transport->counters.received_bytes += event->bytes;
}

static bool receive(struct ob_transport *transport, void *socket) {
    if (transport->frame_open)
        zmq_msg_close(&transport->frame);
    zmq_msg_init(&transport->frame);
    transport->frame_open = true;
    return zmq_msg_recv(&transport->frame, socket, ZMQ_DONTWAIT) >= 0;
}

/* Parts that nobody should have sent: the whole message is dropped. True when there were any. */
static bool drop_rest(struct ob_transport *transport, void *socket) {
    bool any = false;
    while (zmq_msg_more(&transport->frame)) {
        any = true;
        if (!receive(transport, socket))
            break;
    }
    return any;
}

static bool take_plain(struct ob_transport *transport, struct ob_link *link, void *socket, bool published,
                       struct ob_transport_event *event) {
    if (!socket || !receive(transport, socket) || drop_rest(transport, socket))
        return false;
    deliver(transport, &link->machine, published, event);
    link->heard_s = ob_transport_seconds();
    if (published)
        link->published_s = link->heard_s;
    return true;
}

/* From the ROUTER: routing id, then the frame; who it is from is the ZAP handler's word, not the routing id.
 */
static bool take_routed(struct ob_transport *transport, struct ob_transport_event *event) {
    uint8_t id[OB_ROUTING_ID_MAX];
    if (!receive(transport, transport->router))
        return false;
    size_t id_bytes = zmq_msg_size(&transport->frame);
    if (id_bytes > sizeof id || !zmq_msg_more(&transport->frame)) {
        (void)drop_rest(transport, transport->router);
        return false;
    }
    memcpy(id, zmq_msg_data(&transport->frame), id_bytes);
    if (!receive(transport, transport->router) || drop_rest(transport, transport->router))
        return false;
    const char *user = zmq_msg_gets(&transport->frame, "User-Id");
    struct ob_machine_id machine;
    size_t used = 0;
    if (!user || sodium_hex2bin(machine.key, OB_KEY_BYTES, user, strlen(user), NULL, &used, NULL) != 0 ||
        used != OB_KEY_BYTES)
        return false;
    struct ob_link *link = ob_link_find(transport, &machine);
    if (!link)
        return false; /* was forbidden a moment ago */
    memcpy(link->routing_id, id, id_bytes);
    link->routing_id_bytes = id_bytes;
    link->heard_s = ob_transport_seconds();
    deliver(transport, &machine, false, event);
    return true;
}

static bool take_wake(struct ob_transport *transport, struct ob_transport_event *event) {
    uint64_t count;
    if (read(transport->wake, &count, sizeof count) != (ssize_t)sizeof count)
        return false;
    event->kind = OB_TRANSPORT_WAKE;
    return true;
}

/* Sources 0, 1, 2 are wake, status, router; then one for each link. */
static bool take_from(struct ob_transport *transport, size_t source, struct ob_transport_event *event) {
    if (source == 0)
        return take_wake(transport, event);
    if (source == 1)
        return ob_status_take(transport, event);
    if (source == 2)
        return take_routed(transport, event);
    struct ob_link *link = transport->links[source - 3];
    return take_monitor(link, event) || take_plain(transport, link, link->dealer, false, event) ||
           take_plain(transport, link, link->sub, true, event);
}

static bool take_any(struct ob_transport *transport, struct ob_transport_event *event) {
    ob_links_tend(transport);
    if (ob_zap_serve(transport, event, NULL, NULL))
        return true;
    size_t sources = 3 + transport->link_count;
    for (size_t i = 0; i < sources; i++) {
        transport->turn = (transport->turn + 1) % sources;
        if (take_from(transport, transport->turn, event))
            return true;
    }
    return false;
}

static enum ob_err wait(struct ob_transport *transport, int timeout_ms, struct ob_error *error) {
    size_t count = 0;
    if (transport->wait_room < transport->link_count + 1) {
        size_t room = 2 * transport->link_count + 8;
        zmq_pollitem_t *waits = realloc(transport->waits, (4 + 3 * room) * sizeof *waits);
        if (!waits)
            return ob_fail(error, OB_ENOMEM, "no memory to wait for messages");
        transport->waits = waits;
        transport->wait_room = room;
    }
    zmq_pollitem_t *items = transport->waits;
    void *const fixed[3] = {transport->zap, transport->router, transport->status};
    items[count++] = (zmq_pollitem_t){.fd = transport->wake, .events = ZMQ_POLLIN};
    for (size_t i = 0; i < 3; i++)
        if (fixed[i])
            items[count++] = (zmq_pollitem_t){.socket = fixed[i], .events = ZMQ_POLLIN};
    for (size_t i = 0; i < transport->link_count; i++) {
        struct ob_link *link = transport->links[i];
        void *const own[3] = {link->monitor, link->dealer, link->sub};
        for (size_t k = 0; link->dealer && k < 3; k++)
            items[count++] = (zmq_pollitem_t){.socket = own[k], .events = ZMQ_POLLIN};
    }
    if (zmq_poll(items, (int)count, timeout_ms) < 0 && zmq_errno() != EINTR)
        return ob_fail(error, OB_EIO, "waiting for messages: %s", zmq_strerror(zmq_errno()));
    return OB_OK;
}

enum ob_err ob_transport_poll(struct ob_transport *transport, int timeout_ms,
                              struct ob_transport_event *ret_event, struct ob_error *error) {
    struct ob_transport_event event = {.kind = OB_TRANSPORT_NOTHING};
    if (!take_any(transport, &event) && timeout_ms != 0) {
        enum ob_err failed = wait(transport, timeout_ms, error);
        if (failed)
            return failed;
        (void)take_any(transport, &event);
    }
    *ret_event = event;
    return OB_OK;
}

void ob_transport_wake(struct ob_transport *transport) {
    uint64_t one = 1;
    if (transport && write(transport->wake, &one, sizeof one) < 0)
        return; /* the counter is full: it is awake */
}

struct ob_transport_counters ob_transport_counters(const struct ob_transport *transport) {
    struct ob_transport_counters counters = transport->counters;
    counters.links = 0;
    for (size_t i = 0; i < transport->link_count; i++)
        counters.links += ob_link_up(transport->links[i]);
    return counters;
}
