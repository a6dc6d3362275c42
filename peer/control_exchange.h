/* control_exchange - how control tables become equal: what is new is published; heartbeats carry the digest;
 * a peer whose digest differs is asked, with the hashes of our 256 leaves, for the entries of those that
 * differ.
 *
 * An entry is looked at in the order rotations, authority's entries, machines' own entries, because the later
 * ones count by the earlier ones. What does not count here (yet) is not stored and is asked for again. */
#ifndef OB_PEER_CONTROL_EXCHANGE_H
#define OB_PEER_CONTROL_EXCHANGE_H

#include "base/cursor.h"

struct ob_peer;
struct machine;

void ob_control_ask(struct ob_peer *peer, struct machine *of);
void ob_receive_control_ask(struct ob_peer *peer, struct machine *sender, struct ob_reader body);
void ob_receive_control(struct ob_peer *peer, struct machine *sender, struct ob_reader body);

#endif
