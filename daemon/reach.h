/* reach - what an operator is told when no other machine can be reached: for each of [peers] why not, once a minute.
 * Threads: the network thread. Time: monotonic seconds, handed in. */
#ifndef OB_DAEMON_REACH_H
#define OB_DAEMON_REACH_H

#include "daemon/contacts.h"
#include "daemon/session.h"

struct ob_reach_watch {
    uint64_t since_s, told_s; /* alone since then; last told; 0: not */
};

/* Call every second or so. alone: nobody is linked or heard, and somebody should be. The first word after fifteen seconds. */
void ob_reach_tend(struct ob_reach_watch *watch, const struct ob_session *session,
                   const struct ob_contacts *contacts, bool alone, uint64_t now_s);
/* Somebody in [peers] has an address (or beacons are heard): others are meant to be there. */
bool ob_reach_expected(const struct ob_session *session);

#endif
