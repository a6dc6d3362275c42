/* way - from neighbour to neighbour towards a machine that we have no link to, and back.
 *
 * A record reaches a machine from a neighbour that held it before; so from neighbour to neighbour, each time
 * to the one that told us of the target's newest record first, a question comes to the target. Its answer
 * goes back as the question came. Whoever is on the way may hear nobody, or swallow what it should hand on,
 * and a machine that is isolated signs nothing, so that what its last record showed is no way any more: of
 * four attempts one takes, at each peer, the one that told us second, and one any neighbour; of two answers
 * one goes by the asker's records. */
#ifndef OB_PEER_WAY_H
#define OB_PEER_WAY_H

#include <stdbool.h>
#include <stdint.h>

struct ob_peer;
struct machine;

/* A record of a machine came from `sender`; `first`: it was new. */
void ob_way_learn(struct machine *machine, struct machine *sender, bool first);
/* A question of `asker` (may be NULL) came from `sender`. Nothing that is signed says so. */
void ob_way_learn_back(const struct ob_peer *peer, struct machine *asker, struct machine *sender);
/* Towards whom a question is about, never back to `from` (NULL: our own question). NULL: we have no other
 * neighbour. */
struct machine *ob_way_to(struct ob_peer *peer, struct machine *machine, const struct machine *from,
                          uint8_t attempt);
/* To the asker: as its question came, or against its records. */
struct machine *ob_way_back(struct ob_peer *peer, struct machine *asker, const struct machine *from,
                            uint8_t attempt);
/* For a neighbour; false: it is too much for now. */
bool ob_way_hands_on(const struct ob_peer *peer, struct machine *sender);

#endif
