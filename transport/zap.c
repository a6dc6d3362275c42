/* The ZAP handler (RFC 27): a request is version, id, domain, address, routing id, mechanism and, for CURVE,
 * the client's key; an answer is version, id, status, text, User-Id, metadata.
 *
 * An unknown key is answered with 300 (temporary failure): libzmq then closes without a word, and the client
 * tries again later by itself, so that a machine that is admitted afterwards gets in without anybody's
 * restart. After a 400 a libzmq client never tries again.
 *
 * A newcomer shows its certificate at the door while its first attempts at the data sockets are refused. That is nothing
 * to tell anybody: a key is told when it comes again STRANGER_S after it first came, and once in STRANGER_EVERY_S from
 * then on. A crowd of keys that pushes one out of the table before that is told at once. All are counted. */
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/hex.h"
#include "transport/state.h"

#define PARTS            7
#define STRANGER_S       5
#define STRANGER_EVERY_S 60

struct request {
    zmq_msg_t parts[PARTS];
    size_t count;
};

static bool receive(void *socket, struct request *request) {
    int more = 1;
    size_t size = sizeof more;
    request->count = 0;
    while (more) {
        zmq_msg_t part;
        zmq_msg_init(&part);
        if (zmq_msg_recv(&part, socket, ZMQ_DONTWAIT) < 0) {
            zmq_msg_close(&part);
            return false;
        }
        zmq_getsockopt(socket, ZMQ_RCVMORE, &more, &size);
        if (request->count < PARTS)
            request->parts[request->count++] = part;
        else
            zmq_msg_close(&part);
    }
    return true;
}

static bool part_is(struct request *request, size_t i, const char *text) {
    return i < request->count && zmq_msg_size(&request->parts[i]) == strlen(text) &&
           memcmp(zmq_msg_data(&request->parts[i]), text, strlen(text)) == 0;
}

/* Who is let in, and as whom: the User-Id that every message of the connection carries. */
struct verdict {
    bool welcome;
    char user[2 * OB_KEY_BYTES + 1];
};

static const uint8_t *curve_key(struct request *request) {
    bool whole = request->count == PARTS && part_is(request, 0, "1.0") && part_is(request, 5, "CURVE") &&
                 zmq_msg_size(&request->parts[6]) == OB_CURVE_KEY_BYTES;
    return whole ? zmq_msg_data(&request->parts[6]) : NULL;
}

/* Data sockets: machines that are admitted. The door: any key, known by itself. */
static struct verdict judge(struct ob_transport *transport, struct request *request) {
    struct verdict verdict = {0};
    const uint8_t *key = curve_key(request);
    if (!key)
        return verdict;
    if (part_is(request, 2, OB_ZAP_DOMAIN)) {
        struct ob_link *link = ob_link_by_curve(transport, key);
        verdict.welcome = link && link->admitted;
        if (verdict.welcome) {
            link->dials_us = true;
            ob_hex_encode(link->machine.key, OB_KEY_BYTES, verdict.user);
        }
    } else if (part_is(request, 2, OB_ZAP_DOMAIN_DOOR)) {
        verdict.welcome = true;
        ob_hex_encode(key, OB_CURVE_KEY_BYTES, verdict.user);
    }
    return verdict;
}

static void reply(struct ob_transport *transport, struct request *request, const struct verdict *verdict) {
    void *zap = transport->zap.socket;
    zmq_send_const(zap, "1.0", 3, ZMQ_SNDMORE);
    zmq_send(zap, request->count > 1 ? zmq_msg_data(&request->parts[1]) : "",
             request->count > 1 ? zmq_msg_size(&request->parts[1]) : 0, ZMQ_SNDMORE);
    zmq_send_const(zap, verdict->welcome ? "200" : "300", 3, ZMQ_SNDMORE);
    zmq_send_const(zap, "", 0, ZMQ_SNDMORE);
    zmq_send(zap, verdict->user, strlen(verdict->user), ZMQ_SNDMORE);
    zmq_send_const(zap, "", 0, 0);
}

/* Whether the refusal of this key is to be told now. */
static bool is_stranger(struct ob_transport *transport, const uint8_t *key) {
    uint64_t now = ob_now_s();
    struct ob_stranger *oldest = &transport->strangers[0];
    for (size_t i = 0; i < OB_STRANGERS_MAX; i++) {
        struct ob_stranger *stranger = &transport->strangers[i];
        if (stranger->seen_s < oldest->seen_s)
            oldest = stranger;
        if (stranger->seen_s == 0 || memcmp(stranger->key, key, OB_CURVE_KEY_BYTES) != 0)
            continue;
        bool told = now - stranger->first_s >= STRANGER_S &&
                    (stranger->told_s == 0 || now - stranger->told_s >= STRANGER_EVERY_S);
        stranger->seen_s = now;
        if (told)
            stranger->told_s = now;
        return told;
    }
    bool crowd = oldest->seen_s != 0 && now - oldest->first_s < STRANGER_S;
    *oldest = (struct ob_stranger){.first_s = now, .seen_s = now ? now : 1, .told_s = crowd ? now : 0};
    memcpy(oldest->key, key, OB_CURVE_KEY_BYTES);
    return crowd;
}

static bool tell_refusal(struct ob_transport *transport, struct request *request,
                         struct ob_transport_event *event) {
    char key[2 * OB_CURVE_KEY_BYTES + 1] = "?";
    const uint8_t *curve = curve_key(request);
    transport->counters.refused_handshakes++;
    if (curve && !is_stranger(transport, curve))
        return false;
    if (curve)
        ob_hex_encode(curve, OB_CURVE_KEY_BYTES, key);
    int length = request->count > 3 ? (int)zmq_msg_size(&request->parts[3]) : 0;
    return ob_refuse(transport, event, "%.*s: CURVE key %.16s... is not admitted", length < 64 ? length : 64,
                     length ? (const char *)zmq_msg_data(&request->parts[3]) : "", key);
}

static void close_request(struct request *request) {
    for (size_t i = 0; i < request->count; i++)
        zmq_msg_close(&request->parts[i]);
    request->count = 0;
}

enum ob_taken ob_zap_take(struct ob_transport *transport, struct ob_transport_event *event) {
    struct request request = {0};
    if (!receive(transport->zap.socket, &request)) {
        close_request(&request);
        return OB_TAKEN_NOTHING;
    }
    struct verdict verdict = judge(transport, &request);
    reply(transport, &request, &verdict);
    bool told = !verdict.welcome && tell_refusal(transport, &request, event);
    close_request(&request);
    return told ? OB_TAKEN_EVENT : OB_TAKEN_MORE;
}

enum ob_err ob_zap_bind(struct ob_transport *transport, struct ob_error *error) {
    void *zap = zmq_socket(transport->context, ZMQ_REP);
    if (zap)
        ob_socket_set(zap, ZMQ_LINGER, 0);
    if (zap && zmq_bind(zap, "inproc://zeromq.zap.01") != 0) {
        zmq_close(zap);
        return ob_fail(error, OB_EIO, "cannot set up the admission of machines: %s",
                       zmq_strerror(zmq_errno()));
    }
    return ob_source_open(transport, &transport->zap, OB_SOURCE_ZAP, NULL, zap, error);
}

/* The address at which this process reaches its own listener. */
static enum ob_err own_address(const struct ob_transport *transport, char ret_endpoint[OB_ENDPOINT_MAX],
                               struct ob_error *error) {
    char host[OB_ENDPOINT_MAX];
    uint16_t port = 0;
    enum ob_err failed = ob_endpoint_parse(transport->listen, host, &port, error);
    if (failed)
        return failed;
    if (ob_endpoint_reachable(transport->listen))
        memcpy(ret_endpoint, transport->listen, sizeof transport->listen);
    else
        (void)snprintf(ret_endpoint, OB_ENDPOINT_MAX, "tcp://%s:%u",
                       strcmp(host, "::") == 0 ? "[::1]" : "127.0.0.1", port);
    return OB_OK;
}

/* Answers one request, if there is one; true when it came with the stranger's key and was turned away. */
static bool refused_stranger(struct ob_transport *transport, const uint8_t *stranger) {
    struct request request = {0};
    bool refused = false;
    if (receive(transport->zap.socket, &request)) {
        struct verdict verdict = judge(transport, &request);
        const uint8_t *key = curve_key(&request);
        reply(transport, &request, &verdict);
        refused = key && !verdict.welcome && memcmp(key, stranger, OB_CURVE_KEY_BYTES) == 0;
    }
    close_request(&request);
    return refused;
}

enum ob_err ob_zap_self_test(struct ob_transport *transport, struct ob_error *error) {
    char endpoint[OB_ENDPOINT_MAX];
    uint8_t public_key[OB_CURVE_KEY_BYTES], secret_key[OB_CURVE_KEY_BYTES];
    bool refused = false;
    if (!transport->listen[0])
        return OB_OK;
    enum ob_err failed = own_address(transport, endpoint, error);
    if (failed)
        return failed;
    crypto_box_keypair(public_key, secret_key);
    void *stranger = ob_socket_new(transport, ZMQ_DEALER, transport->curve_public);
    if (!stranger)
        return ob_fail(error, OB_EIO, "cannot open a socket: %s", zmq_strerror(zmq_errno()));
    ob_socket_set(stranger, ZMQ_LINGER, 0);
    zmq_setsockopt(stranger, ZMQ_CURVE_SECRETKEY, secret_key, sizeof secret_key);
    zmq_setsockopt(stranger, ZMQ_CURVE_PUBLICKEY, public_key, sizeof public_key);
    if (zmq_connect(stranger, endpoint) == 0)
        for (int i = 0; i < 100 && !refused; i++) {
            zmq_pollitem_t item = {.socket = transport->zap.socket, .events = ZMQ_POLLIN};
            zmq_poll(&item, 1, 50);
            refused = refused_stranger(transport, public_key);
        }
    zmq_close(stranger);
    ob_poll_mark(transport, &transport->zap);
    if (!refused)
        return ob_fail(error, OB_EIO, "%s: the self-test failed: a stranger's key was not refused there",
                       endpoint);
    return OB_OK;
}
