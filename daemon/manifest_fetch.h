/* manifest_fetch - how a newcomer that has only a certificate gets the run's manifest from a member (manifest_frames.h).
 *
 * It goes on until the manifest is there (fetching.h).
 *
 * Errors:  OB_EUSAGE, there is nobody to fetch it from; OB_ESTATE, told to leave; those of files and sockets.
 * Threads: one at a time. */
#ifndef OB_DAEMON_MANIFEST_FETCH_H
#define OB_DAEMON_MANIFEST_FETCH_H

#include "daemon/session.h"
#include "run/certificate.h"

/* Fetches the manifest of the certificate's run from the configured peers (or those that a beacon shows) and writes it to
 * config->manifest. Of the session configuration, logger and identity are there. */
OB_MUST_USE enum ob_err ob_manifest_fetch(const struct ob_session *session,
                                          const struct ob_certificate_file *certificate,
                                          struct ob_error *error);
/* OB_EUSAGE: [peers] has no address and beacons are off. */
OB_MUST_USE enum ob_err ob_manifest_source_check(const struct ob_config *config, struct ob_error *error);

#endif
