/* manifest_serve - a member's part in the transfer of a manifest: it answers questions for pieces (manifest_frames.h).
 *
 * Threads: the network thread. */
#ifndef OB_DAEMON_MANIFEST_SERVE_H
#define OB_DAEMON_MANIFEST_SERVE_H

#include "run/manifest.h"
#include "transport/transport.h"

/* Answers a question for a piece; what else such a frame may be is dropped. */
void ob_manifest_serve(const struct ob_manifest *manifest, struct ob_transport *transport,
                       const struct ob_machine_id *from, const uint8_t *data, size_t bytes);

#endif
