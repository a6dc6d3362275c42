/* status - what a daemon says of itself, as JSON; docs/files.md lists the fields.
 *
 * Errors:  NULL when there is no memory; no state of the daemon makes it fail.
 * Owns:    the answer is malloc'ed, the caller's.
 * Threads: the network thread; looks, changes nothing. */
#ifndef OB_DAEMON_STATUS_H
#define OB_DAEMON_STATUS_H

#include "daemon/state.h"

/* One word: what it does. */
const char *ob_daemon_life(const struct ob_daemon *daemon, const struct ob_peer_view *view);
char *ob_daemon_status(const struct ob_daemon *daemon);

#endif
