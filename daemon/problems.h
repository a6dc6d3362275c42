/* problems - what a person should know of a run now: each thing that is not as it should be, with its remedy; and what each
 * machine does, in a word. The status, the page and monitoring all show these.
 *
 * Owns:    strings are borrowed or inside.
 * Threads: pure. */
#ifndef OB_DAEMON_PROBLEMS_H
#define OB_DAEMON_PROBLEMS_H

#include "daemon/status_fields.h"

void ob_problems_of(const struct ob_status *status, uint64_t wall_s, struct ob_problems *ret_problems);
/* training, waiting, behind, finished (it has done all rounds), silent, slow, unreachable, left, revoked, forked, expired, disagrees, idle or new. */
const char *ob_machine_state(const struct ob_status *status, const struct ob_status_machine *machine,
                             uint64_t wall_s);

#endif
