/* state - the inside of a transport. Private to transport/. */
#ifndef OB_TRANSPORT_STATE_H
#define OB_TRANSPORT_STATE_H

#include <zmq.h>

#include "transport/transport.h"

#define OB_CURVE_KEY_BYTES 32
#define OB_ROUTING_ID_MAX  255
#define OB_ZAP_DOMAIN      "onebyte"
#define OB_LINK_SILENCE_S  30 /* machines speak every second or so; see ob_links_tend */

/* One admitted machine, and the ways to it. */
struct ob_link {
    struct ob_machine_id machine;
    uint8_t curve_key[OB_CURVE_KEY_BYTES];
    char endpoint[OB_ENDPOINT_MAX]; /* "" when we do not connect to it */
    void *dealer, *sub, *monitor;   /* NULL without an endpoint */
    bool dealer_up;                 /* its ROUTER has shaken hands with our DEALER */
    uint8_t routing_id[OB_ROUTING_ID_MAX];
    size_t routing_id_bytes; /* of its DEALER at our ROUTER; 0: none seen */
    bool reported_up;
    /* monotonic seconds: of the last frame of any kind, of the last published one, and of the last opening */
    uint64_t heard_s, published_s, opened_s;
};

struct ob_transport {
    void *context;
    uint8_t curve_public[OB_CURVE_KEY_BYTES], curve_secret[OB_CURVE_KEY_BYTES];
    char listen[OB_ENDPOINT_MAX]; /* "" for outgoing connections only */
    char status_path[OB_ENDPOINT_MAX];
    void *zap, *router, *pub, *status;
    int wake; /* eventfd */

    struct ob_link **links; /* sorted by nothing: few enough to walk */
    size_t link_count;
    zmq_pollitem_t *waits; /* kept from wait to wait; room for all sockets of wait_room links */
    size_t wait_room;
    uint64_t tended_s;
    size_t turn; /* the next source to look at, so that none starves */

    zmq_msg_t frame; /* what the last event points into */
    bool frame_open;
    zmq_msg_t status_id; /* who asked last */
    bool status_open;
    struct ob_transport_counters counters;
    uint64_t refused_window_s; /* the second that refusals are counted in … */
    unsigned refused_told;     /* … and how many were told in it */
};

/* sockets.c */
void *ob_socket_new(struct ob_transport *transport, int type, bool server, const uint8_t *server_key);
OB_MUST_USE enum ob_err ob_sockets_bind(struct ob_transport *transport, struct ob_error *error);
void ob_sockets_unbind(struct ob_transport *transport);
/* "tcp://host:port" with `add` added to the port. */
OB_MUST_USE enum ob_err ob_endpoint_shift(const char *endpoint, unsigned add,
                                          char ret_endpoint[OB_ENDPOINT_MAX], struct ob_error *error);

/* zap.c: answers what waits; true when somebody was turned away and `event` tells of it. */
OB_MUST_USE enum ob_err ob_zap_bind(struct ob_transport *transport, struct ob_error *error);
bool ob_zap_serve(struct ob_transport *transport, struct ob_transport_event *event,
                  const uint8_t *watched_key, bool *ret_watched_refused);
OB_MUST_USE enum ob_err ob_zap_self_test(struct ob_transport *transport, struct ob_error *error);

/* links.c */
struct ob_link *ob_link_find(const struct ob_transport *transport, const struct ob_machine_id *machine);
void ob_link_close(struct ob_link *link);
bool ob_link_up(const struct ob_link *link);
uint64_t ob_transport_seconds(void); /* monotonic */
/* Call now and then. libzmq does not connect again after a protocol error, and a ROUTER does not tell that a
 * machine is gone: a connection that was silent for OB_LINK_SILENCE_S is opened anew, a way back over a
 * machine's own connection is given up. */
void ob_links_tend(struct ob_transport *transport);

/* status.c */
OB_MUST_USE enum ob_err ob_status_bind(struct ob_transport *transport, const char *path,
                                       struct ob_error *error);
bool ob_status_take(struct ob_transport *transport, struct ob_transport_event *event);
void ob_status_unbind(struct ob_transport *transport);

#endif
