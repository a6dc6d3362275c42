/* state - the inside of a transport. Private to transport/.
 *
 * Design notes. Whatever can be waited for is a `source`: a descriptor in one epoll set and, when there is
 * something to take, a place in the queue of ready sources, which is served in turns. A ZeroMQ socket's
 * descriptor only says that something may have happened: a ready source is taken from until it is empty, and
 * a socket that was sent on is looked at again. The cost of a frame does not depend on the number of links.
 */
#ifndef OB_TRANSPORT_STATE_H
#define OB_TRANSPORT_STATE_H

#include <zmq.h>

#include "transport/address.h"
#include "transport/outbox.h"
#include "transport/resolver.h"
#include "transport/transport.h"

#define OB_CURVE_KEY_BYTES  32
#define OB_ROUTING_ID_MAX   255
#define OB_ZAP_DOMAIN       "onebyte"
#define OB_ZAP_DOMAIN_DOOR  "onebyte-door"
#define OB_LINK_SILENCE_S   15   /* machines speak every second or so; see ob_links_tend */
#define OB_CONNECT_MS       5000 /* until a connection that nobody answers is given up, and tried again */
#define OB_KNOCKS_MAX       16   /* doors that we stand at, at a time */
#define OB_DOOR_MESSAGE_MAX 1024
#define OB_LINK_DESCRIPTORS 10 /* at most, of one link: six sockets, two connections out, two in */
#define OB_SERVER_COUNT     3
#define OB_STATUS_CLIENTS   8 /* who ask the status socket, at a time; the idle make way for more */

enum ob_source_kind {
    OB_SOURCE_WAKE,
    OB_SOURCE_ZAP,
    OB_SOURCE_STATUS,
    OB_SOURCE_STATUS_CLIENT,
    OB_SOURCE_GATE,
    OB_SOURCE_ROUTER,
    OB_SOURCE_DOOR,
    OB_SOURCE_BEACON,
    OB_SOURCE_MONITOR,
    OB_SOURCE_WATCH, /* over the connection of our subscription */
    OB_SOURCE_DEALER,
    OB_SOURCE_SUB,
    OB_SOURCE_NAMES,  /* host names that were looked up */
    OB_SOURCE_CHANGE, /* of a link that went up or down; no descriptor of its own */
    OB_SOURCE_KNOCK
};

struct ob_source {
    enum ob_source_kind kind;
    void *owner;  /* link, knock or server; NULL: the transport */
    void *socket; /* ZeroMQ's, or NULL */
    int fd;       /* -1: none */
    bool ready;
    struct ob_source *before, *after; /* in the queue of ready sources */
};

/* What taking from a source gave. */
enum ob_taken { OB_TAKEN_NOTHING, OB_TAKEN_MORE, OB_TAKEN_EVENT };

/* One machine that is admitted, that we connect to, or both. */
struct ob_link {
    struct ob_machine_id machine;
    uint8_t curve_key[OB_CURVE_KEY_BYTES];
    bool admitted;
    char endpoint[OB_ENDPOINT_MAX]; /* "" when we do not connect to it */
    char number[OB_ENDPOINT_MAX];   /* the same with the host as a number, as ZeroMQ gets it; "" none yet */
    bool looking_up;
    unsigned turn;     /* which of the host's addresses */
    bool next_address; /* the one that was tried last refused */
    uint64_t dialled_ns;
    bool
        proven; /* whoever is at the endpoint has shown the machine's key; until then each dial is one attempt */
    bool eager; /* its sockets were opened when it was proven: ZeroMQ connects again by itself */
    bool over;  /* an attempt has come to nothing, or the connection of one has ended */
    unsigned failures;
    unsigned floods; /* times that it sent a message without an end: rests begin longer each time */
    uint64_t redial_s, rest_max_s; /* when it is tried again; the longest rest in between */
    enum ob_trouble trouble;
    char why[OB_TROUBLE_TEXT_MAX];
    struct ob_source dealer, sub, monitor, watch,
        change;     /* the first four without a socket when there is no endpoint */
    bool dealer_up; /* its ROUTER has shaken hands with our DEALER */
    bool dials_us;  /* it has shown its key at a socket of ours */
    uint8_t routing_id[OB_ROUTING_ID_MAX];
    size_t routing_id_bytes; /* of its DEALER at our ROUTER; 0: none seen */
    bool reported_up;
    struct ob_outbox *outbox; /* what waits to be sent to it, over whatever connection */
    /* monotonic seconds: of the last frame of any kind, of the last published one, and of the last opening */
    uint64_t heard_s, published_s, opened_s;
};

/* A socket that others connect to, its listening descriptor (which outlives the socket, so that a rebinding
 * refuses nobody), and the watch over its connections. */
struct ob_server {
    int type; /* ZMQ_ROUTER or ZMQ_PUB */
    unsigned port_offset;
    struct ob_source source; /* of the socket; PUB has none */
    void *socket;
    int listen_fd;         /* -1: not listening */
    struct ob_source gate; /* of the monitor */
};

enum { OB_SERVER_ROUTER, OB_SERVER_PUB, OB_SERVER_DOOR };

/* Showing our certificate at a door. */
struct ob_knock {
    struct ob_machine_id machine;
    bool open;               /* else the place is free */
    struct ob_source source; /* without a socket while the host's name is looked up */
    char endpoint[OB_ENDPOINT_MAX];
    uint8_t hello[OB_DOOR_MESSAGE_MAX];
    size_t hello_bytes;
    uint64_t until_s;
    bool expired, told_out; /* told_out: it is out, and may be told why */
    void *monitor;          /* tells at the end whether anybody listened there */
};

/* What an address that connects to us may still do; see gate.c. */
struct ob_visitor {
    struct ob_address address;
    uint32_t open, shaking; /* connections: all, those that have not shaken hands */
    uint32_t connect_tokens, hello_tokens;
    uint64_t refilled_s, seen_s;
};

/* One connection to the status socket. */
struct ob_status_client {
    struct ob_source source;  /* owner: itself; NULL: a free place */
    uint8_t *data;            /* its request, then our answer … */
    size_t bytes, written;    /* … of which so much is out */
    uint64_t until_s, number; /* number: the how-manieth it is */
    bool answering;
};

/* An accepted connection, by its descriptor. */
struct ob_guest {
    bool open, shaken;
    bool ours, floods; /* ours: we opened it (the next two say nothing); floods: it was closed for that */
    uint8_t server;
    uint32_t visitor; /* index */
    uint16_t port;    /* here, of ours */
    uint64_t since_s;
    uint64_t delivered; /* bytes of what came to us over it, framing included */
    uint64_t stuck_ns,
        acknowledged_at; /* bytes wait for it since then, and what it had acknowledged; 0: none do */
};

/* A key that was refused at the data sockets (zap.c). */
#define OB_STRANGERS_MAX 64
struct ob_stranger {
    uint8_t key[OB_CURVE_KEY_BYTES];
    uint64_t first_s, seen_s, told_s; /* seen_s 0: a free place */
};

/* A second in which at most a few things of one sort are told; all are counted elsewhere. */
struct ob_pace {
    uint64_t second;
    unsigned told;
};

struct ob_transport {
    void *context;
    uint8_t curve_public[OB_CURVE_KEY_BYTES], curve_secret[OB_CURVE_KEY_BYTES];
    char listen[OB_ENDPOINT_MAX]; /* "" for outgoing connections only */
    char status_path[OB_ENDPOINT_MAX];
    int linger_ms, handshake_ms, slow_ms;
    uint64_t monitors; /* ever named */
    struct ob_source zap, status, wake, beacon, names;
    struct ob_resolver *resolver;
    struct ob_server servers[OB_SERVER_COUNT];
    bool rebind_wanted;

    struct ob_link **links;    /* sorted by machine … */
    struct ob_link **by_curve; /* … and by CURVE key */
    size_t link_count, link_room, connected, links_max;

    int epoll;
    struct ob_source *ready_first, *ready_last;
    unsigned turns; /* since the descriptors were last asked */
    uint64_t tended_s;

    struct ob_visitor *visitors; /* connections_max of them */
    size_t visitor_count, connections_max, connections;
    unsigned dials_left; /* of this second */
    uint64_t dials_s;
    struct ob_guest *guests; /* by descriptor */
    size_t guest_room, flow_at;
    uint64_t flow_ns;
    struct ob_outbox *outboxes; /* of all machines */
    struct ob_knock knocks[OB_KNOCKS_MAX];
    zmq_msg_t knocker_id; /* who knocked last */
    bool knocker_open;
    uint8_t knocker_key[OB_CURVE_KEY_BYTES];

    struct ob_beacon *announcing; /* NULL: no beacon */

    zmq_msg_t frame; /* what the last event points into */
    bool frame_open;
    struct ob_status_client status_clients[OB_STATUS_CLIENTS], *status_asker; /* who asked last */
    uint64_t status_count;
    int reserve; /* a descriptor for what must be possible when none is left (gate.c); -1: in use */
    struct ob_transport_counters counters;
    struct ob_pace refusals, whys;
    struct ob_stranger strangers[OB_STRANGERS_MAX];
};

/* names.c */
OB_MUST_USE enum ob_err ob_names_open(struct ob_transport *transport, struct ob_error *error);
void ob_names_close(struct ob_transport *transport);
/* `endpoint` with its host as a number, the turn-th of its addresses: no older than max_age_s. WAIT:
 * OB_SOURCE_NAMES is ready later. FAILED: ret_why (OB_TROUBLE_TEXT_MAX). */
enum ob_lookup ob_names_look(struct ob_transport *transport, const char *endpoint, uint64_t max_age_s,
                             unsigned turn, char *ret_number, char *ret_why);

/* poll.c */
OB_MUST_USE enum ob_err ob_poll_add(struct ob_transport *transport, struct ob_source *source,
                                    struct ob_error *error); /* kind, owner, and socket or fd are set */
void ob_poll_remove(struct ob_transport *transport, struct ob_source *source);
void ob_poll_mark(struct ob_transport *transport, struct ob_source *source); /* look at it again */
struct ob_source *ob_poll_next(struct ob_transport *transport);              /* NULL: nothing is ready */
OB_MUST_USE enum ob_err ob_poll_wait(struct ob_transport *transport, int timeout_ms, struct ob_error *error);
/* Makes a socket's source; closes socket and source. */
OB_MUST_USE enum ob_err ob_source_open(struct ob_transport *transport, struct ob_source *source,
                                       enum ob_source_kind kind, void *owner, void *socket,
                                       struct ob_error *error);
void ob_source_close(struct ob_transport *transport, struct ob_source *source);

/* sockets.c */
void ob_socket_set(void *socket, int option, int value);
/* Options that every socket between machines has: bounded queues and messages, dead connections found. */
void ob_socket_common(const struct ob_transport *transport, void *socket, int64_t largest);
void *ob_socket_new(struct ob_transport *transport, int type, const uint8_t *server_key); /* a client */

/* servers.c */
OB_MUST_USE enum ob_err ob_servers_listen(struct ob_transport *transport, struct ob_error *error);
void ob_servers_close(struct ob_transport *transport);
/* Closes the data sockets with every connection that they have, and opens them again. */
OB_MUST_USE enum ob_err ob_servers_rebind(struct ob_transport *transport, struct ob_error *error);

/* frames.c */
bool ob_frame_receive(struct ob_transport *transport, void *socket);
bool ob_frame_drop_rest(struct ob_transport *transport, void *socket); /* true when there was more */
enum ob_taken ob_take_plain(struct ob_transport *transport, struct ob_source *source,
                            struct ob_transport_event *event);
enum ob_taken ob_take_routed(struct ob_transport *transport, struct ob_transport_event *event);

/* zap.c */
OB_MUST_USE enum ob_err ob_zap_bind(struct ob_transport *transport, struct ob_error *error);
enum ob_taken ob_zap_take(struct ob_transport *transport, struct ob_transport_event *event);
OB_MUST_USE enum ob_err ob_zap_self_test(struct ob_transport *transport, struct ob_error *error);

/* members.c */
struct ob_link *ob_link_find(const struct ob_transport *transport, const struct ob_machine_id *machine);
struct ob_link *ob_link_by_curve(const struct ob_transport *transport, const uint8_t *curve_key);
OB_MUST_USE enum ob_err ob_link_take(struct ob_transport *transport, const struct ob_machine_id *machine,
                                     struct ob_link **ret_link, struct ob_error *error);
void ob_link_remove(struct ob_transport *transport, struct ob_link *link); /* closed by the caller */

/* links.c */
void ob_links_free(struct ob_transport *transport);
void ob_link_trouble(struct ob_link *link, enum ob_trouble trouble, const char *format, ...) OB_PRINTF(3, 4);
bool ob_link_up(const struct ob_link *link);
void ob_link_changed(struct ob_transport *transport, struct ob_link *link);
/* Whether another connection may be tried now: so many a second, whoever named the address. */
bool ob_dial_allowed(struct ob_transport *transport);
enum ob_taken ob_link_take_watch(struct ob_transport *transport, struct ob_link *link);
enum ob_taken ob_link_take_monitor(struct ob_transport *transport, struct ob_link *link,
                                   struct ob_transport_event *event);
enum ob_taken ob_link_take_change(struct ob_link *link, struct ob_transport_event *event);
/* Call every second. An address that nobody has proven is tried once, with longer and longer rests. libzmq does not connect again after a protocol error, and a ROUTER does not tell that a
 * machine is gone: a connection that was silent for OB_LINK_SILENCE_S is opened anew, a way back over a
 * machine's own connection is given up. */
void ob_links_tend(struct ob_transport *transport);
void ob_links_resolved(struct ob_transport *transport); /* names that were looked up */

/* monitor.c */
/* A new name for each: libzmq lets go of a closed monitor's name some time later. */
#define OB_MONITOR_NAME_MAX 48
void ob_monitor_name(struct ob_transport *transport, char ret_name[OB_MONITOR_NAME_MAX]);
/* The other end of a socket's monitor: without a bound, because the thread that carries the messages waits
 * when it cannot tell an event, and we wait for that thread when we close a socket. Taken from in every turn.
 */
void *ob_monitor_reader(struct ob_transport *transport, const char *name);
bool ob_monitor_receive(void *reader, uint16_t *ret_kind, int *ret_value);

/* gate.c */
OB_MUST_USE enum ob_err ob_gate_new(struct ob_transport *transport, size_t connections_max,
                                    struct ob_error *error);
void ob_gate_free(struct ob_transport *transport);
OB_MUST_USE enum ob_err ob_gate_open(struct ob_transport *transport, struct ob_server *server,
                                     struct ob_error *error);
void ob_gate_close(struct ob_transport *transport, struct ob_server *server);
enum ob_taken ob_gate_take(struct ob_transport *transport, struct ob_server *server,
                           struct ob_transport_event *event);
void ob_gate_tend(struct ob_transport *transport);
/* Keeps one descriptor free for us, and gives it up for a moment. */
void ob_gate_reserve(struct ob_transport *transport);
void ob_gate_unreserve(struct ob_transport *transport);
/* Whether this address may say hello at the door now. */
bool ob_gate_hello(struct ob_transport *transport, const char *address);
/* Counts a refusal; true when it is told as an event too (at most a few a second are). */
bool ob_refuse(struct ob_transport *transport, struct ob_transport_event *event, const char *format, ...)
    OB_PRINTF(3, 4);

/* A connection that we opened: it is looked at like those of guests (flow.c). */
void ob_gate_opened(struct ob_transport *transport, int fd);
/* It has ended. True: because it sent a message without an end. */
bool ob_gate_ended(struct ob_transport *transport, int fd);
/* A duplicate of a guest's descriptor, for as long as ob_gate_look_away is not called; -1: it is gone. */
int ob_gate_look(struct ob_transport *transport, int fd, struct ob_address *ret_address);
void ob_gate_look_away(struct ob_transport *transport, int copy);

/* flow.c: what connections to us send and take. Call often; looks at some of them in turn. */
enum ob_taken ob_flow_tend(struct ob_transport *transport, struct ob_transport_event *event);
/* The frame that was received just now came over one of them. */
void ob_flow_delivered(struct ob_transport *transport);

/* door.c */
enum ob_taken ob_door_take(struct ob_transport *transport, struct ob_transport_event *event);
enum ob_taken ob_knock_take(struct ob_transport *transport, struct ob_knock *knock,
                            struct ob_transport_event *event);
void ob_knocks_tend(struct ob_transport *transport);
void ob_knocks_resolved(struct ob_transport *transport);
void ob_knocks_close(struct ob_transport *transport);

/* beacon.c */
enum ob_taken ob_beacon_take(struct ob_transport *transport, struct ob_transport_event *event);
void ob_beacon_tend(struct ob_transport *transport);
void ob_beacon_free(struct ob_transport *transport);

/* status.c */
OB_MUST_USE enum ob_err ob_status_bind(struct ob_transport *transport, const char *path,
                                       struct ob_error *error);
enum ob_taken ob_status_accept(struct ob_transport *transport);
enum ob_taken ob_status_take(struct ob_transport *transport, struct ob_status_client *client,
                             struct ob_transport_event *event);
void ob_status_tend(struct ob_transport *transport); /* once a second */
void ob_status_unbind(struct ob_transport *transport);

#endif
