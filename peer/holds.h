/* holds - how much of a chain does somebody hold? Between two machines with a link, HOLDS_ASK and HOLDS;
 * between others, HELD_ASK and HELD, which those between them hand on (way.h).
 *
 * Bounds. A message is handed on to one machine, never back, at most HELD_HOPS times, HELD_ON_BURST of one
 * neighbour in HELD_ON_EVERY_NS; what is lost is asked again. The answer is signed by who holds the chain, so
 * that those between need no trust; an old one says less than a newer one and does no harm. */
#ifndef OB_PEER_HOLDS_H
#define OB_PEER_HOLDS_H

#include "base/cursor.h"
#include "base/ids.h"
#include "peer/message.h"

#define OB_HELD_LABEL      "onebyte/holds/1/"
#define OB_HELD_BODY_BYTES (16 + OB_HASH_BYTES + 2 * OB_KEY_BYTES + 8)

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

struct ob_peer;
struct machine;

void ob_holds_send(struct ob_peer *peer, const struct machine *to, const struct ob_machine_id *id);
/* Asks those who acknowledge less of our chain than they should. */
void ob_holds_tick(struct ob_peer *peer);
void ob_receive_holds_ask(struct ob_peer *peer, struct machine *sender, struct ob_reader body);
void ob_receive_holds(struct ob_peer *peer, struct machine *sender, struct ob_reader body);
void ob_receive_held_ask(struct ob_peer *peer, struct machine *sender, struct ob_reader body);
void ob_receive_held(struct ob_peer *peer, struct machine *sender, struct ob_reader body);

#endif
