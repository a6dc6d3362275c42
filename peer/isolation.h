/* isolation - do others still hear us? Merging two halves that trained separately for long degrades the model, so a
 * machine that is alone with a minority pauses after a while.
 *
 * Last live are we and the machines that we wait for (pacing), and those that we waited for until they fell
 * silent: these keep counting until half of all, they included, hold a record that we signed afterwards. Goodbyes,
 * cuts and lost certificates leave the count at once. A machine acknowledges what it says it holds of our
 * chain: a neighbour in frontiers and answers to HOLDS_ASK, any other in signed answers that are handed on
 * (holds.h), asked for when it acknowledges less than what a quarter of isolation_rounds ago was all.
 *
 * The acknowledged position is the largest one that at least half of the last live hold; rounds after it (of
 * this start) are unacknowledged, and when there are isolation_rounds of them no further one starts until that
 * changes. Source: docs/design.md, "Rounds, staleness, membership". */
#ifndef OB_PEER_ISOLATION_H
#define OB_PEER_ISOLATION_H

#include <stdbool.h>
#include <stdint.h>

struct ob_peer;
struct machine;

void ob_isolation_start(struct ob_peer *peer); /* reconciling is over */
void ob_isolation_update(struct ob_peer *peer);
bool ob_isolation_holds(const struct ob_peer *peer); /* too few hear us: no further round */
void ob_isolation_acknowledge(struct ob_peer *peer, struct machine *machine, uint64_t next);

#endif
