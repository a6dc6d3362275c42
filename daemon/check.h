/* check - `onebyted --check`: would this configuration start? Reads configuration, identity, manifest, certificate, model and
 * data; writes nothing, connects to nobody and takes no lock, so that it may run beside a daemon.
 *
 * Errors:  those that the start would have, naming the file. What only the start itself can find out (an address in use, a
 *          manifest that a peer must deliver) is said on `notes`, one line each.
 * Threads: one at a time. */
#ifndef OB_DAEMON_CHECK_H
#define OB_DAEMON_CHECK_H

#include <stdio.h>

#include "daemon/config.h"

OB_MUST_USE enum ob_err ob_daemon_check(const struct ob_config *config, FILE *notes, struct ob_error *error);

#endif
