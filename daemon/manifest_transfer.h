/* manifest_transfer - how a newcomer that has only a certificate gets the run's manifest from a member.
 *
 *   kind 60, ask     u8 60, u8 version 1, run_id 32, u32 offset
 *   kind 61, piece   u8 61, u8 version 1, run_id 32, u32 total bytes, u32 offset, bytes (at most
 *                    OB_MANIFEST_PIECE_MAX)
 *
 * The manifest's hash is the run id, which stands in the certificate: it need not be trusted, only checked.
 *
 * Errors:  OB_EREFUSED, the certificate does not let us in; OB_ESTATE, told to stop; those of files and
 *          sockets.
 * Threads: one at a time. */
#ifndef OB_DAEMON_MANIFEST_TRANSFER_H
#define OB_DAEMON_MANIFEST_TRANSFER_H

#include "daemon/manifest_frames.h"
#include "daemon/session.h"
#include "run/certificate.h"
#include "run/manifest.h"
#include "transport/transport.h"

/* Answers an ask, if this is one; false: it is another message. */
bool ob_manifest_serve(const struct ob_manifest *manifest, struct ob_transport *transport,
                       const struct ob_machine_id *from, const uint8_t *data, size_t bytes);
/* Fetches the manifest of the certificate's run from the configured peers (or those that a beacon shows) and
 * writes it to config->manifest. Returns when it is there, when a signal to leave is pending, or on an error.
 */
OB_MUST_USE enum ob_err ob_manifest_fetch(const struct ob_session *session,
                                          const struct ob_certificate_file *certificate,
                                          struct ob_error *error);
/* What is shown at a door: run_id ‖ entry. Returns its length. */
size_t ob_hello_encode(const struct ob_certificate_file *certificate, uint8_t ret_hello[OB_HELLO_MAX]);
/* The run's tag in beacons. */
void ob_beacon_tag(const struct ob_run_id *run, uint8_t ret_tag[OB_BEACON_TAG_BYTES]);

#endif
