/* reload - SIGHUP: the configuration is read again, and what can change while the daemon runs does: [peers], [machine]
 * log_level, [swarm] snapshot_upload_kib, and the file of [run] certificate. What else differs is named: it needs a restart.
 *
 * Errors:  those of a step. What is wrong with the file is told in the log, and everything stays as it was.
 * Threads: the network thread. */
#ifndef OB_DAEMON_RELOAD_H
#define OB_DAEMON_RELOAD_H

#include "daemon/state.h"

OB_MUST_USE enum ob_err ob_daemon_reload(struct ob_daemon *daemon, struct ob_error *error);

#endif
