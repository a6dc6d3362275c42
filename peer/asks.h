/* asks - which machine an ask for records is open at: counted for each, and in all. */
#ifndef OB_PEER_ASKS_H
#define OB_PEER_ASKS_H

#include <stdbool.h>

struct ob_peer;
struct machine;

bool ob_asks_room(const struct ob_peer *peer, const struct machine *of); /* for another one at it */
/* An ask for records of `machine` is open at `of` from now on. */
void ob_asks_open(struct ob_peer *peer, struct machine *machine, struct machine *of);
void ob_asks_close(struct ob_peer *peer, struct machine *machine); /* the one that is open, if any */

#endif
