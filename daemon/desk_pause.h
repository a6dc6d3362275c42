/* desk_pause - training only when the owner of this machine wants it ([desk] of the configuration): the rules from there,
 * what is known of the machine, and which reasons to pause follow.
 *
 * Errors:  OB_EUSAGE: run_when = idle where nobody can say whether the machine is in use.
 * Owns:    the thread that looks at the machine (desk/watch.h); none while nothing has to be looked at.
 * Threads: the network thread. */
#ifndef OB_DAEMON_DESK_PAUSE_H
#define OB_DAEMON_DESK_PAUSE_H

#include "daemon/config.h"
#include "daemon/pause.h"
#include "desk/watch.h"

struct ob_desk_pause {
    struct ob_desk_watch *watch; /* NULL: nothing has to be looked at */
    struct ob_desk_rules rules;
    struct ob_desk_facts facts;
    struct ob_desk_verdict verdict;
    uint64_t looked_ns;
};

/* Can these settings be followed here? Waits for what it looks at. */
OB_MUST_USE enum ob_err ob_desk_pause_check(const struct ob_config *config, struct ob_error *error);
OB_MUST_USE enum ob_err ob_desk_pause_open(struct ob_desk_pause *desk, const struct ob_config *config,
                                           struct ob_error *error);
/* Other settings from now on. On failure the watch is as it was. */
OB_MUST_USE enum ob_err ob_desk_pause_reload(struct ob_desk_pause *desk, const struct ob_config *config,
                                             struct ob_error *error);
/* Once a second. True: the verdict is another one, ret_gone and ret_come are the reasons (1 << reason). */
bool ob_desk_pause_tend(struct ob_desk_pause *desk, uint64_t now_ns, unsigned *ret_gone, unsigned *ret_come);
void ob_desk_pause_close(struct ob_desk_pause *desk);

/* The reason to pause for one of the desk's; and back: false, it is none of these. */
enum ob_pause_reason ob_desk_pause_reason(enum ob_desk_reason reason);
/* Why this reason holds, until when, and what to do: of the desk's with their figures. Returns a text, or `buffer`. */
const char *ob_desk_pause_text(const struct ob_desk_pause *desk, const struct ob_config *config,
                               enum ob_pause_reason reason, char buffer[OB_DESK_TEXT_MAX]);

#endif
