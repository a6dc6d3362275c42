/* dispute - what follows when two peers hold the same records and say different things about their weights.
 *
 * Two digests do not say who is wrong. Each says so, starts no further round (one that runs is thrown away
 * when it is done), and has its weights rebuilt from base and log (OB_EFFECT_REBUILD). Where they differ
 * from its memory the memory was wrong and is right now; where they do not, the other one is wrong, and we go
 * on: our weights are proven, and no majority is needed. The same rebuild follows when the caller's memory
 * check finds something (OB_EVENT_DISPUTE).
 *
 * A member that lies could stop others for as long as a rebuild takes. An accusation is therefore looked into once and to
 * its end, whatever the accuser says meanwhile (a right digest does not take a wrong one back); who turned out to be
 * wrong is not listened to for ALARM_REST times as long, and twice as long each time. Members who lie one after the
 * other wait for their turn, RESTS times as long as a rebuild took and longer each time, unless they are most of those
 * that can be compared with. */
#ifndef OB_PEER_DISPUTE_H
#define OB_PEER_DISPUTE_H

#include "peer/events.h"

struct ob_peer;
struct machine;

void ob_dispute_compare(struct ob_peer *peer, struct machine *machine); /* what it reported last */
void ob_dispute_compare_all(struct ob_peer *peer);
void ob_dispute_tick(struct ob_peer *peer); /* an accusation that has waited for its turn */
void ob_dispute_raise(struct ob_peer *peer);
void ob_dispute_resolved(struct ob_peer *peer, const struct ob_event *event);

#endif
