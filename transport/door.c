/* door - where a newcomer shows its certificate before the data sockets admit it.
 *
 * The door is a ROUTER with CURVE (port + 2) that admits any key, because a key that nobody knows yet is what
 * newcomers have. It takes one kind of frame and gives one kind of answer, which is never longer. To a machine
 * that is out for good, and only to the holder of its key, a second message says why:
 *
 *   hello   u8 1, u8 version 1, then the bytes that the daemon judges (at most 1022)
 *   answer  u8 2, u8 version 1, u8 verdict (enum ob_verdict)
 *   why     u8 3, u8 version 1, then the daemon's bytes (at most OB_WHY_MAX); after OB_VERDICT_REVOKED only
 *
 * Bounds: 1,024 bytes a hello, 32 messages a queue, HELLO_A_SECOND an address (gate.c), WHYS_A_SECOND in all, 15 s a
 * connection. What is not a hello gets no answer. The knocker knows by CURVE whose door it is, and shows itself to nobody
 * else; the door knows the knocker's CURVE key, so that a certificate helps only the machine that it names.
 */
#include <assert.h>
#include <sodium.h>
#include <string.h>

#include "base/clock.h"
#include "base/hex.h"
#include "transport/state.h"

#define HELLO         1
#define ANSWER        2
#define WHY           3
#define WHYS_A_SECOND 1
#define VERSION       1
#define HEAD_BYTES    2
#define ANSWER_BYTES  3
#define DOOR_PORT     OB_SERVER_DOOR
#define NAMES_FRESH_S 60 /* an answer that serves to find a door */

static bool take_hello(struct ob_transport *transport, struct ob_transport_event *event) {
    const uint8_t *data = zmq_msg_data(&transport->frame);
    size_t bytes = zmq_msg_size(&transport->frame);
    const char *address = zmq_msg_gets(&transport->frame, "Peer-Address");
    const char *user = zmq_msg_gets(&transport->frame, "User-Id");
    if (bytes < ANSWER_BYTES || bytes > OB_DOOR_MESSAGE_MAX || data[0] != HELLO || !address || !user ||
        !ob_hex_decode(user, OB_CURVE_KEY_BYTES, transport->knocker_key))
        return false;
    if (!ob_gate_hello(transport, address)) {
        transport->counters.refused_connections++;
        return ob_refuse(transport, event, "%s: knocks too often", address);
    }
    event->kind = OB_TRANSPORT_KNOCK;
    strncpy(event->text, address, sizeof event->text - 1);
    event->data = data + HEAD_BYTES;
    event->bytes = data[1] == VERSION ? bytes - HEAD_BYTES : 0;
    return true;
}

enum ob_taken ob_door_take(struct ob_transport *transport, struct ob_transport_event *event) {
    void *door = transport->servers[OB_SERVER_DOOR].socket;
    if (!ob_frame_receive(transport, door))
        return OB_TAKEN_NOTHING;
    if (!zmq_msg_more(&transport->frame))
        return OB_TAKEN_MORE;
    if (transport->knocker_open)
        zmq_msg_close(&transport->knocker_id);
    zmq_msg_init(&transport->knocker_id);
    zmq_msg_move(&transport->knocker_id, &transport->frame);
    transport->knocker_open = true;
    if (!ob_frame_receive(transport, door) || ob_frame_drop_rest(transport, door))
        return OB_TAKEN_MORE;
    return take_hello(transport, event) ? OB_TAKEN_EVENT : OB_TAKEN_MORE;
}

bool ob_transport_knocker_is(const struct ob_transport *transport, const struct ob_machine_id *machine) {
    uint8_t key[OB_CURVE_KEY_BYTES];
    return crypto_sign_ed25519_pk_to_curve25519(key, machine->key) == 0 &&
           sodium_memcmp(key, transport->knocker_key, sizeof key) == 0;
}

/* To `to`, which is moved. */
static bool reply(const struct ob_server *door, zmq_msg_t *to, uint8_t kind, const void *body, size_t bytes) {
    uint8_t message[HEAD_BYTES + OB_WHY_MAX] = {kind, VERSION};
    assert(bytes <= OB_WHY_MAX);
    memcpy(message + HEAD_BYTES, body, bytes);
    if (zmq_msg_send(to, door->socket, ZMQ_SNDMORE | ZMQ_DONTWAIT) >= 0)
        return zmq_send(door->socket, message, HEAD_BYTES + bytes, ZMQ_DONTWAIT) >= 0;
    zmq_msg_close(to);
    return false;
}

static bool may_say_why(struct ob_transport *transport) {
    uint64_t now = ob_now_s();
    if (now != transport->whys.second)
        transport->whys = (struct ob_pace){.second = now};
    return transport->whys.told++ < WHYS_A_SECOND;
}

void ob_transport_answer(struct ob_transport *transport, enum ob_verdict verdict, const void *why,
                         size_t why_bytes) {
    const uint8_t byte = (uint8_t)verdict;
    struct ob_server *door = &transport->servers[OB_SERVER_DOOR];
    zmq_msg_t again;
    if (!transport->knocker_open)
        return;
    struct ob_link *link =
        verdict == OB_VERDICT_WELCOME ? ob_link_by_curve(transport, transport->knocker_key) : NULL;
    if (link)
        link->dials_us = true;
    zmq_msg_init(&again);
    bool says_why = verdict == OB_VERDICT_REVOKED && why_bytes > 0 &&
                    zmq_msg_copy(&again, &transport->knocker_id) == 0 && may_say_why(transport);
    transport->knocker_open = false;
    if (reply(door, &transport->knocker_id, ANSWER, &byte, sizeof byte) && says_why)
        (void)reply(door, &again, WHY, why, why_bytes);
    else
        zmq_msg_close(&again);
    ob_poll_mark(transport, &door->source);
}

const char *ob_verdict_text(enum ob_verdict verdict) {
    static const char *const TEXTS[OB_VERDICT_COUNT] = {
        [OB_VERDICT_WELCOME] = "welcome",
        [OB_VERDICT_MALFORMED] = "not a certificate, or one of another version",
        [OB_VERDICT_RUN] = "the certificate is for another run",
        [OB_VERDICT_SIGNATURE] = "the certificate is not signed by the run's authority",
        [OB_VERDICT_EXPIRED] = "the certificate has expired",
        [OB_VERDICT_REVOKED] = "the machine was revoked, or its chain forked",
        [OB_VERDICT_KEY] = "the certificate belongs to another machine",
        [OB_VERDICT_USED_UP] = "the invitation has been used up by other machines; ask for a new one",
        [OB_VERDICT_WITHDRAWN] = "the invitation was withdrawn; ask for a new one",
        [OB_VERDICT_TOO_LATE] = "the invitation has expired; ask for a new one",
        [OB_VERDICT_LATER] = "not now; try again later",
        [OB_VERDICT_SILENCE] = "no answer",
    };
    return (unsigned)verdict < OB_VERDICT_COUNT ? TEXTS[verdict] : "an unknown kind of answer";
}

static void close_knock(struct ob_transport *transport, struct ob_knock *knock) {
    if (knock->monitor) {
        zmq_socket_monitor(knock->source.socket, NULL, 0);
        zmq_close(knock->monitor);
    }
    knock->monitor = NULL;
    ob_source_close(transport, &knock->source);
    ob_poll_remove(transport, &knock->source); /* marked without a socket */
    knock->open = false;
}

/* Whether somebody took the connection. Without a monitor: perhaps. */
static bool was_connected(const struct ob_knock *knock) {
    bool connected = !knock->monitor && knock->source.socket;
    uint16_t kind;
    int value;
    while (knock->monitor && ob_monitor_receive(knock->monitor, &kind, &value))
        connected = connected || kind == ZMQ_EVENT_CONNECTED;
    return connected;
}

static void watch_knock(struct ob_transport *transport, struct ob_knock *knock) {
    char name[OB_MONITOR_NAME_MAX];
    ob_monitor_name(transport, name);
    if (zmq_socket_monitor(knock->source.socket, name, ZMQ_EVENT_CONNECTED) == 0)
        knock->monitor = ob_monitor_reader(transport, name);
}

static enum ob_err open_knock(struct ob_transport *transport, struct ob_knock *knock, const char *endpoint,
                              struct ob_error *error) {
    char door[OB_ENDPOINT_MAX];
    uint8_t curve_key[OB_CURVE_KEY_BYTES];
    enum ob_err failed = ob_endpoint_shift(endpoint, DOOR_PORT, door, error);
    if (failed)
        return failed;
    if (crypto_sign_ed25519_pk_to_curve25519(curve_key, knock->machine.key) != 0)
        return ob_fail(error, OB_EFORMAT, "%s: the machine's key is not an Ed25519 public key", endpoint);
    failed = ob_source_open(transport, &knock->source, OB_SOURCE_KNOCK, knock,
                            ob_socket_new(transport, ZMQ_DEALER, curve_key), error);
    if (failed)
        return failed;
    ob_socket_set(knock->source.socket, ZMQ_LINGER, 0);
    watch_knock(transport, knock);
    if (zmq_connect(knock->source.socket, door) != 0)
        return ob_fail(error, OB_EUSAGE, "cannot connect to %s: %s", door, zmq_strerror(zmq_errno()));
    return OB_OK;
}

/* As soon as the host's address is known. What fails ends in silence. */
static enum ob_err try_knock(struct ob_transport *transport, struct ob_knock *knock, struct ob_error *error) {
    char number[OB_ENDPOINT_MAX], why[OB_TROUBLE_TEXT_MAX];
    enum ob_lookup found = ob_names_look(transport, knock->endpoint, NAMES_FRESH_S, 0, number, why);
    if (found == OB_LOOKUP_FAILED)
        return ob_fail(error, OB_EIO, "%s", why);
    if (found == OB_LOOKUP_WAIT)
        return OB_OK;
    enum ob_err failed = open_knock(transport, knock, number, error);
    if (!failed && zmq_send(knock->source.socket, knock->hello, knock->hello_bytes, ZMQ_DONTWAIT) < 0)
        failed = ob_fail(error, OB_EIO, "%s: cannot send: %s", number, zmq_strerror(zmq_errno()));
    return failed;
}

enum ob_err ob_transport_knock(struct ob_transport *transport, const struct ob_machine_id *machine,
                               const char *endpoint, const void *data, size_t bytes, struct ob_error *error) {
    char host[OB_ENDPOINT_MAX];
    uint16_t port;
    struct ob_knock *knock = NULL;
    if (bytes > OB_HELLO_MAX)
        return ob_fail(error, OB_ETOOBIG, "a hello of %zu bytes, must be at most %d", bytes, OB_HELLO_MAX);
    enum ob_err failed = ob_endpoint_parse(endpoint, host, &port, error);
    if (failed)
        return failed;
    for (size_t i = 0; i < OB_KNOCKS_MAX; i++) {
        struct ob_knock *at = &transport->knocks[i];
        if (at->open && ob_machine_equal(&at->machine, machine))
            return OB_OK; /* we stand there already */
        if (!at->open)
            knock = at;
    }
    if (knock && !ob_dial_allowed(transport))
        return ob_fail(error, OB_ESTATE, "too many connections are being tried; try again later");
    if (!knock)
        return ob_fail(error, OB_ESTATE, "already knocking at %d doors; try again later", OB_KNOCKS_MAX);
    *knock = (struct ob_knock){.machine = *machine,
                               .open = true,
                               .source = {.kind = OB_SOURCE_KNOCK, .owner = knock, .fd = -1},
                               .hello = {HELLO, VERSION},
                               .hello_bytes = HEAD_BYTES + bytes,
                               .until_s = ob_now_s() + 1 + (uint64_t)transport->handshake_ms * 2 / 1000};
    memcpy(knock->endpoint, endpoint, strlen(endpoint) + 1);
    memcpy(knock->hello + HEAD_BYTES, data, bytes);
    failed = try_knock(transport, knock, error);
    if (failed)
        close_knock(transport, knock);
    return failed;
}

void ob_knocks_resolved(struct ob_transport *transport) {
    for (size_t i = 0; i < OB_KNOCKS_MAX; i++) {
        struct ob_knock *knock = &transport->knocks[i];
        if (!knock->open || knock->source.socket || knock->expired)
            continue;
        knock->expired = try_knock(transport, knock, NULL) != OB_OK;
        if (knock->expired)
            ob_poll_mark(transport, &knock->source);
    }
}

/* What the door says is the reason for what the connection meets. */
static void note_verdict(struct ob_transport *transport, const struct ob_knock *knock,
                         enum ob_verdict verdict) {
    struct ob_link *link = ob_link_find(transport, &knock->machine);
    if (!link || ob_link_up(link))
        return;
    if (verdict == OB_VERDICT_SILENCE && link->trouble == OB_TROUBLE_HANDSHAKE && was_connected(knock))
        ob_link_trouble(link, OB_TROUBLE_KEY, "%s: does not hold this machine key; check the key",
                        knock->endpoint);
    else if (verdict == OB_VERDICT_SILENCE && link->trouble == OB_TROUBLE_HANDSHAKE)
        ob_link_trouble(
            link, OB_TROUBLE_PORT,
            "%s: something answers there, but nobody at its port + 2; check the port, and that all "
            "three ports are open",
            knock->endpoint);
    else if (verdict == OB_VERDICT_WELCOME)
        ob_link_trouble(link, OB_TROUBLE_CONNECTING, "%s: admitted, connecting", knock->endpoint);
    else if (verdict != OB_VERDICT_SILENCE)
        ob_link_trouble(link, OB_TROUBLE_ADMISSION, "%s: not admitted: %s", knock->endpoint,
                        ob_verdict_text(verdict));
}

static bool is(const zmq_msg_t *frame, uint8_t kind, size_t bytes_min, size_t bytes_max) {
    const uint8_t *data = zmq_msg_data((zmq_msg_t *)frame);
    size_t bytes = zmq_msg_size(frame);
    return bytes >= bytes_min && bytes <= bytes_max && data[0] == kind && data[1] == VERSION;
}

/* After "you are out" a door may say why: that is waited for as long as for an answer. */
enum ob_taken ob_knock_take(struct ob_transport *transport, struct ob_knock *knock,
                            struct ob_transport_event *event) {
    bool heard = knock->source.socket && ob_frame_receive(transport, knock->source.socket);
    if (!heard && !knock->expired)
        return OB_TAKEN_NOTHING;
    if (heard && ob_frame_drop_rest(transport, knock->source.socket))
        return OB_TAKEN_MORE;
    enum ob_verdict verdict = knock->told_out ? OB_VERDICT_REVOKED : OB_VERDICT_SILENCE;
    const uint8_t *data = heard ? zmq_msg_data(&transport->frame) : NULL;
    if (heard && !knock->told_out && is(&transport->frame, ANSWER, ANSWER_BYTES, ANSWER_BYTES))
        verdict = data[2] < OB_VERDICT_COUNT ? (enum ob_verdict)data[2] : OB_VERDICT_MALFORMED;
    if (heard && !knock->told_out && verdict == OB_VERDICT_REVOKED && !knock->expired) {
        knock->told_out = true;
        return OB_TAKEN_MORE;
    }
    if (heard && knock->told_out && is(&transport->frame, WHY, HEAD_BYTES + 1, HEAD_BYTES + OB_WHY_MAX)) {
        event->data = data + HEAD_BYTES;
        event->bytes = zmq_msg_size(&transport->frame) - HEAD_BYTES;
    }
    note_verdict(transport, knock, verdict);
    close_knock(transport, knock);
    event->kind = OB_TRANSPORT_ANSWER;
    event->machine = knock->machine;
    event->verdict = verdict;
    return OB_TAKEN_EVENT;
}

void ob_knocks_tend(struct ob_transport *transport) {
    uint64_t now = ob_now_s();
    for (size_t i = 0; i < OB_KNOCKS_MAX; i++) {
        struct ob_knock *knock = &transport->knocks[i];
        if (!knock->open || now < knock->until_s)
            continue;
        knock->expired = true;
        ob_poll_mark(transport, &knock->source);
    }
}

void ob_knocks_close(struct ob_transport *transport) {
    for (size_t i = 0; i < OB_KNOCKS_MAX; i++)
        if (transport->knocks[i].open)
            close_knock(transport, &transport->knocks[i]);
    if (transport->knocker_open)
        zmq_msg_close(&transport->knocker_id);
    transport->knocker_open = false;
}
