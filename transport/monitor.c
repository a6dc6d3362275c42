/* monitor - what ZeroMQ tells about the connections of one of its sockets. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "transport/state.h"

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
