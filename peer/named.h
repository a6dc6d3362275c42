/* named - frontiers that peers can compare weights at while they train, and when a digest of them is wanted.
 *
 * The named frontier R, a multiple of the digest interval, is all records of rounds below R. It is named as
 * soon as every machine that is waited for (and we, when we train) has a record of round R or a later one:
 * from then on only a straggler, or a cut, still changes what is below it. Where each chain stands at R is
 * remembered as it passes (chain.h, struct crossing); the log digest of those ends says exactly which records
 * are meant, so that two peers compare their weights only when they mean the same ones: equal log digests,
 * whatever R was. A record below R that comes late changes that digest; the digest of the weights is then
 * made anew.
 *
 * When the log is at rest, and we run no round, the whole of it serves as well: that is what shows after the
 * last round that all have the same weights.
 *
 * One digest is asked for at a time (OB_EFFECT_DIGEST), and the same one at intervals that are long against
 * what it took. */
#ifndef OB_PEER_NAMED_H
#define OB_PEER_NAMED_H

#include <stdbool.h>

#include "base/ids.h"
#include "peer/events.h"

struct ob_peer;
struct weights_digest;

void ob_named_tick(struct ob_peer *peer);
/* OB_EVENT_DIGEST. True: there is a new weights digest of ours. */
bool ob_named_answer(struct ob_peer *peer, const struct ob_event *event);
/* Our weights digest of these records, and the latest one; NULL: there is none. */
const struct weights_digest *ob_named_find(const struct ob_peer *peer, const struct ob_hash *log);
const struct weights_digest *ob_named_last(const struct ob_peer *peer);
void ob_named_forget(struct ob_peer *peer); /* our weights were wrong: all digests of them are */

#endif
