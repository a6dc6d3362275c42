/* frontier - what each chain ends with, asked for and told in pages.
 *
 * A page is asked by the position of its first chain among the chains with records, sorted by key. Chains are
 * never removed, so that a chain which is new while pages are fetched moves others to later pages, never out
 * of them. What a page says is a claim: only records with good signatures change anything. */
#ifndef OB_PEER_FRONTIER_H
#define OB_PEER_FRONTIER_H

#include "base/cursor.h"

struct ob_frontier_entry;
struct ob_peer;
struct machine;

void ob_frontier_ask(struct ob_peer *peer, struct machine *of);
/* What `sender` says about the end of one chain. */
void ob_frontier_claim(struct ob_peer *peer, struct machine *sender, const struct ob_frontier_entry *claim);
void ob_receive_frontier_ask(struct ob_peer *peer, struct machine *sender, struct ob_reader body);
void ob_receive_frontier(struct ob_peer *peer, struct machine *sender, struct ob_reader body);

#endif
