/* finish - may a daemon that was told to end with the run (`exit_when_finished`) end now? When others hold its last records,
 * as far as it can know, or after a minute.
 * Threads: the network thread. */
#ifndef OB_DAEMON_FINISH_H
#define OB_DAEMON_FINISH_H

#include <stdbool.h>
#include <stdint.h>

#include "peer/view.h"

struct ob_finish {
    uint64_t since_s, looked_s; /* 0: not finished; not yet */
};

/* Once a second it looks; else false. */
bool ob_finish_now(struct ob_finish *finish, const struct ob_peer *peer, uint64_t now_s);

#endif
