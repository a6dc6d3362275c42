#include <assert.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "transport/state.h"

struct ob_link *ob_link_find(const struct ob_transport *transport, const struct ob_machine_id *machine) {
    for (size_t i = 0; i < transport->link_count; i++)
        if (ob_machine_equal(&transport->links[i]->machine, machine))
            return transport->links[i];
    return NULL;
}

bool ob_link_up(const struct ob_link *link) {
    return link->dealer_up || link->routing_id_bytes > 0;
}

void ob_link_close(struct ob_link *link) {
    if (link->dealer) {
        zmq_socket_monitor(link->dealer, NULL, 0);
        zmq_close(link->monitor);
        zmq_close(link->dealer);
        zmq_close(link->sub);
    }
    link->dealer = link->sub = link->monitor = NULL;
    link->dealer_up = false;
}

enum ob_err ob_transport_allow(struct ob_transport *transport, const struct ob_machine_id *machine,
                               struct ob_error *error) {
    if (ob_link_find(transport, machine))
        return OB_OK;
    struct ob_link *link = calloc(1, sizeof *link);
    struct ob_link **links =
        realloc(transport->links, (transport->link_count + 1) * sizeof(struct ob_link *));
    if (links)
        transport->links = links;
    if (!link || !links) {
        free(link);
        return ob_fail(error, OB_ENOMEM, "no memory for another machine");
    }
    link->machine = *machine;
    link->heard_s = ob_transport_seconds();
    if (crypto_sign_ed25519_pk_to_curve25519(link->curve_key, machine->key) != 0) {
        free(link);
        return ob_fail(error, OB_EFORMAT, "the machine's key is not an Ed25519 public key");
    }
    transport->links[transport->link_count++] = link;
    return OB_OK;
}

enum ob_err ob_transport_forbid(struct ob_transport *transport, const struct ob_machine_id *machine,
                                struct ob_error *error) {
    for (size_t i = 0; i < transport->link_count; i++) {
        struct ob_link *link = transport->links[i];
        if (!ob_machine_equal(&link->machine, machine))
            continue;
        ob_link_close(link);
        free(link);
        transport->links[i] = transport->links[--transport->link_count];
        for (size_t k = 0; k < transport->link_count; k++)
            transport->links[k]->routing_id_bytes = 0; /* they connect again */
        ob_sockets_unbind(transport); /* ZAP asks only at the handshake: open connections must go */
        return ob_sockets_bind(transport, error);
    }
    return OB_OK;
}

static enum ob_err open_link(struct ob_transport *transport, struct ob_link *link, struct ob_error *error) {
    char published[OB_ENDPOINT_MAX], name[64];
    enum ob_err failed = ob_endpoint_shift(link->endpoint, 1, published, error);
    if (failed)
        return failed;
    link->dealer = ob_socket_new(transport, ZMQ_DEALER, false, link->curve_key);
    link->sub = ob_socket_new(transport, ZMQ_SUB, false, link->curve_key);
    link->monitor = zmq_socket(transport->context, ZMQ_PAIR);
    (void)snprintf(name, sizeof name, "inproc://monitor-%p", (void *)link);
    if (!link->dealer || !link->sub || !link->monitor ||
        zmq_socket_monitor(link->dealer, name, ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_DISCONNECTED) != 0 ||
        zmq_connect(link->monitor, name) != 0)
        return ob_fail(error, OB_EIO, "cannot open sockets: %s", zmq_strerror(zmq_errno()));
    zmq_setsockopt(link->sub, ZMQ_SUBSCRIBE, "", 0);
    if (zmq_connect(link->dealer, link->endpoint) != 0 || zmq_connect(link->sub, published) != 0)
        return ob_fail(error, OB_EUSAGE, "cannot connect to %s: %s", link->endpoint,
                       zmq_strerror(zmq_errno()));
    link->opened_s = link->published_s = ob_transport_seconds();
    return OB_OK;
}

uint64_t ob_transport_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec;
}

static void tend(struct ob_transport *transport, struct ob_link *link, uint64_t now) {
    if (link->routing_id_bytes > 0 && now - link->heard_s > OB_LINK_SILENCE_S)
        link->routing_id_bytes = 0;
    if (!link->endpoint[0] || now - link->opened_s <= OB_LINK_SILENCE_S ||
        (link->dealer_up && now - link->published_s <= OB_LINK_SILENCE_S))
        return;
    ob_link_close(link);
    if (open_link(transport, link, NULL)) {
        ob_link_close(link);
        link->opened_s = now; /* once more after a while */
    }
}

void ob_links_tend(struct ob_transport *transport) {
    uint64_t now = ob_transport_seconds();
    if (now == transport->tended_s)
        return;
    transport->tended_s = now;
    for (size_t i = 0; i < transport->link_count; i++)
        tend(transport, transport->links[i], now);
}

enum ob_err ob_transport_connect(struct ob_transport *transport, const struct ob_machine_id *machine,
                                 const char *endpoint, struct ob_error *error) {
    struct ob_link *link = ob_link_find(transport, machine);
    assert(link != NULL);
    if (strlen(endpoint) >= sizeof link->endpoint)
        return ob_fail(error, OB_EUSAGE, "address %s is too long", endpoint);
    ob_link_close(link);
    memcpy(link->endpoint, endpoint, strlen(endpoint) + 1);
    enum ob_err failed = open_link(transport, link, error);
    if (failed) {
        ob_link_close(link);
        link->endpoint[0] = 0;
    }
    return failed;
}

bool ob_transport_linked(const struct ob_transport *transport, const struct ob_machine_id *machine) {
    const struct ob_link *link = ob_link_find(transport, machine);
    return link && ob_link_up(link);
}
