/* transport - opaque frames between admitted machines, over ZeroMQ with CURVE on every socket.
 *
 * Sockets: a ROUTER that everybody's DEALER connects to (direct frames, answers on the same connection), a
 * PUB that everybody's SUB connects to (published frames), a door where newcomers show a certificate, and a
 * ZAP handler that is there before any bind and knows machines by their CURVE key, derived from the Ed25519
 * identity (libsodium). Address tcp://host:port is the ROUTER's; the PUB is at port + 1, the door at port
 * + 2. Both sides of a pair may connect to each other; a machine that cannot be reached is answered over the
 * connections that it opened. A machine that is not allowed gets no frame in and none out of our ROUTER and
 * PUB.
 *
 * Liveness: TCP finds dead connections within half a minute, and a connection over which nothing came for
 *           15 s (machines publish every second) is opened anew; ZeroMQ reconnects by itself. ZMTP's own
 *           heartbeats are off: sockets.c says why.
 * Bounds:   OB_MESSAGE_MAX on every socket (MAXMSGSIZE), OB_SEND_QUEUE_MAX and OB_RECEIVE_QUEUE_MAX messages
 *           on every queue, and so many bytes for each machine and in all (outbox.h); what does not fit is dropped
 *           (records are fetched again). Who does not read, or sends what has no end, is closed (flow.c). Links to other machines
 *           and connections to us stay far below the descriptors of the process; each address has its share
 *           of them and may come only so often (gate.c).
 * Errors:  OB_EIO, OB_EBUSY (address in use) name the endpoint; OB_EUSAGE a malformed endpoint.
 * Owns:    its context, sockets and keys (wiped by free).
 * Threads: one thread uses a transport; ob_transport_wake may be called from any. No global state:
 *          several transports may live in one process.
 * Source:  ZMTP 3.1, CurveZMQ (RFC 26), ZAP (RFC 27). */
#ifndef OB_TRANSPORT_TRANSPORT_H
#define OB_TRANSPORT_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/ids.h"
#include "base/limits.h"
#include "transport/address.h"

#define OB_HELLO_MAX        1022
#define OB_WHY_MAX          16384 /* what a door says to a machine that is out */
#define OB_BEACON_TAG_BYTES 16

struct ob_transport;

struct ob_transport_options {
    const uint8_t *secret_key; /* Ed25519, 64 bytes; copied, wiped by free */
    const char *listen;        /* "tcp://0.0.0.0:7300", or NULL: outgoing connections only */
    const char *status_path;   /* file of the status socket (Unix stream, mode 0600), or NULL */
    int linger_ms;             /* how long free waits for what was sent last (a goodbye) to get out */
    int handshake_ms;          /* a connection that has not shown its key by then is dropped; 0: 5000 */
    int slow_ms;               /* a connection that takes next to nothing for so long is closed; 0: 20000 */
    size_t connections_max;    /* to us, at a time; 0: as many as the descriptors allow, at most 4096 */
};

OB_MUST_USE enum ob_err ob_transport_new(const struct ob_transport_options *options,
                                         struct ob_transport **ret_transport, struct ob_error *error);
void ob_transport_free(struct ob_transport *transport);

/* Admits a machine (its CURVE key is derived here).
 * Errors:  OB_EFORMAT, not a point of the curve. */
OB_MUST_USE enum ob_err ob_transport_allow(struct ob_transport *transport,
                                           const struct ob_machine_id *machine, struct ob_error *error);
/* Takes it out again and drops our connection to it; connections that it has open are cut before the next
 * frame is taken, by rebinding the data sockets (everybody else is back at once). */
void ob_transport_forbid(struct ob_transport *transport, const struct ob_machine_id *machine);
bool ob_transport_allowed(const struct ob_transport *transport, const struct ob_machine_id *machine);
/* Opens SUB and DEALER to a machine, allowed or not yet (CURVE makes sure that it is that machine). Again
 * with another endpoint: moves them. A host name is looked up first, without holding up anything, and again
 * when the connection is lost.
 * Errors:  OB_ESTATE, as many links are open as may be. */
OB_MUST_USE enum ob_err ob_transport_connect(struct ob_transport *transport,
                                             const struct ob_machine_id *machine, const char *endpoint,
                                             struct ob_error *error);
/* An address is tried again after 1, 2, 4, ... seconds, until somebody there has shown the machine's key; never later than
 * after seconds_max (60 if this is not called), of all addresses together 32 a second. */
void ob_transport_rest(struct ob_transport *transport, const struct ob_machine_id *machine,
                       uint64_t seconds_max);
void ob_transport_disconnect(struct ob_transport *transport, const struct ob_machine_id *machine);
/* Where we connect to it; "" when we do not. */
const char *ob_transport_endpoint(const struct ob_transport *transport, const struct ob_machine_id *machine);

/* Where others may reach us when we listen on all addresses: the address of the interface over which we reach a
 * machine that we are connected to (another host's before one on this host), with the port that we listen on.
 * False: we listen on one address, or not at all, or nothing is known yet. */
bool ob_transport_own_address(const struct ob_transport *transport, char ret_endpoint[OB_ENDPOINT_MAX]);

/* Why there is no way to a machine that we connect to. */
enum ob_trouble {
    OB_TROUBLE_NONE,       /* there is one, or we do not connect to it */
    OB_TROUBLE_CONNECTING, /* nothing is known yet */
    OB_TROUBLE_NAME,       /* its host name cannot be resolved */
    OB_TROUBLE_REFUSED,    /* nobody listens there, or there is no route */
    OB_TROUBLE_TIMEOUT,    /* no answer at all */
    OB_TROUBLE_HANDSHAKE,  /* refused the handshake; why, its door may tell … */
    OB_TROUBLE_KEY,        /* … who is there does not have its key */
    OB_TROUBLE_PORT, /* … what is there is not its first port: another service, or another of its ports */
    OB_TROUBLE_ADMISSION, /* … it does not let us in */
    OB_TROUBLE_LOST       /* the connection was there and is gone */
};
#define OB_TROUBLE_TEXT_MAX 256
/* ret_text: one line for people, with the address; "" for NONE. */
enum ob_trouble ob_transport_trouble(const struct ob_transport *transport,
                                     const struct ob_machine_id *machine, char ret_text[OB_TROUBLE_TEXT_MAX]);

/* Shows `data` (a certificate, at most OB_HELLO_MAX bytes) at the door of a machine; an OB_TRANSPORT_ANSWER
 * comes in any case, by silence too.
 * Errors:  OB_ESTATE, we stand at too many doors at present. */
OB_MUST_USE enum ob_err ob_transport_knock(struct ob_transport *transport,
                                           const struct ob_machine_id *machine, const char *endpoint,
                                           const void *data, size_t bytes, struct ob_error *error);

/* What a door says. Goes over the wire: never renumber. */
enum ob_verdict {
    OB_VERDICT_WELCOME = 0,
    OB_VERDICT_MALFORMED = 1,
    OB_VERDICT_RUN = 2,
    OB_VERDICT_SIGNATURE = 3,
    OB_VERDICT_EXPIRED = 4,
    OB_VERDICT_REVOKED = 5,
    OB_VERDICT_KEY = 6,
    OB_VERDICT_LATER = 7,
    OB_VERDICT_USED_UP = 8,
    OB_VERDICT_WITHDRAWN = 9,
    OB_VERDICT_TOO_LATE = 10,
    OB_VERDICT_SILENCE = 11, /* never sent: no answer came */
    OB_VERDICT_COUNT
};
const char *ob_verdict_text(enum ob_verdict verdict);
/* About the last OB_TRANSPORT_KNOCK: whether it came from that machine, and our answer (once). With
 * OB_VERDICT_REVOKED `why` (at most OB_WHY_MAX bytes, 0: none) follows: what put the machine out, which all that it is
 * linked with may have kept from it. At most one a second; what is left out, it gets when it knocks again. */
bool ob_transport_knocker_is(const struct ob_transport *transport, const struct ob_machine_id *machine);
void ob_transport_answer(struct ob_transport *transport, enum ob_verdict verdict, const void *why,
                         size_t why_bytes);

/* Tells the local network every few seconds where we listen, and hears others of the same tag (UDP `port`).
 */
OB_MUST_USE enum ob_err ob_transport_announce(struct ob_transport *transport,
                                              const struct ob_machine_id *machine,
                                              const uint8_t tag[static OB_BEACON_TAG_BYTES], uint16_t port,
                                              struct ob_error *error);

/* Published to every subscriber, and pushed to admitted machines that we connect to and that do not connect
 * to us. Never blocks. */
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
    OB_TRANSPORT_KNOCK, /* a hello at our door: `data`, `text` the address; answer with ob_transport_answer */
    OB_TRANSPORT_ANSWER, /* the door of `machine` answered our knock: `verdict`; with REVOKED, `data`: why */
    OB_TRANSPORT_BEACON  /* somebody claims that `machine` listens at `text` */
};

struct ob_transport_event {
    enum ob_transport_event_kind kind;
    struct ob_machine_id machine; /* FRAME (authenticated by CURVE), LINK_UP, LINK_DOWN, ANSWER, BEACON */
    bool published;               /* FRAME: from its PUB, not direct */
    bool admitted;                /* FRAME: false from a machine that we connected to and did not allow */
    enum ob_verdict verdict;
    const uint8_t *data; /* FRAME, STATUS, KNOCK, ANSWER: valid until the next poll */
    size_t bytes;
    char text[OB_ERROR_TEXT_MAX]; /* REFUSED, KNOCK, BEACON */
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
    uint64_t unread_messages;  /* of these: too many bytes wait for their machine, or for all, to read them */
    uint64_t closed_connections; /* to us, because they read too slowly or sent what makes no sense; flow.c */
    uint64_t refused_handshakes;
    uint64_t refused_connections; /* too many or too often from one address; knocks included */
    uint32_t links;               /* machines with a way to them now */
    uint32_t connections;         /* to us, open now */
};
struct ob_transport_counters ob_transport_counters(const struct ob_transport *transport);
bool ob_transport_linked(const struct ob_transport *transport, const struct ob_machine_id *machine);
/* It has connected to an address of ours since our start, and shown its key, there or at our door: we are reached from it. */
bool ob_transport_reached_by(const struct ob_transport *transport, const struct ob_machine_id *machine);

#endif
