/* restore - filling a peer's tables from the caller's store, before OB_EVENT_START. */
#ifndef OB_PEER_RESTORE_H
#define OB_PEER_RESTORE_H

#include <stddef.h>

#include "base/err.h"
#include "record/record.h"

struct ob_peer;

/* What the caller's store holds, each machine's records in chain order, control
 * entries in any. What does not count (any more) is found at the start and un-applied then. Verified by the
 * store's own checks, not by signature again.
 * Errors:  OB_EMISMATCH when it does not extend its chain. */
OB_MUST_USE enum ob_err ob_peer_restore_record(struct ob_peer *peer, const struct ob_record *record,
                                               struct ob_error *error);
OB_MUST_USE enum ob_err ob_peer_restore_control(struct ob_peer *peer, const void *data, size_t bytes,
                                                struct ob_error *error);

#endif
