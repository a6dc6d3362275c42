/* session - what the parts of a daemon work with: opened at the start, the same until the end. A part that gets a
 * session can look at the peer but not step it, and cannot reach the daemon's loop: what it wants done is returned.
 *
 * Owns:    nothing; daemon/open.c opens and closes what it points to.
 * Threads: the network thread, but for the replica, which is the compute thread's. */
#ifndef OB_DAEMON_SESSION_H
#define OB_DAEMON_SESSION_H

#include "daemon/compute.h"
#include "daemon/config.h"
#include "daemon/line_limit.h"
#include "peer/peer.h"
#include "run/logger.h"
#include "run/manifest.h"
#include "run/movements.h"
#include "run/replica.h"
#include "store/store.h"
#include "transport/identity.h"
#include "transport/transport.h"

struct ob_session {
    struct ob_config *config; /* the caller's; a reload replaces its peers and its log level */
    const struct ob_logger *logger;
    struct ob_line_limit *lines; /* about what others do */
    const struct ob_identity *identity;
    struct ob_manifest *manifest;
    struct ob_store *store;
    struct ob_replica *replica;
    struct ob_movements *movements; /* of the records that count */
    struct ob_compute *compute;
    struct ob_peer *peer; /* stepped by daemon/daemon.c alone */
    struct ob_transport *transport;
};

#endif
