/* servers - the three sockets that others connect to. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "transport/state.h"

#define BACKLOG          256
#define DOOR_QUEUE_MAX   32
#define SUBSCRIPTION_MAX 512 /* of what a subscriber says: its handshake, and "everything" */

static void *server_socket(struct ob_transport *transport, const struct ob_server *server) {
    static const int64_t LARGEST[OB_SERVER_COUNT] = {[OB_SERVER_ROUTER] = OB_MESSAGE_MAX,
                                                     [OB_SERVER_PUB] = SUBSCRIPTION_MAX,
                                                     [OB_SERVER_DOOR] = OB_DOOR_MESSAGE_MAX};
    bool door = server == &transport->servers[OB_SERVER_DOOR];
    const char *domain = door ? OB_ZAP_DOMAIN_DOOR : OB_ZAP_DOMAIN;
    void *socket = zmq_socket(transport->context, server->type);
    if (!socket)
        return NULL;
    ob_socket_common(transport, socket, LARGEST[server->port_offset]);
    ob_socket_set(socket, ZMQ_CURVE_SERVER, 1);
    zmq_setsockopt(socket, ZMQ_ZAP_DOMAIN, domain, strlen(domain));
    if (door) {
        ob_socket_set(socket, ZMQ_SNDHWM, DOOR_QUEUE_MAX);
        ob_socket_set(socket, ZMQ_RCVHWM, DOOR_QUEUE_MAX);
    }
    if (server->type == ZMQ_PUB)
        ob_socket_set(socket, ZMQ_SNDHWM, OB_PUBLISH_QUEUE_MAX);
    if (server->type == ZMQ_ROUTER)
        ob_socket_set(socket, ZMQ_ROUTER_MANDATORY, 1);
    /* No ZMQ_ROUTER_HANDOVER: nobody takes another's place. Our own machines let the ROUTER name their connections. */
    return socket;
}

static enum ob_err listen_on(const struct ob_transport *transport, struct ob_server *server,
                             struct ob_error *error) {
    struct sockaddr_storage address;
    socklen_t bytes = 0;
    enum ob_err failed =
        ob_endpoint_bind_address(transport->listen, server->port_offset, &address, &bytes, error);
    if (failed)
        return failed;
    int fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), one = 1, zero = 0;
    if (fd >= 0) {
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
        if (address.ss_family == AF_INET6)
            (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof zero);
    }
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, bytes) != 0 || listen(fd, BACKLOG) != 0) {
        int why = errno;
        char endpoint[OB_ENDPOINT_MAX];
        if (fd >= 0)
            close(fd);
        failed = ob_endpoint_shift(transport->listen, server->port_offset, endpoint, error);
        return failed ? failed
                      : ob_fail(error, why == EADDRINUSE ? OB_EBUSY : OB_EIO, "cannot listen on %s: %s%s",
                                endpoint, strerror(why),
                                why == EADDRINUSE ? "; choose another port with `listen` in [network] (the "
                                                    "two ports after it are used too)"
                                                  : "");
    }
    server->listen_fd = fd;
    return OB_OK;
}

/* ZeroMQ gets a copy of the listening descriptor: what arrives between two sockets waits in its backlog. */
static enum ob_err bind_server(struct ob_transport *transport, struct ob_server *server,
                               struct ob_error *error) {
    char endpoint[OB_ENDPOINT_MAX];
    if (server->listen_fd < 0)
        return OB_OK;
    enum ob_err failed = ob_endpoint_shift(transport->listen, server->port_offset, endpoint, error);
    if (!failed)
        failed = ob_gate_open(transport, server, error);
    if (failed)
        return failed;
    int fd = fcntl(server->listen_fd, F_DUPFD_CLOEXEC, 0);
    if (fd < 0)
        return ob_fail(error, OB_EIO, "cannot listen on %s: %s", endpoint, strerror(errno));
    ob_socket_set(server->socket, ZMQ_USE_FD, fd);
    if (zmq_bind(server->socket, endpoint) == 0)
        return OB_OK;
    close(fd);
    return ob_fail(error, OB_EIO, "cannot listen on %s: %s", endpoint, zmq_strerror(zmq_errno()));
}

static enum ob_err open_server(struct ob_transport *transport, struct ob_server *server,
                               struct ob_error *error) {
    server->socket = server_socket(transport, server);
    if (!server->socket)
        return ob_fail(error, OB_EIO, "cannot open sockets: %s", zmq_strerror(zmq_errno()));
    if (server->type == ZMQ_ROUTER) {
        bool door = server == &transport->servers[OB_SERVER_DOOR];
        enum ob_err failed =
            ob_source_open(transport, &server->source, door ? OB_SOURCE_DOOR : OB_SOURCE_ROUTER, server,
                           server->socket, error);
        if (failed) {
            server->socket = NULL;
            return failed;
        }
    }
    return bind_server(transport, server, error);
}

static void close_server(struct ob_transport *transport, struct ob_server *server) {
    if (!server->socket)
        return;
    ob_gate_close(transport, server);
    if (server->source.socket)
        ob_source_close(transport, &server->source);
    else
        zmq_close(server->socket);
    server->socket = NULL;
}

enum ob_err ob_servers_listen(struct ob_transport *transport, struct ob_error *error) {
    static const int TYPES[OB_SERVER_COUNT] = {
        [OB_SERVER_ROUTER] = ZMQ_ROUTER, [OB_SERVER_PUB] = ZMQ_PUB, [OB_SERVER_DOOR] = ZMQ_ROUTER};
    enum ob_err failed = OB_OK;
    for (unsigned i = 0; i < OB_SERVER_COUNT; i++)
        transport->servers[i] = (struct ob_server){
            .type = TYPES[i], .port_offset = i, .listen_fd = -1, .source.fd = -1, .gate.fd = -1};
    for (unsigned i = 0; i < OB_SERVER_COUNT && !failed && transport->listen[0]; i++)
        failed = listen_on(transport, &transport->servers[i], error);
    for (unsigned i = 0; i < OB_SERVER_COUNT && !failed; i++)
        failed = open_server(transport, &transport->servers[i], error);
    return failed;
}

void ob_servers_close(struct ob_transport *transport) {
    for (unsigned i = 0; i < OB_SERVER_COUNT; i++) {
        struct ob_server *server = &transport->servers[i];
        close_server(transport, server);
        if (server->listen_fd >= 0 && transport->context)
            close(server->listen_fd);
        server->listen_fd = -1;
    }
}

enum ob_err ob_servers_rebind(struct ob_transport *transport, struct ob_error *error) {
    static const unsigned DATA[] = {OB_SERVER_ROUTER, OB_SERVER_PUB};
    for (size_t i = 0; i < 2; i++)
        close_server(transport, &transport->servers[DATA[i]]);
    for (size_t i = 0; i < transport->link_count; i++)
        if (transport->links[i]->routing_id_bytes > 0) { /* it connects again */
            transport->links[i]->routing_id_bytes = 0;
            ob_link_changed(transport, transport->links[i]);
        }
    enum ob_err failed = OB_OK;
    for (size_t i = 0; i < 2 && !failed; i++)
        failed = open_server(transport, &transport->servers[DATA[i]], error);
    return failed;
}
