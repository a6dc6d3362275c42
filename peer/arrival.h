/* arrival - decides what a record is to its machine's chain: the next one, a duplicate, beyond a gap, a fork.
 * A signature is checked before anything is believed. Source: docs/design.md, "Chains, evidence, cuts". */
#ifndef OB_PEER_ARRIVAL_H
#define OB_PEER_ARRIVAL_H

#include <stddef.h>

struct ob_peer;
struct machine;

/* BAD: malformed or badly signed, which is its sender's doing; REFUSED: does not count, does not fit. */
enum arrival { ARRIVAL_TAKEN, ARRIVAL_DUPLICATE, ARRIVAL_GAP, ARRIVAL_REFUSED, ARRIVAL_BAD };
enum arrival ob_arrival(struct ob_peer *peer, struct machine *sender, const void *data, size_t bytes);

#endif
