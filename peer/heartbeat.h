/* heartbeat - what a machine says of itself every second, and what follows from what others say. */
#ifndef OB_PEER_HEARTBEAT_H
#define OB_PEER_HEARTBEAT_H

#include "base/cursor.h"
#include "peer/message.h"

#define OB_HEARTBEAT_LABEL        "onebyte/heartb/1"
#define OB_HEARTBEAT_FIELDS_BYTES (4 * OB_HASH_BYTES + OB_HASH_BYTES + OB_KEY_BYTES + 8 + 8 + 8 + 1 + 8 + 4)
#define OB_HEARTBEAT_BODY_BYTES   (16 + OB_HEARTBEAT_FIELDS_BYTES)
#define OB_HEARTBEAT_BYTES        (OB_MESSAGE_HEADER_BYTES + OB_HEARTBEAT_FIELDS_BYTES + 64)

struct ob_heartbeat {
    struct ob_run_id run;
    struct ob_machine_id machine;
    uint64_t instance, sequence;
    uint64_t twin; /* another instance that was heard with our key; 0: none */
    bool trains;   /* it starts rounds: others may wait for its records */
    struct ob_sample next;
    struct ob_round round; /* that runs or comes next; may be the run's max_rounds */
    struct ob_hash log, control, weights, weights_log;
    const uint8_t *signature; /* 64 bytes */
};
/* The signed body: label ‖ the fields. Returns OB_HEARTBEAT_BODY_BYTES. */
size_t ob_heartbeat_body(const struct ob_heartbeat *heartbeat, uint8_t *ret_body);
size_t ob_heartbeat_encode(const struct ob_heartbeat *heartbeat, uint8_t *ret_data);
bool ob_heartbeat_decode(struct ob_reader reader, struct ob_heartbeat *ret_heartbeat);

struct ob_peer;
struct machine;

void ob_heartbeat_publish(struct ob_peer *peer);
void ob_heartbeat_send(struct ob_peer *peer, const struct machine *to);
void ob_receive_heartbeat(struct ob_peer *peer, struct machine *sender, struct ob_reader body);

#endif
