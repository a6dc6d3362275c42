/* reconcile - before anything is signed after a start: what do others hold of our chain and of all others?
 *
 * Ends when every machine that is expected, linked, or was live when we stopped and has an address has told
 * its frontier and all that they claimed is here; or after rejoin_wait with at least one answer and all that
 * was claimed; or without any answer, alone, when that is allowed. What is claimed and never delivered is
 * dropped by fetch.c, so that this ends. */
#ifndef OB_PEER_RECONCILE_H
#define OB_PEER_RECONCILE_H

struct ob_peer;

void ob_reconcile_start(struct ob_peer *peer);
void ob_reconcile_tick(struct ob_peer *peer);
void ob_reconcile_check(struct ob_peer *peer); /* ends it when it may end */

#endif
