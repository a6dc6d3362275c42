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
