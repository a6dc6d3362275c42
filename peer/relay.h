/* relay - what is new to us is published onwards, so that records reach everybody over an overlay in which
 * each machine is connected to a few others only.
 *
 * A record is taken into its chain once, so it is relayed at most once; a copy of it is a duplicate and goes
 * no further. Bounded: at most RELAY_BURST records of one machine in RELAY_EVERY_NS, and none of a chain of
 * which later records are still missing, so that catching up with a long log floods nobody. Relaying is
 * haste, not correctness: what is not relayed is found by frontiers and fetched. */
#ifndef OB_PEER_RELAY_H
#define OB_PEER_RELAY_H

#include <stddef.h>

struct ob_peer;

/* A record, encoded, that was just taken into its chain: perhaps it is published onwards. */
void ob_relay_taken(struct ob_peer *peer, const void *record, size_t bytes);

#endif
