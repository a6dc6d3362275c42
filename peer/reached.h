/* reached - which round have enough machines reached that we may go there without walking? Pure; nothing here knows a
 * peer.
 *
 * One machine's word is worth nothing: a record of the last round costs its signer one signature. So a jump goes to the
 * highest round that a majority of the machines last live, and at least two of them, have a record of. Where just half of
 * them are ahead (one of two, above all), nobody is outvoted: then what they could have done counts, full rounds from
 * their samples, and we follow a round faster than we walk. docs/decisions/0021-pace.md has why. */
#ifndef OB_PEER_REACHED_H
#define OB_PEER_REACHED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The highest round that `need` of these machines have reached; false: there are not so many. Sorts the rounds. */
bool ob_reached_by(uint32_t *rounds, size_t count, size_t need, uint32_t *ret_round);
/* Of `live` machines: how many are a majority, and at least two; and how many are half of them, at least one. */
size_t ob_reached_majority(size_t live);
size_t ob_reached_half(size_t live);

#endif
