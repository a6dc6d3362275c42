#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "transport/state.h"

#define CURVE_OVERHEAD       64   /* libzmq counts a MESSAGE command whole: 33 bytes more than the frame */
#define LINGER_MS            1000 /* a goodbye published right before closing gets out */
#define HEARTBEAT_MS         3000
#define HEARTBEAT_TIMEOUT_MS 10000
#define HANDSHAKE_MS         10000
#define RECONNECT_MS         100
#define RECONNECT_MAX_MS     2000
#define BIND_TRIES           100 /* of 20 ms: a socket that was just closed frees its port a little later */

static void set_int(void *socket, int option, int value) {
    int failed = zmq_setsockopt(socket, option, &value, sizeof value);
    assert(failed == 0);
    (void)failed;
}

/* Options that every socket between machines has: bounded queues and messages, dead connections found. */
static void set_common(void *socket) {
    int64_t largest = OB_MESSAGE_MAX + CURVE_OVERHEAD;
    int failed = zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &largest, sizeof largest);
    assert(failed == 0);
    (void)failed;
    set_int(socket, ZMQ_SNDHWM, OB_QUEUE_MAX);
    set_int(socket, ZMQ_RCVHWM, OB_QUEUE_MAX);
    set_int(socket, ZMQ_LINGER, LINGER_MS);
    set_int(socket, ZMQ_HEARTBEAT_IVL, HEARTBEAT_MS);
    set_int(socket, ZMQ_HEARTBEAT_TIMEOUT, HEARTBEAT_TIMEOUT_MS);
    set_int(socket, ZMQ_HANDSHAKE_IVL, HANDSHAKE_MS);
    set_int(socket, ZMQ_RECONNECT_IVL, RECONNECT_MS);
    set_int(socket, ZMQ_RECONNECT_IVL_MAX, RECONNECT_MAX_MS);
    set_int(socket, ZMQ_IPV6, 1);
}

void *ob_socket_new(struct ob_transport *transport, int type, bool server, const uint8_t *server_key) {
    void *socket = zmq_socket(transport->context, type);
    if (!socket)
        return NULL;
    set_common(socket);
    zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, transport->curve_secret, OB_CURVE_KEY_BYTES);
    if (server) {
        set_int(socket, ZMQ_CURVE_SERVER, 1);
        zmq_setsockopt(socket, ZMQ_ZAP_DOMAIN, OB_ZAP_DOMAIN, strlen(OB_ZAP_DOMAIN));
    } else {
        zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, transport->curve_public, OB_CURVE_KEY_BYTES);
        zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, server_key, OB_CURVE_KEY_BYTES);
    }
    return socket;
}

enum ob_err ob_endpoint_shift(const char *endpoint, unsigned add, char ret_endpoint[OB_ENDPOINT_MAX],
                              struct ob_error *error) {
    const char *colon = strrchr(endpoint, ':');
    char *end = NULL;
    if (strncmp(endpoint, "tcp://", 6) != 0 || !colon || colon < endpoint + 7)
        return ob_fail(error, OB_EUSAGE, "address %s does not look like tcp://host:port", endpoint);
    long port = strtol(colon + 1, &end, 10);
    if (end == colon + 1 || *end || port < 1 || port > 65534)
        return ob_fail(error, OB_EUSAGE,
                       "address %s: the port must be from 1 to 65534 (the next one is used too)", endpoint);
    int length = snprintf(ret_endpoint, OB_ENDPOINT_MAX, "%.*s:%ld", (int)(colon - endpoint), endpoint,
                          port + (long)add);
    if (length >= OB_ENDPOINT_MAX)
        return ob_fail(error, OB_EUSAGE, "address %s is too long", endpoint);
    return OB_OK;
}

static enum ob_err bind_one(void *socket, const char *endpoint, struct ob_error *error) {
    const struct timespec pause = {.tv_nsec = 20000000};
    for (int i = 0; i < BIND_TRIES; i++) {
        if (zmq_bind(socket, endpoint) == 0)
            return OB_OK;
        if (zmq_errno() != EADDRINUSE)
            break;
        nanosleep(&pause, NULL);
    }
    return ob_fail(error, zmq_errno() == EADDRINUSE ? OB_EBUSY : OB_EIO, "cannot listen on %s: %s", endpoint,
                   zmq_strerror(zmq_errno()));
}

enum ob_err ob_sockets_bind(struct ob_transport *transport, struct ob_error *error) {
    char endpoint[OB_ENDPOINT_MAX];
    transport->router = ob_socket_new(transport, ZMQ_ROUTER, true, NULL);
    transport->pub = ob_socket_new(transport, ZMQ_PUB, true, NULL);
    if (!transport->router || !transport->pub)
        return ob_fail(error, OB_EIO, "cannot open sockets: %s", zmq_strerror(zmq_errno()));
    set_int(transport->router, ZMQ_ROUTER_MANDATORY, 1);
    set_int(transport->router, ZMQ_ROUTER_HANDOVER, 1); /* a restarted peer takes its place again */
    if (!transport->listen[0])
        return OB_OK;
    enum ob_err failed = bind_one(transport->router, transport->listen, error);
    if (!failed)
        failed = ob_endpoint_shift(transport->listen, 1, endpoint, error);
    return failed ? failed : bind_one(transport->pub, endpoint, error);
}

void ob_sockets_unbind(struct ob_transport *transport) {
    if (transport->router)
        zmq_close(transport->router);
    if (transport->pub)
        zmq_close(transport->pub);
    transport->router = transport->pub = NULL;
}
