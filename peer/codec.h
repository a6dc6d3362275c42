/* codec - the bodies of messages as structs; private to peer/. Layouts: head of message.c.
 *
 * Decoders get the bytes after kind and version. They return false for a body that does not follow its layout
 * or its bounds, and leave ret_* as it was; encoders write the whole message and return its length. */
#ifndef OB_PEER_CODEC_H
#define OB_PEER_CODEC_H

#include <stdbool.h>

#include "peer/leaves.h"
#include "peer/message.h"

#define OB_HEARTBEAT_LABEL           "onebyte/heartb/1"
#define OB_HEARTBEAT_FIELDS_BYTES    (4 * OB_HASH_BYTES + OB_HASH_BYTES + OB_KEY_BYTES + 8 + 8 + 8 + 1 + 8 + 4)
#define OB_HEARTBEAT_BODY_BYTES      (16 + OB_HEARTBEAT_FIELDS_BYTES)
#define OB_HEARTBEAT_BYTES           (OB_MESSAGE_HEADER_BYTES + OB_HEARTBEAT_FIELDS_BYTES + 64)
#define OB_HELD_LABEL                "onebyte/holds/1/"
#define OB_HELD_BODY_BYTES           (16 + OB_HASH_BYTES + 2 * OB_KEY_BYTES + 8)
#define OB_FRONTIER_ENTRY_BYTES      (OB_KEY_BYTES + 8 + 4 + OB_HASH_BYTES)
#define OB_FRONTIER_HEADER_BYTES     (OB_MESSAGE_HEADER_BYTES + OB_HASH_BYTES + 4 + 4 + 4)
#define OB_FRONTIER_PAGE_MAX         ((OB_MESSAGE_MAX - OB_FRONTIER_HEADER_BYTES) / OB_FRONTIER_ENTRY_BYTES)
#define OB_SMALL_MESSAGE_BYTES_MAX   512
#define OB_LEAF_BYTES                16 /* how much of each hash of a leaf a question carries */
#define OB_CONTROL_ASK_BYTES         (OB_MESSAGE_HEADER_BYTES + OB_HASH_BYTES + OB_LEAVES * OB_LEAF_BYTES)
#define OB_CONTROL_LIST_HEADER_BYTES (OB_MESSAGE_HEADER_BYTES + OB_HASH_BYTES + 4)

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

struct ob_frontier_entry {
    struct ob_machine_id machine;
    struct ob_sample next;
    struct ob_round head_round;
    struct ob_hash head;
};
struct ob_frontier_page {
    uint32_t total, first, count;
    struct ob_reader entries; /* count of them */
};
struct ob_writer ob_frontier_start(const struct ob_run_id *run, uint32_t total, uint32_t first,
                                   uint32_t count, void *buffer, size_t capacity);
void ob_frontier_add(struct ob_writer *writer, const struct ob_frontier_entry *entry);
bool ob_frontier_decode(struct ob_reader reader, struct ob_run_id *ret_run,
                        struct ob_frontier_page *ret_page);
bool ob_frontier_next(struct ob_reader *entries, struct ob_frontier_entry *ret_entry);

size_t ob_frontier_ask_encode(const struct ob_run_id *run, uint32_t first, uint8_t *ret_data);
bool ob_frontier_ask_decode(struct ob_reader reader, struct ob_run_id *ret_run, uint32_t *ret_first);

struct ob_records_ask {
    struct ob_run_id run;
    struct ob_machine_id machine;
    struct ob_sample first; /* from the record that holds this sample on */
    uint16_t count;         /* at most so many records; 0: as many as fit */
};
size_t ob_records_ask_encode(const struct ob_records_ask *ask, uint8_t *ret_data);
bool ob_records_ask_decode(struct ob_reader reader, struct ob_records_ask *ret_ask);

/* How far a peer holds a machine's chain. */
struct ob_holds {
    struct ob_run_id run;
    struct ob_machine_id machine;
    struct ob_sample next;
    struct ob_hash head; /* zeros when next = 0 */
};
size_t ob_holds_ask_encode(const struct ob_run_id *run, const struct ob_machine_id *machine,
                           uint8_t *ret_data);
bool ob_holds_ask_decode(struct ob_reader reader, struct ob_run_id *ret_run,
                         struct ob_machine_id *ret_machine);
size_t ob_holds_encode(const struct ob_holds *holds, uint8_t *ret_data);
bool ob_holds_decode(struct ob_reader reader, struct ob_holds *ret_holds);

/* The same between machines without a link, handed on by those between them. What is handed on is signed
 * where it says something; `hops` is what is left of its way, `attempt` chooses between ways. */
struct ob_held_ask {
    struct ob_run_id run;
    struct ob_machine_id asker, machine; /* whose chain; who is asked */
    uint8_t attempt, hops;
};
size_t ob_held_ask_encode(const struct ob_held_ask *ask, uint8_t *ret_data);
bool ob_held_ask_decode(struct ob_reader reader, struct ob_held_ask *ret_ask);

struct ob_held {
    struct ob_run_id run;
    struct ob_machine_id asker, machine;
    uint8_t attempt, hops;
    struct ob_sample next;    /* `machine` holds this much of the asker's chain */
    const uint8_t *signature; /* 64 bytes, of `machine`; into the decoded buffer */
};
/* The signed body: label ‖ run ‖ asker ‖ machine ‖ next. Returns OB_HELD_BODY_BYTES. */
size_t ob_held_body(const struct ob_held *held, uint8_t *ret_body);
size_t ob_held_encode(const struct ob_held *held, uint8_t *ret_data);
bool ob_held_decode(struct ob_reader reader, struct ob_held *ret_held);

/* leaves: OB_LEAVES hashes, of which the first OB_LEAF_BYTES each are told; ret_leaves points into the body.
 */
size_t ob_control_ask_encode(const struct ob_run_id *run, const struct ob_hash *leaves, uint8_t *ret_data);
bool ob_control_ask_decode(struct ob_reader reader, struct ob_run_id *ret_run, const uint8_t **ret_leaves);
struct ob_writer ob_control_list_start(const struct ob_run_id *run, void *buffer, size_t capacity);
bool ob_control_list_add(struct ob_writer *writer, const void *entry, size_t bytes);
void ob_control_list_end(struct ob_writer *writer, uint32_t count);

#endif
