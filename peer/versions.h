/* versions - OB_MESSAGE_VERSIONS: the protocol versions that a machine speaks. Sent on a new link, in answer to one that says
 * something new and, each once in TELL_EVERY_NS, to a machine that sent a message of a version that is not spoken here. It is read
 * whatever its version byte is (the lowest that its sender speaks), and its layout never changes.
 *
 *     kind u8 ‖ version u8 ‖ run 32 ‖ lowest u8 ‖ highest u8;  1 <= lowest <= highest */
#ifndef OB_PEER_VERSIONS_H
#define OB_PEER_VERSIONS_H

#include "base/cursor.h"
#include "base/ids.h"
#include "record/wire.h"

struct ob_peer;
struct machine;

#define OB_VERSIONS_BYTES (OB_MESSAGE_HEADER_BYTES + OB_HASH_BYTES + 2)

struct ob_versions {
    struct ob_run_id run;
    uint8_t lowest, highest;
};

size_t ob_versions_encode(const struct ob_versions *versions, uint8_t ret_data[static OB_VERSIONS_BYTES]);
bool ob_versions_decode(struct ob_reader body, struct ob_versions *ret_versions);

void ob_versions_send(struct ob_peer *peer, struct machine *to);
/* A message of this version came. False: it is not spoken here, and the sender and the log are told. */
bool ob_versions_admit(struct ob_peer *peer, struct machine *sender, uint8_t version);
/* The link is gone: what comes back may be another program. */
void ob_versions_forget(struct machine *machine);
void ob_receive_versions(struct ob_peer *peer, struct machine *sender, struct ob_reader body);

#endif
