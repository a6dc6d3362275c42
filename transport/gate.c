/* gate - bounds what those who connect can take from us, before they have shown who they are.
 *
 * A monitor on each listening socket tells of every connection by its descriptor. For each address (an IPv4
 * address, a /64 of IPv6) we count what it holds open, what has not shaken hands yet, and how often it comes:
 * a bucket of CONNECT_BURST connections that fills with CONNECT_A_SECOND. What is too much is shut down at
 * once, which costs an accept and no cryptography. The sum over all addresses stays below connections_max,
 * which lies far below the number of descriptors that the process may have: the log can always be opened.
 *
 * ZeroMQ accepts before we judge, so that a crowd that comes at once may take every descriptor for a moment.
 * Therefore one is reserved: it is what we look through, and what the status socket answers with.
 *
 * A descriptor's number may have been used again when its event arrives. Therefore we look at a duplicate,
 * which stays what it is, and shut down only what comes from the address that we judge and to the port that
 * we watch. */
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "transport/state.h"

#define CONNECT_BURST    256
#define CONNECT_A_SECOND 32
#define HELLO_BURST      64
#define HELLO_A_SECOND   4
#define OPEN_MAX         256 /* connections of one address … */
#define SHAKING_MAX      64  /* … and of these without a handshake */
#define TOLD_A_SECOND    10

enum ob_err ob_gate_new(struct ob_transport *transport, size_t connections_max, struct ob_error *error) {
    transport->visitors = calloc(connections_max, sizeof *transport->visitors);
    if (!transport->visitors)
        return ob_fail(error, OB_ENOMEM, "not enough memory for the table of addresses");
    transport->connections_max = connections_max;
    ob_gate_reserve(transport);
    return OB_OK;
}

void ob_gate_free(struct ob_transport *transport) {
    free(transport->visitors);
    free(transport->guests);
}

bool ob_refuse(struct ob_transport *transport, struct ob_transport_event *event, const char *format, ...) {
    uint64_t now = ob_now_s();
    if (now != transport->refusals.second)
        transport->refusals = (struct ob_pace){.second = now};
    if (++transport->refusals.told > TOLD_A_SECOND)
        return false;
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(event->text, sizeof event->text, format, arguments);
    va_end(arguments);
    event->kind = OB_TRANSPORT_REFUSED;
    return true;
}

static void refill(struct ob_visitor *visitor, uint64_t now) {
    uint64_t past = now - visitor->refilled_s;
    if (past > CONNECT_BURST)
        past = CONNECT_BURST; /* both buckets are full by then */
    visitor->refilled_s = now;
    uint64_t connects = visitor->connect_tokens + past * CONNECT_A_SECOND;
    uint64_t hellos = visitor->hello_tokens + past * HELLO_A_SECOND;
    visitor->connect_tokens = connects < CONNECT_BURST ? (uint32_t)connects : CONNECT_BURST;
    visitor->hello_tokens = hellos < HELLO_BURST ? (uint32_t)hellos : HELLO_BURST;
}

/* The entry of an address. When the table is full, the one that was longest away makes way; NULL: all are
 * here. */
static struct ob_visitor *visitor_of(struct ob_transport *transport, const struct ob_address *address) {
    struct ob_visitor *oldest = NULL;
    uint64_t now = ob_now_s();
    for (size_t i = 0; i < transport->visitor_count; i++) {
        struct ob_visitor *visitor = &transport->visitors[i];
        if (memcmp(&visitor->address, address, sizeof *address) == 0) {
            visitor->seen_s = now;
            refill(visitor, now);
            return visitor;
        }
        if (visitor->open == 0 && (!oldest || visitor->seen_s < oldest->seen_s))
            oldest = visitor;
    }
    if (transport->visitor_count < transport->connections_max)
        oldest = &transport->visitors[transport->visitor_count++];
    if (oldest)
        *oldest = (struct ob_visitor){.address = *address,
                                      .connect_tokens = CONNECT_BURST,
                                      .hello_tokens = HELLO_BURST,
                                      .refilled_s = now,
                                      .seen_s = now};
    return oldest;
}

bool ob_gate_hello(struct ob_transport *transport, const char *text) {
    struct ob_address address;
    if (!text || !ob_address_from_text(text, &address))
        return false;
    struct ob_visitor *visitor = visitor_of(transport, &address);
    if (!visitor || visitor->hello_tokens == 0)
        return false;
    visitor->hello_tokens--;
    return true;
}

/* Ports of IPv4 and IPv6 lie at the same place of their structures. */
static uint16_t port_of(const struct sockaddr_storage *address) {
    struct sockaddr_in in;
    memcpy(&in, address, sizeof in);
    return in.sin_port;
}

void ob_gate_reserve(struct ob_transport *transport) {
    if (transport->reserve < 0 && transport->wake.fd >= 0)
        transport->reserve = fcntl(transport->wake.fd, F_DUPFD_CLOEXEC, 0); /* of whatever is there */
}

void ob_gate_unreserve(struct ob_transport *transport) {
    if (transport->reserve >= 0)
        close(transport->reserve);
    transport->reserve = -1;
}

void ob_gate_look_away(struct ob_transport *transport, int copy) {
    if (copy != transport->reserve || dup3(transport->wake.fd, copy, O_CLOEXEC) < 0)
        close(copy);
}

static int duplicate(const struct ob_transport *transport, int fd) {
    return transport->reserve >= 0 && fd != transport->reserve ? dup3(fd, transport->reserve, O_CLOEXEC)
                                                               : fcntl(fd, F_DUPFD_CLOEXEC, 0);
}

/* A duplicate of a connection's descriptor and where it comes from; -1 when it is not one to this server. */
static int look_at(struct ob_transport *transport, const struct ob_server *server, int fd,
                   struct ob_address *ret_address) {
    struct sockaddr_storage peer = {0}, here = {0}, listens = {0};
    socklen_t peer_bytes = sizeof peer, here_bytes = sizeof here, listens_bytes = sizeof listens;
    int copy = duplicate(transport, fd);
    if (copy < 0)
        return -1;
    if (getpeername(copy, (struct sockaddr *)&peer, &peer_bytes) == 0 &&
        getsockname(copy, (struct sockaddr *)&here, &here_bytes) == 0 &&
        getsockname(server->listen_fd, (struct sockaddr *)&listens, &listens_bytes) == 0 &&
        port_of(&here) == port_of(&listens) && ob_address_from_socket((struct sockaddr *)&peer, ret_address))
        return copy;
    ob_gate_look_away(transport, copy);
    return -1;
}

/* The port that a connection has here; 0: it is none. */
static uint16_t port_here(int fd) {
    struct sockaddr_storage here = {0};
    socklen_t bytes = sizeof here;
    bool internet = getsockname(fd, (struct sockaddr *)&here, &bytes) == 0 &&
                    (here.ss_family == AF_INET || here.ss_family == AF_INET6);
    return internet ? port_of(&here) : 0;
}

/* The same of a connection that we opened; its number may be another's by now. */
static int look_at_ours(struct ob_transport *transport, int fd, struct ob_address *ret_address) {
    struct sockaddr_storage peer = {0};
    socklen_t bytes = sizeof peer;
    int copy = duplicate(transport, fd);
    if (copy < 0)
        return -1;
    if (port_here(copy) == transport->guests[fd].port &&
        getpeername(copy, (struct sockaddr *)&peer, &bytes) == 0 &&
        ob_address_from_socket((struct sockaddr *)&peer, ret_address))
        return copy;
    ob_gate_look_away(transport, copy);
    transport->guests[fd] = (struct ob_guest){0};
    return -1;
}

int ob_gate_look(struct ob_transport *transport, int fd, struct ob_address *ret_address) {
    const struct ob_guest *guest = &transport->guests[fd];
    return guest->ours ? look_at_ours(transport, fd, ret_address)
                       : look_at(transport, &transport->servers[guest->server], fd, ret_address);
}

static struct ob_guest *guest_of(struct ob_transport *transport, int fd) {
    if (fd < 0)
        return NULL;
    if ((size_t)fd >= transport->guest_room) {
        size_t room = 2 * (size_t)fd + 64;
        struct ob_guest *guests = realloc(transport->guests, room * sizeof *guests);
        if (!guests)
            return NULL;
        memset(guests + transport->guest_room, 0, (room - transport->guest_room) * sizeof *guests);
        transport->guests = guests;
        transport->guest_room = room;
    }
    return &transport->guests[fd];
}

static void forget(struct ob_transport *transport, struct ob_guest *guest) {
    if (guest->ours) {
        *guest = (struct ob_guest){0};
        return;
    }
    struct ob_visitor *visitor = &transport->visitors[guest->visitor];
    visitor->open--;
    visitor->shaking -= !guest->shaken;
    transport->connections--;
    *guest = (struct ob_guest){0};
}

void ob_gate_opened(struct ob_transport *transport, int fd) {
    struct ob_guest *guest = guest_of(transport, fd);
    uint16_t port = port_here(fd);
    if (!guest || port == 0)
        return; /* it is gone already */
    if (guest->open)
        forget(transport, guest); /* its end has not been told yet */
    *guest =
        (struct ob_guest){.open = true, .shaken = true, .ours = true, .port = port, .since_s = ob_now_s()};
}

bool ob_gate_ended(struct ob_transport *transport, int fd) {
    struct ob_guest *guest = fd >= 0 && (size_t)fd < transport->guest_room ? &transport->guests[fd] : NULL;
    if (!guest || !guest->open || !guest->ours)
        return false;
    bool floods = guest->floods;
    forget(transport, guest);
    return floods;
}

static const char *too_much(const struct ob_transport *transport, const struct ob_visitor *visitor) {
    if (!visitor || transport->connections >= transport->connections_max)
        return "too many connections in total";
    if (visitor->open >= OPEN_MAX)
        return "too many connections from this address";
    if (visitor->shaking >= SHAKING_MAX)
        return "too many silent connections from this address";
    return visitor->connect_tokens == 0 ? "connects too often" : NULL;
}

static enum ob_taken accepted(struct ob_transport *transport, struct ob_server *server, int fd,
                              struct ob_transport_event *event) {
    struct ob_address address;
    struct ob_guest *guest = guest_of(transport, fd);
    int copy = look_at(transport, server, fd, &address);
    if (copy < 0)
        return OB_TAKEN_MORE; /* it is gone already */
    if (guest && guest->open)
        forget(transport, guest); /* its end has not been told yet */
    struct ob_visitor *visitor = visitor_of(transport, &address);
    const char *why = guest ? too_much(transport, visitor) : "no memory";
    bool told = false;
    if (why) {
        char text[INET6_ADDRSTRLEN + 4];
        (void)shutdown(copy, SHUT_RDWR);
        ob_address_to_text(&address, text);
        transport->counters.refused_connections++;
        told = ob_refuse(transport, event, "%s: %s", text, why);
    } else {
        visitor->connect_tokens--;
        visitor->open++;
        visitor->shaking++;
        transport->connections++;
        *guest = (struct ob_guest){.open = true,
                                   .server = (uint8_t)(server - transport->servers),
                                   .visitor = (uint32_t)(visitor - transport->visitors),
                                   .since_s = ob_now_s()};
    }
    ob_gate_look_away(transport, copy);
    return told ? OB_TAKEN_EVENT : OB_TAKEN_MORE;
}

enum ob_taken ob_gate_take(struct ob_transport *transport, struct ob_server *server,
                           struct ob_transport_event *event) {
    uint16_t kind;
    int value;
    if (!ob_monitor_receive(server->gate.socket, &kind, &value))
        return OB_TAKEN_NOTHING;
    if (kind == ZMQ_EVENT_ACCEPTED)
        return accepted(transport, server, value, event);
    if (kind == ZMQ_EVENT_ACCEPT_FAILED)
        return ob_refuse(transport, event, "port + %u: cannot accept a connection: %s", server->port_offset,
                         zmq_strerror(value))
                   ? OB_TAKEN_EVENT
                   : OB_TAKEN_MORE;
    struct ob_guest *guest = (size_t)value < transport->guest_room ? &transport->guests[value] : NULL;
    if (!guest || !guest->open || guest->ours || &transport->servers[guest->server] != server)
        return OB_TAKEN_MORE;
    if (kind == ZMQ_EVENT_DISCONNECTED)
        forget(transport, guest);
    return OB_TAKEN_MORE;
}

/* ZeroMQ ends a connection that has not shaken hands in time: what is older has. */
void ob_gate_tend(struct ob_transport *transport) {
    uint64_t now = ob_now_s(), shaken_s = 2 + (uint64_t)transport->handshake_ms / 1000;
    for (size_t fd = 0; fd < transport->guest_room; fd++) {
        struct ob_guest *guest = &transport->guests[fd];
        if (!guest->open || guest->shaken || now - guest->since_s < shaken_s)
            continue;
        guest->shaken = true;
        transport->visitors[guest->visitor].shaking--;
    }
    ob_gate_reserve(transport);
}

enum ob_err ob_gate_open(struct ob_transport *transport, struct ob_server *server, struct ob_error *error) {
    char name[OB_MONITOR_NAME_MAX];
    ob_monitor_name(transport, name);
    if (zmq_socket_monitor(server->socket, name,
                           ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_ACCEPT_FAILED | ZMQ_EVENT_DISCONNECTED) != 0)
        return ob_fail(error, OB_EIO, "cannot watch a socket: %s", zmq_strerror(zmq_errno()));
    return ob_source_open(transport, &server->gate, OB_SOURCE_GATE, server,
                          ob_monitor_reader(transport, name), error);
}

void ob_gate_close(struct ob_transport *transport, struct ob_server *server) {
    if (!server->gate.socket)
        return;
    zmq_socket_monitor(server->socket, NULL, 0);
    ob_source_close(transport, &server->gate);
    for (size_t fd = 0; fd < transport->guest_room; fd++)
        if (transport->guests[fd].open && &transport->servers[transport->guests[fd].server] == server)
            forget(transport, &transport->guests[fd]);
}
