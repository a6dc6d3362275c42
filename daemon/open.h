/* open - a daemon's parts, opened in the order in which they need one another, and closed in the other. What is wrong with
 * a file or an address is found here, before the first event.
 *
 * Errors:  those of the parts; each names its file, and what to do.
 * Owns:    the daemon owns its parts; close accepts NULL.
 * Threads: one at a time. */
#ifndef OB_DAEMON_OPEN_H
#define OB_DAEMON_OPEN_H

#include "daemon/state.h"

/* `config` and `source`, which it was read from, are borrowed until close. */
OB_MUST_USE enum ob_err ob_daemon_open(const struct ob_daemon_source *source, struct ob_config *config,
                                       struct ob_daemon **ret_daemon, struct ob_error *error);
void ob_daemon_close(struct ob_daemon *daemon);
/* The same when the compute thread ends within so many milliseconds. False: it has not, and what it uses is left to it; all
 * that is to be durable is, and what was sent is out: the process must end now. */
bool ob_daemon_close_within(struct ob_daemon *daemon, unsigned timeout_ms);

#endif
