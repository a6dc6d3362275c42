/* links - our connections to other machines, and which machines may connect. */
#include <assert.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "transport/state.h"

#define NAMES_FRESH_S  60 /* an answer that serves to connect … */
#define NAMES_OLD_S    5  /* … and to connect again, when what it led to is gone */
#define DIALS_A_SECOND 32
#define REST_MAX_S     60
#define FLOODS_MAX     16
#define FLOOD_FAILURES 2 /* the first rest after a message without an end is of 8 seconds */

bool ob_link_up(const struct ob_link *link) {
    return link->dealer_up || link->routing_id_bytes > 0;
}

void ob_link_changed(struct ob_transport *transport, struct ob_link *link) {
    if (ob_link_up(link) != link->reported_up)
        ob_poll_mark(transport, &link->change);
}

static void close_link(struct ob_transport *transport, struct ob_link *link) {
    if (link->dealer.socket) {
        zmq_socket_monitor(link->dealer.socket, NULL, 0);
        transport->connected--;
    }
    ob_source_close(transport, &link->monitor);
    if (link->sub.socket)
        zmq_socket_monitor(link->sub.socket, NULL, 0);
    ob_source_close(transport, &link->watch);
    ob_source_close(transport, &link->dealer);
    ob_source_close(transport, &link->sub);
    link->dealer_up = false;
}

/* Frees it when it is neither admitted nor connected to. */
static void drop_unused(struct ob_transport *transport, struct ob_link *link) {
    if (link->admitted || link->endpoint[0])
        return;
    close_link(transport, link);
    ob_poll_remove(transport, &link->change);
    ob_link_remove(transport, link);
}

static enum ob_err open_monitor(struct ob_transport *transport, struct ob_link *link,
                                struct ob_error *error) {
    char name[OB_MONITOR_NAME_MAX];
    ob_monitor_name(transport, name);
    if (zmq_socket_monitor(link->dealer.socket, name,
                           ZMQ_EVENT_CONNECT_DELAYED | ZMQ_EVENT_CONNECTED | ZMQ_EVENT_CLOSED |
                               ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL |
                               ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH |
                               ZMQ_EVENT_DISCONNECTED) != 0)
        return ob_fail(error, OB_EIO, "cannot watch a socket: %s", zmq_strerror(zmq_errno()));
    return ob_source_open(transport, &link->monitor, OB_SOURCE_MONITOR, link,
                          ob_monitor_reader(transport, name), error);
}

/* What a publisher sends has to be looked at by its descriptor. */
static enum ob_err open_watch(struct ob_transport *transport, struct ob_link *link, struct ob_error *error) {
    char name[OB_MONITOR_NAME_MAX];
    ob_monitor_name(transport, name);
    if (zmq_socket_monitor(link->sub.socket, name, ZMQ_EVENT_CONNECTED | ZMQ_EVENT_DISCONNECTED) != 0)
        return ob_fail(error, OB_EIO, "cannot watch a socket: %s", zmq_strerror(zmq_errno()));
    return ob_source_open(transport, &link->watch, OB_SOURCE_WATCH, link, ob_monitor_reader(transport, name),
                          error);
}

static enum ob_err open_subscriber(struct ob_transport *transport, struct ob_link *link,
                                   struct ob_error *error) {
    char published[OB_ENDPOINT_MAX];
    enum ob_err failed = ob_endpoint_shift(link->number, OB_SERVER_PUB, published, error);
    if (!failed)
        failed = ob_source_open(transport, &link->sub, OB_SOURCE_SUB, link,
                                ob_socket_new(transport, ZMQ_SUB, link->curve_key), error);
    if (!failed)
        failed = open_watch(transport, link, error);
    if (failed)
        return failed;
    zmq_setsockopt(link->sub.socket, ZMQ_SUBSCRIBE, "", 0);
    return zmq_connect(link->sub.socket, published) == 0
               ? OB_OK
               : ob_fail(error, OB_EUSAGE, "cannot connect to %s: %s", link->endpoint,
                         zmq_strerror(zmq_errno()));
}

/* An address that nobody has proven gets one connection, once. */
static enum ob_err open_link(struct ob_transport *transport, struct ob_link *link, struct ob_error *error) {
    assert(!link->dealer.socket);
    link->opened_s = link->published_s = ob_now_s();
    link->dialled_ns = ob_now_ns();
    link->next_address = false;
    link->over = false;
    link->eager = link->proven;
    enum ob_err failed = ob_source_open(transport, &link->dealer, OB_SOURCE_DEALER, link,
                                        ob_socket_new(transport, ZMQ_DEALER, link->curve_key), error);
    if (failed)
        return failed;
    transport->connected++;
    if (!link->eager)
        ob_socket_set(link->dealer.socket, ZMQ_RECONNECT_IVL, -1);
    failed = open_monitor(transport, link, error);
    if (!failed && link->eager)
        failed = open_subscriber(transport, link, error);
    if (failed)
        return failed;
    if (zmq_connect(link->dealer.socket, link->number) != 0)
        return ob_fail(error, OB_EUSAGE, "cannot connect to %s: %s", link->endpoint,
                       zmq_strerror(zmq_errno()));
    return OB_OK;
}

void ob_link_trouble(struct ob_link *link, enum ob_trouble trouble, const char *format, ...) {
    va_list arguments;
    link->trouble = trouble;
    va_start(arguments, format);
    (void)vsnprintf(link->why, sizeof link->why, format, arguments);
    va_end(arguments);
}

bool ob_dial_allowed(struct ob_transport *transport) {
    uint64_t now = ob_now_s();
    if (now != transport->dials_s) {
        transport->dials_s = now;
        transport->dials_left = DIALS_A_SECOND;
    }
    if (transport->dials_left == 0)
        return false;
    transport->dials_left--;
    return true;
}

/* Twice as long after each failure, and a little more or less, so that machines that failed together come apart. */
static void rest(struct ob_transport *transport, struct ob_link *link) {
    uint64_t most = link->rest_max_s > 0 ? link->rest_max_s : REST_MAX_S;
    uint64_t seconds = link->failures < 20 ? (uint64_t)1 << link->failures : most;
    seconds = seconds < most ? seconds : most;
    close_link(transport, link);
    link->proven = link->over = link->next_address = false;
    link->failures++;
    link->turn++;
    link->redial_s = ob_now_s() + seconds + randombytes_uniform((uint32_t)(seconds / 4 + 1));
}

/* Connects to the address that was looked up, unless we do already and it serves. */
static enum ob_err dial(struct ob_transport *transport, struct ob_link *link, uint64_t max_age_s,
                        struct ob_error *error) {
    bool other_only = link->next_address; /* else ZeroMQ goes on by itself */
    if (!link->dealer.socket && ob_now_s() < link->redial_s)
        return OB_OK; /* it rests */
    char number[OB_ENDPOINT_MAX], why[OB_TROUBLE_TEXT_MAX];
    enum ob_lookup found = ob_names_look(transport, link->endpoint, max_age_s, link->turn, number, why);
    link->looking_up = found == OB_LOOKUP_WAIT;
    if (found == OB_LOOKUP_FAILED) {
        ob_link_trouble(link, OB_TROUBLE_NAME, "%s", why);
        if (!link->dealer.socket)
            rest(transport, link);
    }
    if (found != OB_LOOKUP_FOUND)
        return OB_OK; /* a connection that there was goes on being tried */
    if (other_only && link->dealer.socket && strcmp(number, link->number) == 0)
        return OB_OK;
    if (!link->dealer.socket && transport->connected >= transport->links_max)
        return ob_fail(error, OB_ESTATE,
                       "cannot connect to another machine: the limit of %zu connections is reached",
                       transport->connected);
    if (!ob_dial_allowed(transport)) {
        link->redial_s = ob_now_s() + 1;
        return OB_OK;
    }
    close_link(transport, link);
    memcpy(link->number, number, sizeof number);
    if (link->trouble == OB_TROUBLE_NONE || link->trouble == OB_TROUBLE_NAME)
        ob_link_trouble(link, OB_TROUBLE_CONNECTING, "%s: connecting", link->endpoint);
    enum ob_err failed = open_link(transport, link, error);
    if (failed)
        close_link(transport, link);
    return failed;
}

/* What fails here is tried once more after a while. */
static void tend(struct ob_transport *transport, struct ob_link *link, uint64_t now) {
    if (link->routing_id_bytes > 0 && now - link->heard_s > OB_LINK_SILENCE_S)
        link->routing_id_bytes = 0;
    bool silent = now - link->opened_s > OB_LINK_SILENCE_S &&
                  !(link->dealer_up && now - link->published_s <= OB_LINK_SILENCE_S);
    if (link->endpoint[0] && !link->dealer.socket && !link->looking_up && now >= link->redial_s) {
        (void)dial(transport, link, NAMES_OLD_S, NULL);
    } else if (link->dealer.socket && silent && !link->dealer_up) {
        rest(transport, link);
    } else if (link->dealer.socket && !link->looking_up && (silent || link->next_address)) {
        link->next_address = link->next_address && !silent;
        if (silent)
            link->opened_s = now;
        link->turn++;
        (void)dial(transport, link, silent ? NAMES_OLD_S : NAMES_FRESH_S, NULL);
        link->next_address = false;
    }
    ob_link_changed(transport, link);
}

void ob_links_resolved(struct ob_transport *transport) {
    for (size_t i = 0; i < transport->link_count; i++)
        if (transport->links[i]->looking_up) {
            (void)dial(transport, transport->links[i], NAMES_FRESH_S, NULL);
            ob_link_changed(transport, transport->links[i]);
        }
}

void ob_links_tend(struct ob_transport *transport) {
    uint64_t now = ob_now_s();
    for (size_t i = 0; i < transport->link_count; i++)
        tend(transport, transport->links[i], now);
}

enum ob_err ob_transport_connect(struct ob_transport *transport, const struct ob_machine_id *machine,
                                 const char *endpoint, struct ob_error *error) {
    char host[OB_ENDPOINT_MAX];
    uint16_t port;
    struct ob_link *link = ob_link_find(transport, machine);
    enum ob_err failed = ob_endpoint_parse(endpoint, host, &port, error);
    if (failed)
        return failed;
    if (link && strcmp(link->endpoint, endpoint) == 0)
        return OB_OK;
    failed = ob_link_take(transport, machine, &link, error);
    if (failed)
        return failed;
    close_link(transport, link);
    link->proven = false;
    memcpy(link->endpoint, endpoint, strlen(endpoint) + 1);
    link->turn = 0;
    link->opened_s = ob_now_s();
    ob_link_trouble(link, OB_TROUBLE_CONNECTING, "%s: connecting", endpoint);
    failed = dial(transport, link, NAMES_FRESH_S, error);
    if (failed) {
        link->endpoint[0] = 0;
        drop_unused(transport, link);
        return failed;
    }
    ob_link_changed(transport, link);
    return OB_OK;
}

void ob_transport_rest(struct ob_transport *transport, const struct ob_machine_id *machine,
                       uint64_t seconds_max) {
    struct ob_link *link = ob_link_find(transport, machine);
    uint64_t latest = ob_now_s() + seconds_max;
    if (!link)
        return;
    link->rest_max_s = seconds_max;
    if (link->redial_s > latest)
        link->redial_s = latest;
}

void ob_transport_disconnect(struct ob_transport *transport, const struct ob_machine_id *machine) {
    struct ob_link *link = ob_link_find(transport, machine);
    if (!link)
        return;
    close_link(transport, link);
    link->endpoint[0] = 0;
    link->looking_up = false;
    link->failures = 0;
    link->redial_s = 0;
    ob_link_changed(transport, link);
    drop_unused(transport, link);
}

const char *ob_transport_endpoint(const struct ob_transport *transport, const struct ob_machine_id *machine) {
    const struct ob_link *link = ob_link_find(transport, machine);
    return link ? link->endpoint : "";
}

enum ob_trouble ob_transport_trouble(const struct ob_transport *transport,
                                     const struct ob_machine_id *machine,
                                     char ret_text[OB_TROUBLE_TEXT_MAX]) {
    const struct ob_link *link = ob_link_find(transport, machine);
    ret_text[0] = 0;
    if (!link || !link->endpoint[0] || ob_link_up(link))
        return OB_TROUBLE_NONE;
    memcpy(ret_text, link->why, sizeof link->why);
    return link->trouble == OB_TROUBLE_NONE ? OB_TROUBLE_CONNECTING : link->trouble;
}

bool ob_transport_linked(const struct ob_transport *transport, const struct ob_machine_id *machine) {
    const struct ob_link *link = ob_link_find(transport, machine);
    return link && ob_link_up(link);
}

bool ob_transport_reached_by(const struct ob_transport *transport, const struct ob_machine_id *machine) {
    const struct ob_link *link = ob_link_find(transport, machine);
    return link && link->dials_us;
}

enum ob_taken ob_link_take_change(struct ob_link *link, struct ob_transport_event *event) {
    if (ob_link_up(link) == link->reported_up)
        return OB_TAKEN_NOTHING;
    link->reported_up = ob_link_up(link);
    event->kind = link->reported_up ? OB_TRANSPORT_LINK_UP : OB_TRANSPORT_LINK_DOWN;
    event->machine = link->machine;
    return OB_TAKEN_EVENT;
}

/* A connection was not made: at once, or after CONNECT_MS. */
static void not_connected(struct ob_link *link) {
    uint64_t tried_ms = (ob_now_ns() - link->dialled_ns) / 1000000;
    bool timeout = tried_ms + 500 >= OB_CONNECT_MS;
    link->next_address = link->eager;
    link->over = !link->eager;
    ob_link_trouble(link, timeout ? OB_TROUBLE_TIMEOUT : OB_TROUBLE_REFUSED,
                    timeout ? "%s: no answer; check the address, and firewalls in between"
                            : "%s: connection refused; check the address, and that its daemon runs",
                    link->number);
}

static void take_monitored(struct ob_link *link, uint16_t kind) {
    switch (kind) {
    case ZMQ_EVENT_CONNECT_DELAYED:
        link->dialled_ns = ob_now_ns();
        break;
    case ZMQ_EVENT_CLOSED:
        not_connected(link);
        break;
    case ZMQ_EVENT_HANDSHAKE_SUCCEEDED:
        link->dealer_up = link->proven = true;
        link->failures = link->floods;
        ob_link_trouble(link, OB_TROUBLE_NONE, "%s", "");
        break;
    case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH:
    case ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL:
    case ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL:
        if (link->trouble != OB_TROUBLE_KEY && link->trouble != OB_TROUBLE_PORT &&
            link->trouble != OB_TROUBLE_ADMISSION) /* its door said more */
            ob_link_trouble(
                link, OB_TROUBLE_HANDSHAKE,
                "%s: refused the handshake: it does not admit us, or its machine key is different",
                link->number);
        link->over = !link->eager;
        break;
    case ZMQ_EVENT_DISCONNECTED:
        link->over = !link->eager;
        if (link->dealer_up)
            ob_link_trouble(link, OB_TROUBLE_LOST, "%s: connection lost", link->number);
        link->dealer_up = false;
        link->routing_id_bytes = 0; /* it is gone; its own connection is known again with its next frame */
        break;
    default:
        break;
    }
}

/* The connection of a first attempt has ended, or the attempt has failed. */
static void take_end(struct ob_transport *transport, struct ob_link *link) {
    if (!link->proven) {
        rest(transport, link);
        return;
    }
    close_link(transport, link);
    link->redial_s = 0;
    (void)dial(transport, link, NAMES_FRESH_S, NULL);
}

/* Whoever sends a message without an end is left alone for a while, each time twice as long. */
static void take_flood(struct ob_transport *transport, struct ob_link *link) {
    link->floods += link->floods < FLOODS_MAX;
    link->failures = link->floods + FLOOD_FAILURES;
    ob_link_trouble(link, OB_TROUBLE_LOST, "%s: sent a message without an end", link->number);
    rest(transport, link);
}

/* A connection that we opened began, or ended. True: it ended for what it sent. */
static bool take_connection(struct ob_transport *transport, uint16_t kind, int fd) {
    if (kind == ZMQ_EVENT_CONNECTED)
        ob_gate_opened(transport, fd);
    return kind == ZMQ_EVENT_DISCONNECTED && ob_gate_ended(transport, fd);
}

enum ob_taken ob_link_take_watch(struct ob_transport *transport, struct ob_link *link) {
    uint16_t kind;
    int value;
    if (!ob_monitor_receive(link->watch.socket, &kind, &value))
        return OB_TAKEN_NOTHING;
    if (take_connection(transport, kind, value))
        take_flood(transport, link);
    ob_link_changed(transport, link);
    return OB_TAKEN_MORE;
}

enum ob_taken ob_link_take_monitor(struct ob_transport *transport, struct ob_link *link,
                                   struct ob_transport_event *event) {
    uint16_t kind;
    int value;
    if (!ob_monitor_receive(link->monitor.socket, &kind, &value))
        return OB_TAKEN_NOTHING;
    bool flooded = take_connection(transport, kind, value);
    take_monitored(link, kind);
    if (flooded) {
        take_flood(transport, link);
        return ob_link_take_change(link, event) == OB_TAKEN_EVENT ? OB_TAKEN_EVENT : OB_TAKEN_MORE;
    }
    if (link->dealer_up && !link->sub.socket && open_subscriber(transport, link, NULL))
        link->over = true;
    if (link->over)
        take_end(transport, link);
    return ob_link_take_change(link, event) == OB_TAKEN_EVENT ? OB_TAKEN_EVENT : OB_TAKEN_MORE;
}

enum ob_err ob_transport_allow(struct ob_transport *transport, const struct ob_machine_id *machine,
                               struct ob_error *error) {
    struct ob_link *link = NULL;
    enum ob_err failed = ob_link_take(transport, machine, &link, error);
    if (!failed)
        link->admitted = true;
    return failed;
}

bool ob_transport_allowed(const struct ob_transport *transport, const struct ob_machine_id *machine) {
    const struct ob_link *link = ob_link_find(transport, machine);
    return link && link->admitted;
}

void ob_transport_forbid(struct ob_transport *transport, const struct ob_machine_id *machine) {
    struct ob_link *link = ob_link_find(transport, machine);
    if (!link)
        return;
    /* ZAP asks only at the handshake: connections that are open must go */
    transport->rebind_wanted = transport->rebind_wanted || link->admitted;
    link->admitted = false;
    close_link(transport, link);
    link->endpoint[0] = 0;
    link->looking_up = false;
    drop_unused(transport, link);
}

void ob_links_free(struct ob_transport *transport) {
    while (transport->link_count > 0) {
        struct ob_link *link = transport->links[transport->link_count - 1];
        link->admitted = false;
        link->endpoint[0] = 0;
        drop_unused(transport, link);
    }
    free(transport->links);
    free(transport->by_curve);
}
