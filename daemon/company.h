/* company - whether those who trained with us are still there: an operator is told when they fall silent together, or all of
 * them do, without a goodbye. What the run does about it is the peer's to decide (isolation).
 *
 * Threads: the network thread. Time: monotonic nanoseconds, handed in. */
#ifndef OB_DAEMON_COMPANY_H
#define OB_DAEMON_COMPANY_H

#include "daemon/session.h"

#define OB_COMPANY_SILENCE_S 30 /* without a heartbeat; they come every second */

/* Other machines with a certificate in force that we have heard since our start and that did not say goodbye. */
struct ob_company {
    size_t there;
    size_t missing; /* not heard for OB_COMPANY_SILENCE_S */
};

enum ob_company_state {
    OB_COMPANY_WHOLE, /* nobody is missing, or a single one of several: it crashed, perhaps */
    OB_COMPANY_SPLIT, /* two or more, and at least a quarter of all with us: more likely the network */
    OB_COMPANY_ALONE  /* all */
};
struct ob_company ob_company_count(const struct ob_peer *peer, uint64_t now_ns);
enum ob_company_state ob_company_judge(const struct ob_company *company);

struct ob_company_watch {
    enum ob_company_state told;
    uint64_t looked_ns;
};
/* Call as often as you like: looks every few seconds, tells a state when it begins, and when all is well again. */
void ob_company_tend(struct ob_company_watch *watch, const struct ob_session *session, uint64_t now_ns);

#endif
