/* The ZAP handler (RFC 27): a request is version, id, domain, address, routing id, mechanism and, for CURVE,
 * the client's key; an answer is version, id, status, text, User-Id, metadata.
 *
 * An unknown key is answered with 300 (temporary failure): libzmq then closes without a word, and the client
 * tries again later by itself, so that a machine that is admitted afterwards gets in without anybody's
 * restart. After a 400 a libzmq client never tries again. */
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "transport/state.h"

#define PARTS         7
#define TOLD_A_SECOND 10

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

static const struct ob_link *admitted(const struct ob_transport *transport, struct request *request) {
    if (request->count != PARTS || !part_is(request, 0, "1.0") || !part_is(request, 2, OB_ZAP_DOMAIN) ||
        !part_is(request, 5, "CURVE") || zmq_msg_size(&request->parts[6]) != OB_CURVE_KEY_BYTES)
        return NULL;
    const uint8_t *key = zmq_msg_data(&request->parts[6]);
    for (size_t i = 0; i < transport->link_count; i++)
        if (memcmp(transport->links[i]->curve_key, key, OB_CURVE_KEY_BYTES) == 0)
            return transport->links[i];
    return NULL;
}

static void reply(struct ob_transport *transport, struct request *request, const struct ob_link *link) {
    char user[2 * OB_KEY_BYTES + 1] = "";
    if (link)
        sodium_bin2hex(user, sizeof user, link->machine.key, OB_KEY_BYTES);
    zmq_send_const(transport->zap, "1.0", 3, ZMQ_SNDMORE);
    zmq_send(transport->zap, request->count > 1 ? zmq_msg_data(&request->parts[1]) : "",
             request->count > 1 ? zmq_msg_size(&request->parts[1]) : 0, ZMQ_SNDMORE);
    zmq_send_const(transport->zap, link ? "200" : "300", 3, ZMQ_SNDMORE);
    zmq_send_const(transport->zap, "", 0, ZMQ_SNDMORE);
    zmq_send(transport->zap, user, strlen(user), ZMQ_SNDMORE);
    zmq_send_const(transport->zap, "", 0, 0);
}

/* At most TOLD_A_SECOND refusals a second become events; all are counted. */
static bool tell_refusal(struct ob_transport *transport, struct request *request,
                         struct ob_transport_event *event) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    transport->counters.refused_handshakes++;
    if ((uint64_t)now.tv_sec != transport->refused_window_s) {
        transport->refused_window_s = (uint64_t)now.tv_sec;
        transport->refused_told = 0;
    }
    if (!event || ++transport->refused_told > TOLD_A_SECOND)
        return false;
    char key[2 * OB_CURVE_KEY_BYTES + 1] = "?";
    if (request->count == PARTS && zmq_msg_size(&request->parts[6]) == OB_CURVE_KEY_BYTES)
        sodium_bin2hex(key, sizeof key, zmq_msg_data(&request->parts[6]), OB_CURVE_KEY_BYTES);
    event->kind = OB_TRANSPORT_REFUSED;
    int length = request->count > 3 ? (int)zmq_msg_size(&request->parts[3]) : 0;
    (void)snprintf(event->text, sizeof event->text, "%.*s: CURVE key %.16s... is not admitted",
                   length < 64 ? length : 64, length ? (const char *)zmq_msg_data(&request->parts[3]) : "",
                   key);
    return true;
}

bool ob_zap_serve(struct ob_transport *transport, struct ob_transport_event *event,
                  const uint8_t *watched_key, bool *ret_watched_refused) {
    struct request request;
    bool told = false;
    while (!told && receive(transport->zap, &request)) {
        const struct ob_link *link = admitted(transport, &request);
        bool watched = watched_key && request.count == PARTS &&
                       zmq_msg_size(&request.parts[6]) == OB_CURVE_KEY_BYTES &&
                       memcmp(zmq_msg_data(&request.parts[6]), watched_key, OB_CURVE_KEY_BYTES) == 0;
        reply(transport, &request, link);
        if (watched)
            *ret_watched_refused = link == NULL;
        else if (!link)
            told = tell_refusal(transport, &request, event);
        for (size_t i = 0; i < request.count; i++)
            zmq_msg_close(&request.parts[i]);
    }
    return told;
}

enum ob_err ob_zap_bind(struct ob_transport *transport, struct ob_error *error) {
    transport->zap = zmq_socket(transport->context, ZMQ_REP);
    if (!transport->zap || zmq_bind(transport->zap, "inproc://zeromq.zap.01") != 0)
        return ob_fail(error, OB_EIO, "cannot set up the admission of machines: %s",
                       zmq_strerror(zmq_errno()));
    int linger = 0;
    zmq_setsockopt(transport->zap, ZMQ_LINGER, &linger, sizeof linger);
    return OB_OK;
}

/* The address at which this process reaches its own listener. */
static void own_address(const struct ob_transport *transport, char ret_endpoint[OB_ENDPOINT_MAX]) {
    size_t size = OB_ENDPOINT_MAX;
    zmq_getsockopt(transport->router, ZMQ_LAST_ENDPOINT, ret_endpoint, &size);
    const char *port = strrchr(ret_endpoint, ':');
    char number[16];
    (void)snprintf(number, sizeof number, "%s", port ? port + 1 : "0");
    if (strstr(ret_endpoint, "0.0.0.0") || strstr(ret_endpoint, "[::]") || strstr(ret_endpoint, "//*"))
        (void)snprintf(ret_endpoint, OB_ENDPOINT_MAX, "tcp://127.0.0.1:%s", number);
}

enum ob_err ob_zap_self_test(struct ob_transport *transport, struct ob_error *error) {
    char endpoint[OB_ENDPOINT_MAX];
    uint8_t public_key[OB_CURVE_KEY_BYTES], secret_key[OB_CURVE_KEY_BYTES];
    bool refused = false;
    if (!transport->listen[0])
        return OB_OK;
    own_address(transport, endpoint);
    crypto_box_keypair(public_key, secret_key);
    void *stranger = zmq_socket(transport->context, ZMQ_DEALER);
    if (!stranger)
        return ob_fail(error, OB_EIO, "cannot open a socket: %s", zmq_strerror(zmq_errno()));
    int linger = 0;
    zmq_setsockopt(stranger, ZMQ_LINGER, &linger, sizeof linger);
    zmq_setsockopt(stranger, ZMQ_CURVE_SECRETKEY, secret_key, sizeof secret_key);
    zmq_setsockopt(stranger, ZMQ_CURVE_PUBLICKEY, public_key, sizeof public_key);
    zmq_setsockopt(stranger, ZMQ_CURVE_SERVERKEY, transport->curve_public, OB_CURVE_KEY_BYTES);
    if (zmq_connect(stranger, endpoint) == 0)
        for (int i = 0; i < 100 && !refused; i++) {
            zmq_pollitem_t item = {.socket = transport->zap, .events = ZMQ_POLLIN};
            zmq_poll(&item, 1, 50);
            (void)ob_zap_serve(transport, NULL, public_key, &refused);
        }
    zmq_close(stranger);
    if (!refused)
        return ob_fail(error, OB_EIO, "%s: the self-test failed: a stranger's key was not refused there",
                       endpoint);
    return OB_OK;
}
