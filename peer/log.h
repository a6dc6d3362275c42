/* log - the chains together: how a chain of ours or of others grows and is cut back, and the log digest. */
#ifndef OB_PEER_LOG_H
#define OB_PEER_LOG_H

#include "record/record.h"

struct ob_peer;
struct machine;

/* Takes a record that extends its chain into the table; no effects. */
void ob_log_extend(struct ob_peer *peer, struct machine *machine, const struct ob_record *record,
                   const struct ob_hash *hash);
/* The chain ends at this record of it from now on (NULL: it is empty). */
void ob_log_shorten(struct ob_peer *peer, struct machine *machine, const struct ob_record *head);

/* BLAKE2b over the sorted frontier (docs/wire.md): of all that is held, and of the last named frontier. */
struct ob_hash ob_log_digest(const struct ob_peer *peer);
struct ob_hash ob_log_digest_below(const struct ob_peer *peer);

#endif
