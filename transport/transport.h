/* transport - opaque frames between admitted machines, over ZeroMQ with CURVE on every socket.
 *
 * Sockets: a PUB that everybody's SUB connects to (published frames), a ROUTER that everybody's DEALER
 * connects to (direct frames, answers on the same connection), and a ZAP handler that is there before any
 * bind and knows machines by their CURVE key, derived from the Ed25519 identity (libsodium). Address
 * tcp://host:port is the ROUTER's; the PUB is at port + 1. Both sides of a pair may connect to each other;
 * a machine that cannot be reached is answered over the connections that it opened.
 * A machine that was not allowed gets no frame in and none out.
 *
 * Liveness: ZMTP heartbeats find dead connections; ZeroMQ reconnects by itself, and a connection over which
 *           nothing came for 30 s (machines publish every second or so) is opened anew.
 * Bounds:   OB_MESSAGE_MAX on every socket (MAXMSGSIZE), OB_QUEUE_MAX on every queue; what does not fit is
 *           dropped (records are fetched again).
 * Errors:   OB_EIO, OB_EBUSY (address in use) name the endpoint; OB_EUSAGE a malformed endpoint.
 * Owns:     its context, sockets and keys (wiped by free).
 * Threads:  one thread uses a transport; ob_transport_wake may be called from any. No global state: several
 *           transports may live in one process.
 * Source:   ZMTP 3.1, CurveZMQ (RFC 26), ZAP (RFC 27). */
#ifndef OB_TRANSPORT_TRANSPORT_H
#define OB_TRANSPORT_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/ids.h"
#include "base/limits.h"

#define OB_ENDPOINT_MAX 256

struct ob_transport;

struct ob_transport_options {
    const uint8_t *secret_key; /* Ed25519, 64 bytes; copied, wiped by free */
    const char *listen;        /* "tcp://0.0.0.0:7300" (PUB on 7301), or NULL: outgoing connections only */
    const char *status_path;   /* file of the status socket (ipc, mode 0600), or NULL */
};

OB_MUST_USE enum ob_err ob_transport_new(const struct ob_transport_options *options,
                                         struct ob_transport **ret_transport, struct ob_error *error);
void ob_transport_free(struct ob_transport *transport);

/* Admits a machine (its CURVE key is derived here). Errors: OB_EFORMAT, not a point of the curve. */
OB_MUST_USE enum ob_err ob_transport_allow(struct ob_transport *transport,
                                           const struct ob_machine_id *machine, struct ob_error *error);
/* Takes it out again; connections that are open are cut by rebinding the data sockets. */
OB_MUST_USE enum ob_err ob_transport_forbid(struct ob_transport *transport,
                                            const struct ob_machine_id *machine, struct ob_error *error);
/* Opens SUB and DEALER to a machine that is allowed. Again with another endpoint: moves it. */
OB_MUST_USE enum ob_err ob_transport_connect(struct ob_transport *transport,
                                             const struct ob_machine_id *machine, const char *endpoint,
                                             struct ob_error *error);

/* Published to every subscriber, and pushed to those we connect to that do not connect to us. Never blocks.
 */
void ob_transport_publish(struct ob_transport *transport, const void *data, size_t bytes);
/* To one machine, over our DEALER or back over the connection it opened, whichever is up. False when there is
 * no way to it now or the queue is full. */
bool ob_transport_send(struct ob_transport *transport, const struct ob_machine_id *machine, const void *data,
                       size_t bytes);

enum ob_transport_event_kind {
    OB_TRANSPORT_NOTHING, /* timeout */
    OB_TRANSPORT_WAKE,    /* ob_transport_wake was called (any number of times) */
    OB_TRANSPORT_FRAME,   /* a frame from `machine`, published or direct */
    OB_TRANSPORT_LINK_UP, /* our DEALER's handshake with `machine` is done, or `machine` sent its first frame
                           */
    OB_TRANSPORT_LINK_DOWN,
    OB_TRANSPORT_REFUSED, /* somebody was turned away; `text` has the address and why */
    OB_TRANSPORT_STATUS,  /* a request on the status socket; answer with ob_transport_status_reply */
};

struct ob_transport_event {
    enum ob_transport_event_kind kind;
    struct ob_machine_id machine; /* FRAME (authenticated by CURVE), LINK_UP, LINK_DOWN */
    bool published;               /* FRAME: from its PUB, not direct */
    const uint8_t *data;          /* FRAME, STATUS: valid until the next poll */
    size_t bytes;
    char text[OB_ERROR_TEXT_MAX]; /* REFUSED */
};

/* Waits up to timeout_ms (0: not at all) and takes one event. Signals interrupt it (NOTHING). */
OB_MUST_USE enum ob_err ob_transport_poll(struct ob_transport *transport, int timeout_ms,
                                          struct ob_transport_event *ret_event, struct ob_error *error);
/* From any thread: makes a poll return OB_TRANSPORT_WAKE soon. */
void ob_transport_wake(struct ob_transport *transport);
/* Answers the last OB_TRANSPORT_STATUS. At most OB_STATUS_MAX bytes. */
void ob_transport_status_reply(struct ob_transport *transport, const void *data, size_t bytes);

struct ob_transport_counters {
    uint64_t published_messages, published_bytes; /* payload handed to PUB (once, not times subscribers) */
    uint64_t sent_messages, sent_bytes;           /* direct */
    uint64_t received_messages, received_bytes;
    uint64_t dropped_messages; /* full queues */
    uint64_t refused_handshakes;
    uint32_t links; /* machines with a way to them now */
};
struct ob_transport_counters ob_transport_counters(const struct ob_transport *transport);
bool ob_transport_linked(const struct ob_transport *transport, const struct ob_machine_id *machine);

#endif
