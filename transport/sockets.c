/* sockets - ZeroMQ sockets with the options that all between machines have.
 *
 * Dead connections are found by TCP (keep-alive, unacknowledged data) and by silence (links.c), never by ZMTP's
 * heartbeats: libzmq 4.3.4 writes them from a timer that does not look whether the connection was reset while
 * its queue was full, and aborts the process then (tests/hostile/test_unread.c). */
#include <assert.h>

#include "transport/state.h"

#define CURVE_OVERHEAD    64 /* libzmq counts a MESSAGE command whole: 33 bytes more than the frame */
#define KEEPALIVE_IDLE_S  10 /* a connection without traffic is asked by TCP, … */
#define KEEPALIVE_EVERY_S 5
#define KEEPALIVE_COUNT   3
#define UNSENT_MS         20000 /* … and one that acknowledges nothing for so long is dead */
#define RECONNECT_MS      100
#define RECONNECT_MAX_MS  2000

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
    ob_socket_set(socket, ZMQ_TCP_KEEPALIVE, 1);
    ob_socket_set(socket, ZMQ_TCP_KEEPALIVE_IDLE, KEEPALIVE_IDLE_S);
    ob_socket_set(socket, ZMQ_TCP_KEEPALIVE_INTVL, KEEPALIVE_EVERY_S);
    ob_socket_set(socket, ZMQ_TCP_KEEPALIVE_CNT, KEEPALIVE_COUNT);
    ob_socket_set(socket, ZMQ_TCP_MAXRT, UNSENT_MS);
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
    ob_socket_set(socket, ZMQ_CONNECT_TIMEOUT, OB_CONNECT_MS);
    zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, transport->curve_public, OB_CURVE_KEY_BYTES);
    zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, server_key, OB_CURVE_KEY_BYTES);
    return socket;
}
