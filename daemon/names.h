/* names - what a machine is called in the log and in a status.
 * Threads: the network thread. */
#ifndef OB_DAEMON_NAMES_H
#define OB_DAEMON_NAMES_H

#include "daemon/config.h"
#include "peer/peer.h"

/* Its name in [peers], else its certificate's (`peer` may be NULL), else the first digits of its key. Returns `buffer`. */
const char *ob_machine_name(const struct ob_config *config, const struct ob_peer *peer,
                            const struct ob_machine_id *machine, char buffer[64]);

#endif
