/* open - making a transport, and taking it down. */
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "transport/hang_up_guard.h"
#include "transport/state.h"

#define HANDSHAKE_MS    5000
#define SLOW_MS         20000
#define LINKS_MAX       1024
#define CONNECTIONS_MAX 4096

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
    transport->outboxes = ob_outbox_new();
    transport->context = zmq_ctx_new();
    transport->epoll = epoll_create1(EPOLL_CLOEXEC);
    transport->wake.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (!transport->outboxes || !transport->context || transport->wake.fd < 0 || transport->epoll < 0)
        return ob_fail(error, OB_EIO, "cannot start the network: %s", strerror(errno));
    zmq_ctx_set(transport->context, ZMQ_MAX_SOCKETS, zmq_ctx_get(transport->context, ZMQ_SOCKET_LIMIT));
    enum ob_err failed = ob_gate_new(transport, connections, error);
    return failed ? failed : ob_poll_add(transport, &transport->wake, error);
}

static enum ob_err open_all(struct ob_transport *transport, const struct ob_transport_options *options,
                            struct ob_error *error) {
    char probe[OB_ENDPOINT_MAX];
    if (sodium_init() < 0)
        return ob_fail(error, OB_EIO, "no source of random numbers");
    if (!ob_hang_up_guard_works())
        return ob_fail(
            error, OB_EUNSUPPORTED,
            "libzmq does not use this program's epoll_wait, so that others could end it; link libzmq "
            "as a shared library, and preload nothing that replaces epoll_wait");
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
    transport->slow_ms = options->slow_ms > 0 ? options->slow_ms : SLOW_MS;
    failed = open_base(transport, options, error);
    if (!failed)
        failed = ob_names_open(transport, error);
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
        return ob_fail(error, OB_ENOMEM, "not enough memory for the network");
    transport->epoll = transport->reserve = -1;
    transport->wake = (struct ob_source){.kind = OB_SOURCE_WAKE, .fd = -1};
    transport->zap.fd = transport->status.fd = transport->beacon.fd = transport->names.fd = -1;
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
    ob_links_free(transport);
    ob_knocks_close(transport);
    ob_names_close(transport);
    if (transport->frame_open)
        zmq_msg_close(&transport->frame);
    ob_status_unbind(transport);
    ob_servers_close(transport);
    ob_source_close(transport, &transport->zap);
    if (transport->context)
        zmq_ctx_term(transport->context);
    ob_outbox_drop(transport->outboxes);
    ob_gate_free(transport);
    ob_gate_unreserve(transport);
    if (transport->wake.fd >= 0)
        close(transport->wake.fd);
    if (transport->epoll >= 0)
        close(transport->epoll);
    sodium_memzero(transport, sizeof *transport);
    free(transport);
}
