#include "transport/transport.h"

#include <assert.h>
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "transport/state.h"

#define HANDSHAKE_MS    5000
#define LINKS_MAX       1024
#define CONNECTIONS_MAX 4096
#define TURNS_PER_LOOK  32  /* ready sources served before the descriptors are asked again */
#define TAKES_PER_POLL  256 /* frames that come to nothing, before the caller has its turn */

/* A quarter of the descriptors for connections to us, a half for our links, the rest for files. */
static void set_limits(struct ob_transport *transport, size_t *ret_connections) {
    struct rlimit limit = {.rlim_cur = 1024};
    (void)getrlimit(RLIMIT_NOFILE, &limit);
    size_t descriptors = limit.rlim_cur < 1u << 20 ? (size_t)limit.rlim_cur : 1u << 20;
    transport->links_max = descriptors / 2 / OB_LINK_DESCRIPTORS;
    if (transport->links_max > LINKS_MAX)
        transport->links_max = LINKS_MAX;
    *ret_connections = descriptors / 4 < CONNECTIONS_MAX ? descriptors / 4 : CONNECTIONS_MAX;
}

static enum ob_err open_base(struct ob_transport *transport, const struct ob_transport_options *options,
                             struct ob_error *error) {
    size_t connections = 0;
    set_limits(transport, &connections);
    if (options->connections_max > 0 && options->connections_max < connections)
        connections = options->connections_max;
    transport->context = zmq_ctx_new();
    transport->epoll = epoll_create1(EPOLL_CLOEXEC);
    transport->wake.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (!transport->context || transport->wake.fd < 0 || transport->epoll < 0)
        return ob_fail(error, OB_EIO, "cannot start the network: %s", strerror(errno));
    zmq_ctx_set(transport->context, ZMQ_MAX_SOCKETS, zmq_ctx_get(transport->context, ZMQ_SOCKET_LIMIT));
    enum ob_err failed = ob_gate_new(transport, connections, error);
    return failed ? failed : ob_watch_add(transport, &transport->wake, error);
}

static enum ob_err open_all(struct ob_transport *transport, const struct ob_transport_options *options,
                            struct ob_error *error) {
    char probe[OB_ENDPOINT_MAX];
    if (sodium_init() < 0)
        return ob_fail(error, OB_EIO, "no source of randomness");
    if (crypto_sign_ed25519_sk_to_curve25519(transport->curve_secret, options->secret_key) != 0)
        return ob_fail(error, OB_EFORMAT, "the identity's key is not an Ed25519 key");
    crypto_scalarmult_base(transport->curve_public, transport->curve_secret);
    enum ob_err failed = options->listen ? ob_endpoint_shift(options->listen, 0, probe, error) : OB_OK;
    if (failed)
        return failed;
    if (options->listen)
        memcpy(transport->listen, options->listen, strlen(options->listen) + 1);
    transport->linger_ms = options->linger_ms;
    transport->handshake_ms = options->handshake_ms > 0 ? options->handshake_ms : HANDSHAKE_MS;
    failed = open_base(transport, options, error);
    if (!failed)
        failed =
            ob_zap_bind(transport, error); /* before any other bind: without it any key would be admitted */
    if (!failed)
        failed = ob_servers_listen(transport, error);
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
    transport->epoll = transport->reserve = -1;
    transport->wake = (struct ob_source){.kind = OB_SOURCE_WAKE, .fd = -1};
    transport->zap.fd = transport->status.fd = transport->beacon.fd = -1;
    for (size_t i = 0; i < OB_SERVER_COUNT; i++)
        transport->servers[i].listen_fd = -1;
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
    ob_beacon_free(transport);
    ob_members_free(transport);
    ob_knocks_close(transport);
    if (transport->frame_open)
        zmq_msg_close(&transport->frame);
    ob_status_unbind(transport);
    ob_servers_close(transport);
    ob_source_close(transport, &transport->zap);
    if (transport->context)
        zmq_ctx_term(transport->context);
    ob_gate_free(transport);
    ob_gate_unreserve(transport);
    if (transport->wake.fd >= 0)
        close(transport->wake.fd);
    if (transport->epoll >= 0)
        close(transport->epoll);
    sodium_memzero(transport, sizeof *transport);
    free(transport);
}

static bool send_dealer(struct ob_transport *transport, struct ob_link *link, const void *data,
                        size_t bytes) {
    ob_watch_mark(transport,
                  &link->dealer); /* what the socket learned while sending is not signalled again */
    return zmq_send(link->dealer.socket, data, bytes, ZMQ_DONTWAIT) >= 0;
}

/* A machine that we connect to and that does not connect to us has no subscription to our PUB (we cannot be
 * reached, or it does not know where): what we publish is pushed to it over our own connection. */
static void push_to_unsubscribed(struct ob_transport *transport, const void *data, size_t bytes) {
    for (size_t i = 0; i < transport->link_count; i++) {
        struct ob_link *link = transport->links[i];
        if (!link->dealer_up || link->routing_id_bytes > 0 || !link->admitted)
            continue;
        if (!send_dealer(transport, link, data, bytes)) {
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
    ob_watch_mark(transport, &router->source);
    if (zmq_send(router->socket, link->routing_id, link->routing_id_bytes, ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0) {
        if (zmq_errno() == EHOSTUNREACH) {
            link->routing_id_bytes = 0;
            ob_link_changed(transport, link);
        }
        return false;
    }
    return zmq_send(router->socket, data, bytes, ZMQ_DONTWAIT) >= 0;
}

bool ob_transport_send(struct ob_transport *transport, const struct ob_machine_id *machine, const void *data,
                       size_t bytes) {
    assert(bytes <= OB_MESSAGE_MAX);
    struct ob_link *link = ob_link_find(transport, machine);
    if (!link)
        return false;
    bool sent = link->dealer_up && send_dealer(transport, link, data, bytes);
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

static enum ob_taken take_wake(struct ob_transport *transport, struct ob_transport_event *event) {
    uint64_t count;
    if (read(transport->wake.fd, &count, sizeof count) != (ssize_t)sizeof count)
        return OB_TAKEN_NOTHING;
    event->kind = OB_TRANSPORT_WAKE;
    return OB_TAKEN_EVENT;
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
        return ob_link_take_monitor(source->owner, event);
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
            enum ob_err failed = ob_watch_wait(transport, 0, error);
            if (failed)
                return failed;
            transport->turns = 0;
        }
        struct ob_source *source = ob_watch_next(transport);
        if (!source)
            break;
        enum ob_taken taken = take_from(transport, source, event);
        /* a knock that was answered has closed its socket */
        if (taken != OB_TAKEN_NOTHING && (source->socket || source->fd >= 0))
            ob_watch_mark(transport, source);
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
    if (!failed)
        failed = take_any(transport, &event, error);
    if (!failed && event.kind == OB_TRANSPORT_NOTHING && timeout_ms != 0 && !transport->ready_first) {
        failed = ob_watch_wait(transport, timeout_ms, error);
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

struct ob_transport_counters ob_transport_counters(const struct ob_transport *transport) {
    struct ob_transport_counters counters = transport->counters;
    counters.links = 0;
    for (size_t i = 0; i < transport->link_count; i++)
        counters.links += ob_link_up(transport->links[i]);
    counters.connections = (uint32_t)transport->connections;
    return counters;
}
