/* sockets - ZeroMQ sockets with the options that all between machines have. */
#include <assert.h>

#include "transport/state.h"

#define CURVE_OVERHEAD       64 /* libzmq counts a MESSAGE command whole: 33 bytes more than the frame */
#define HEARTBEAT_MS         3000
#define HEARTBEAT_TIMEOUT_MS 10000
#define RECONNECT_MS         100
#define RECONNECT_MAX_MS     2000

void ob_socket_set(void *socket, int option, int value) {
    int failed = zmq_setsockopt(socket, option, &value, sizeof value);
    assert(failed == 0);
    (void)failed;
}

void ob_socket_common(const struct ob_transport *transport, void *socket, int64_t largest) {
    largest += CURVE_OVERHEAD;
    int failed = zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &largest, sizeof largest);
    assert(failed == 0);
    (void)failed;
    ob_socket_set(socket, ZMQ_SNDHWM, OB_SEND_QUEUE_MAX);
    ob_socket_set(socket, ZMQ_RCVHWM, OB_RECEIVE_QUEUE_MAX);
    ob_socket_set(socket, ZMQ_LINGER, transport->linger_ms);
    ob_socket_set(socket, ZMQ_HEARTBEAT_IVL, HEARTBEAT_MS);
    ob_socket_set(socket, ZMQ_HEARTBEAT_TIMEOUT, HEARTBEAT_TIMEOUT_MS);
    ob_socket_set(socket, ZMQ_HANDSHAKE_IVL, transport->handshake_ms);
    ob_socket_set(socket, ZMQ_RECONNECT_IVL, RECONNECT_MS);
    ob_socket_set(socket, ZMQ_RECONNECT_IVL_MAX, RECONNECT_MAX_MS);
    ob_socket_set(socket, ZMQ_IPV6, 1);
    zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, transport->curve_secret, OB_CURVE_KEY_BYTES);
}

void *ob_socket_new(struct ob_transport *transport, int type, const uint8_t *server_key) {
    void *socket = zmq_socket(transport->context, type);
    if (!socket)
        return NULL;
    ob_socket_common(transport, socket, OB_MESSAGE_MAX);
    zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, transport->curve_public, OB_CURVE_KEY_BYTES);
    zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, server_key, OB_CURVE_KEY_BYTES);
    return socket;
}
