/* rounds - our own rounds: starting one, turning its bytes into a record, pausing, leaving.
 *
 * A record is signed only for samples that our chain does not hold and that nobody claims to hold: as long as
 * somebody's claim about our own chain is open, no round starts and a finished one is thrown away. */
#ifndef OB_PEER_ROUNDS_H
#define OB_PEER_ROUNDS_H

#include <stdbool.h>

#include "peer/events.h"

struct ob_peer;

void ob_rounds_done(struct ob_peer *peer, const struct ob_event *event);
/* Called when asked to leave, and again when the round that ran is done. */
void ob_rounds_leave(struct ob_peer *peer);
void ob_rounds_pause(struct ob_peer *peer, bool pause);
void ob_rounds_try_start(struct ob_peer *peer);

#endif
