/* control_exchange - how control tables become equal: what is new is published; heartbeats carry the digest;
 * a peer whose digest differs is asked, with the hashes of our 256 leaves, for the entries of those that
 * differ.
 *
 * An entry is looked at in the order rotations, authority's entries, machines' own entries, because the later
 * ones count by the earlier ones. What does not count here (yet) is not stored and is asked for again. */
#ifndef OB_PEER_CONTROL_EXCHANGE_H
#define OB_PEER_CONTROL_EXCHANGE_H

#include "base/cursor.h"
#include "peer/leaves.h"
#include "peer/message.h"

#define OB_LEAF_BYTES        16 /* how much of each hash of a leaf a question carries */
#define OB_CONTROL_ASK_BYTES (OB_MESSAGE_HEADER_BYTES + OB_HASH_BYTES + OB_LEAVES * OB_LEAF_BYTES)

/* leaves: OB_LEAVES hashes, of which the first OB_LEAF_BYTES each are told; ret_leaves points into the body.
 */
size_t ob_control_ask_encode(const struct ob_run_id *run, const struct ob_hash *leaves, uint8_t *ret_data);
bool ob_control_ask_decode(struct ob_reader reader, struct ob_run_id *ret_run, const uint8_t **ret_leaves);

struct ob_peer;
struct machine;

void ob_control_ask(struct ob_peer *peer, struct machine *of);
void ob_receive_control_ask(struct ob_peer *peer, struct machine *sender, struct ob_reader body);
void ob_receive_control(struct ob_peer *peer, struct machine *sender, struct ob_reader body);

#endif
