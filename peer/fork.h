/* fork - two chains under one key: where do they part? The record after the last common one, from both
 * chains, is evidence; with it everybody cuts the machine at the same sample.
 *
 * Whoever meets a signed record, or is told of a head, that cannot belong to the chain that it holds bisects:
 * of another peer's chain it asks for the record that holds a sample in the middle and compares it with its
 * own. The first sample f of the fork is a record's first in both chains, and low <= f <= high:
 *
 *   the same record          everything up to its end is common: low = its end
 *   the same prev, another   that is the fork: evidence
 *   both differ              the fork lies at or before the earlier of the two: high = its first
 *
 * The range shrinks with each answer. Only records with good signatures are believed; a search that comes to
 * nothing (lost answers, a chain that was cut meanwhile, a false claim) is begun again by the next
 * contradiction. */
#ifndef OB_PEER_FORK_H
#define OB_PEER_FORK_H

#include <stdbool.h>
#include <stddef.h>

#include "record/record.h"

struct ob_peer;
struct machine;

/* `with` holds another chain of `machine` than we: where do they part? */
void ob_fork_search(struct ob_peer *peer, struct machine *machine, struct machine *with);
/* True: the record was an answer to a search. */
bool ob_fork_answer(struct ob_peer *peer, struct machine *sender, const void *data, size_t bytes);
/* A signed record against ours of the same place: evidence when they have the same prev; else false. */
bool ob_fork_at(struct ob_peer *peer, struct machine *machine, const struct ob_record *theirs);
/* A signed record of our own key, from `sender`, that cannot be of our chain. We sign nothing any more, and stop
 * for good: at once with evidence, which is published, when it is at hand; else when the search for it ends. Both
 * hosts of a key may be the only ones that hold the two chains: who stops without a word leaves the others with
 * a chain that nobody cuts. */
void ob_fork_own(struct ob_peer *peer, struct machine *sender, const struct ob_record *theirs);
void ob_fork_tick(struct ob_peer *peer);

#endif
