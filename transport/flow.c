/* flow - what connections may send and must take, once they are there; of those that we opened, what they send. The kernel counts
 * (TCP_INFO).
 *
 * Who reads too slowly: bytes lie in the socket for slow_ms, and fewer than SLOW_A_SECOND of them a second are taken. It is
 * closed, and what waited for it is freed. ZeroMQ alone would keep thousands of messages for it.
 *
 * Who sends what makes no sense: ZeroMQ bounds its queues in whole messages, but neither the parts of a message nor what a
 * publisher keeps of its subscribers' wishes. So a connection whose bytes do not become messages is closed
 * (UNDELIVERED_MAX), a subscriber that sends more than a subscription, and a guest at the door that sends more than hellos or
 * stays.
 *
 * A few connections are looked at in each turn, all of them within two seconds. */
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/tcp.h>

#include "base/clock.h"
#include "transport/state.h"

#define EVERY_NS         50000000
#define LOOKS            128
#define SLOW_A_SECOND    1024
#define DOOR_STAY_S      15 /* a door is for a hello and its answer */
#define DOOR_BYTES       65536
#define SUBSCRIBER_BYTES 16384 /* a handshake and a subscription … */
#define SUBSCRIBER_A_S   256   /* … and what else a library sends to keep a connection */
#define UNDELIVERED_MAX                                                                                      \
    (16u << 20) /* a full queue, the kernel's buffer, and a message that is not whole yet */
#define FRAMING_BYTES 64

void ob_flow_delivered(struct ob_transport *transport) {
    int fd = zmq_msg_get(&transport->frame, ZMQ_SRCFD);
    struct ob_guest *guest = fd >= 0 && (size_t)fd < transport->guest_room ? &transport->guests[fd] : NULL;
    if (!guest || !guest->open)
        return;
    guest->delivered += zmq_msg_size(&transport->frame) + FRAMING_BYTES;
    if (!guest->shaken)
        transport->visitors[guest->visitor].shaking--;
    guest->shaken = true;
}

static bool reads_too_slowly(const struct ob_transport *transport, struct ob_guest *guest,
                             const struct tcp_info *info) {
    uint64_t now = ob_now_ns(), acknowledged = info->tcpi_bytes_acked;
    if (info->tcpi_notsent_bytes == 0) {
        guest->stuck_ns = 0;
        return false;
    }
    uint64_t past_ns = guest->stuck_ns ? now - guest->stuck_ns : 0;
    if (past_ns > 0 && past_ns < (uint64_t)transport->slow_ms * 1000000)
        return false;
    double least = 1e-9 * (double)past_ns * SLOW_A_SECOND;
    bool slow = past_ns > 0 && (double)(acknowledged - guest->acknowledged_at) < least;
    guest->stuck_ns = now;
    guest->acknowledged_at = acknowledged;
    return slow;
}

static const char *complaint(const struct ob_transport *transport, struct ob_guest *guest,
                             const struct tcp_info *info) {
    uint64_t age_s = ob_now_s() - guest->since_s, got = info->tcpi_bytes_received;
    bool endless = got > guest->delivered + UNDELIVERED_MAX;
    if (guest->ours)
        return endless ? "sends a message without an end; closed" : NULL;
    if (reads_too_slowly(transport, guest, info))
        return "does not read what it is sent; closed";
    if (guest->server == OB_SERVER_DOOR && got > DOOR_BYTES)
        return "sends too much to the door; closed";
    if (guest->server == OB_SERVER_PUB && got > SUBSCRIBER_BYTES + SUBSCRIBER_A_S * age_s)
        return "sends more than a subscription; closed";
    if (guest->server == OB_SERVER_ROUTER && endless)
        return "sends a message without an end; closed";
    return NULL;
}

static enum ob_taken look(struct ob_transport *transport, struct ob_guest *guest, int fd,
                          struct ob_transport_event *event) {
    struct ob_address address;
    struct tcp_info info = {0};
    socklen_t bytes = sizeof info;
    int copy = ob_gate_look(transport, fd, &address);
    if (copy < 0)
        return OB_TAKEN_NOTHING;
    const char *why = getsockopt(copy, IPPROTO_TCP, TCP_INFO, &info, &bytes) == 0
                          ? complaint(transport, guest, &info)
                          : NULL;
    bool over = !guest->ours && guest->server == OB_SERVER_DOOR && ob_now_s() - guest->since_s > DOOR_STAY_S,
         told = false;
    if (why) /* what it did not take goes at once, and it is told */
        (void)setsockopt(copy, SOL_SOCKET, SO_LINGER, &(struct linger){.l_onoff = 1}, sizeof(struct linger));
    if (why || over)
        (void)shutdown(copy, SHUT_RDWR);
    if (why) {
        char text[INET6_ADDRSTRLEN + 4];
        ob_address_to_text(&address, text);
        transport->counters.closed_connections++;
        guest->floods = guest->ours;
        told = guest->ours ? ob_refuse(transport, event, "%s: %s", text, why)
                           : ob_refuse(transport, event, "%s: port + %u: %s", text, guest->server, why);
    }
    ob_gate_look_away(transport, copy);
    return told ? OB_TAKEN_EVENT : OB_TAKEN_NOTHING;
}

enum ob_taken ob_flow_tend(struct ob_transport *transport, struct ob_transport_event *event) {
    uint64_t now = ob_now_ns();
    if (now - transport->flow_ns < EVERY_NS)
        return OB_TAKEN_NOTHING;
    size_t looks = 0;
    for (; transport->flow_at < transport->guest_room && looks < LOOKS; transport->flow_at++) {
        struct ob_guest *guest = &transport->guests[transport->flow_at];
        if (!guest->open)
            continue;
        looks++;
        if (look(transport, guest, (int)transport->flow_at, event) == OB_TAKEN_EVENT) {
            transport->flow_at++;
            return OB_TAKEN_EVENT;
        }
    }
    if (transport->flow_at >= transport->guest_room)
        transport->flow_at = 0;
    transport->flow_ns = now;
    return OB_TAKEN_NOTHING;
}
