/* beacon - finds peers on a local network, in the manner of ZRE (RFC 36): small UDP datagrams to the
 * broadcast address of each interface. What they say is a hint and never trusted: the daemon connects or
 * knocks there, and CURVE finds out whether the machine is the one that the beacon named.
 *
 *   OFFSET SIZE FIELD
 *   0       8   "onebyte1"
 *   8      16   tag: the run's, so that other runs are passed over; tells nothing about it
 *   24     32   machine
 *   56      2   port (little-endian) of its ROUTER; the address is where the datagram comes from
 *
 * Plain sockets instead of CZMQ's zbeacon: see docs/decisions/0003-admission.md. */
#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/cursor.h"
#include "transport/state.h"

#define MAGIC         "onebyte1"
#define MAGIC_BYTES   8
#define BEACON_BYTES  (MAGIC_BYTES + OB_BEACON_TAG_BYTES + OB_KEY_BYTES + 2)
#define FIRST_COUNT   5 /* every second at first … */
#define EVERY_S       5 /* … then less often */
#define TOLD_A_SECOND 32

struct ob_beacon {
    uint8_t tag[OB_BEACON_TAG_BYTES];
    struct ob_machine_id machine;
    uint16_t port, own_port; /* of the datagrams; of our ROUTER, 0: nobody can connect to us */
    unsigned sent;
    uint64_t next_s;
    struct ob_pace pace;
};

enum ob_err ob_transport_announce(struct ob_transport *transport, const struct ob_machine_id *machine,
                                  const uint8_t tag[static OB_BEACON_TAG_BYTES], uint16_t port,
                                  struct ob_error *error) {
    char host[OB_ENDPOINT_MAX];
    struct ob_beacon *beacon = calloc(1, sizeof *beacon);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), one = 1;
    const struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    if (!beacon || fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &one, sizeof one) != 0 ||
        bind(fd, (const struct sockaddr *)&address, sizeof address) != 0) {
        int why = errno;
        free(beacon);
        if (fd >= 0)
            close(fd);
        return ob_fail(error, OB_EIO, "cannot use UDP port %u for the beacon: %s", port, strerror(why));
    }
    memcpy(beacon->tag, tag, OB_BEACON_TAG_BYTES);
    beacon->machine = *machine;
    beacon->port = port;
    if (transport->listen[0] && ob_endpoint_parse(transport->listen, host, &beacon->own_port, NULL))
        beacon->own_port = 0;
    ob_beacon_free(transport);
    transport->announcing = beacon;
    transport->beacon = (struct ob_source){.kind = OB_SOURCE_BEACON, .fd = fd};
    enum ob_err failed = ob_poll_add(transport, &transport->beacon, error);
    if (failed)
        ob_beacon_free(transport);
    return failed;
}

void ob_beacon_free(struct ob_transport *transport) {
    int fd = transport->beacon.fd;
    if (!transport->announcing)
        return;
    ob_poll_remove(transport, &transport->beacon);
    close(fd);
    free(transport->announcing);
    transport->announcing = NULL;
}

static void send_to(const struct ob_transport *transport, const uint8_t *datagram, uint32_t address) {
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(transport->announcing->port), .sin_addr.s_addr = address};
    if (sendto(transport->beacon.fd, datagram, BEACON_BYTES, MSG_DONTWAIT, (const struct sockaddr *)&to,
               sizeof to) < 0)
        return; /* an interface that is down: it is tried again */
}

static uint32_t address_of(const struct sockaddr *address) {
    return ((const struct sockaddr_in *)(const void *)address)->sin_addr.s_addr;
}

/* The broadcast address follows from the netmask: an interface need not have been told of it. */
static void broadcast(const struct ob_transport *transport) {
    uint8_t datagram[BEACON_BYTES];
    const struct ob_beacon *beacon = transport->announcing;
    struct ifaddrs *interfaces = NULL;
    struct ob_writer writer = ob_writer_init(datagram, sizeof datagram);
    ob_write_bytes(&writer, MAGIC, MAGIC_BYTES);
    ob_write_bytes(&writer, beacon->tag, sizeof beacon->tag);
    ob_write_bytes(&writer, beacon->machine.key, OB_KEY_BYTES);
    ob_write_u16(&writer, beacon->own_port);
    send_to(transport, datagram, htonl(0x7fffffff)); /* other daemons on this host */
    if (getifaddrs(&interfaces) != 0)
        return;
    for (const struct ifaddrs *at = interfaces; at; at = at->ifa_next)
        if (at->ifa_addr && at->ifa_addr->sa_family == AF_INET && (at->ifa_flags & IFF_UP) &&
            (at->ifa_flags & IFF_BROADCAST) && at->ifa_netmask)
            send_to(transport, datagram, address_of(at->ifa_addr) | ~address_of(at->ifa_netmask));
    freeifaddrs(interfaces);
}

void ob_beacon_tend(struct ob_transport *transport) {
    struct ob_beacon *beacon = transport->announcing;
    uint64_t now = ob_now_s();
    if (!beacon || beacon->own_port == 0 || now < beacon->next_s)
        return;
    beacon->next_s = now + (++beacon->sent < FIRST_COUNT ? 1 : EVERY_S);
    broadcast(transport);
}

enum ob_taken ob_beacon_take(struct ob_transport *transport, struct ob_transport_event *event) {
    uint8_t datagram[BEACON_BYTES + 1];
    struct sockaddr_in from = {0};
    socklen_t from_bytes = sizeof from;
    struct ob_beacon *beacon = transport->announcing;
    ssize_t bytes = recvfrom(transport->beacon.fd, datagram, sizeof datagram, MSG_DONTWAIT,
                             (struct sockaddr *)&from, &from_bytes);
    if (bytes < 0)
        return OB_TAKEN_NOTHING;
    struct ob_reader reader = ob_reader_init(datagram, (size_t)bytes);
    const uint8_t *magic = ob_read_view(&reader, MAGIC_BYTES);
    const uint8_t *tag = ob_read_view(&reader, OB_BEACON_TAG_BYTES);
    struct ob_machine_id machine = {{0}};
    ob_read_bytes(&reader, machine.key, OB_KEY_BYTES);
    uint16_t port = ob_read_u16(&reader);
    char host[INET_ADDRSTRLEN];
    if (reader.failed || reader.left > 0 || memcmp(magic, MAGIC, MAGIC_BYTES) != 0 ||
        memcmp(tag, beacon->tag, OB_BEACON_TAG_BYTES) != 0 || ob_machine_equal(&machine, &beacon->machine) ||
        port == 0 || !inet_ntop(AF_INET, &from.sin_addr, host, sizeof host))
        return OB_TAKEN_MORE;
    uint64_t now = ob_now_s();
    if (now != beacon->pace.second)
        beacon->pace = (struct ob_pace){.second = now};
    if (++beacon->pace.told > TOLD_A_SECOND)
        return OB_TAKEN_MORE;
    event->kind = OB_TRANSPORT_BEACON;
    event->machine = machine;
    (void)snprintf(event->text, sizeof event->text, "tcp://%s:%u", host, port);
    return OB_TAKEN_EVENT;
}
