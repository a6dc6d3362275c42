/* pacing - whose records we wait for before the next round, and which round that is.
 *
 * A machine is paced while it has not said goodbye, is not idle, and is not quiet: a new record within
 * max(5 s, 3 median rounds). It enters when its head is within k rounds of ours, and then stays
 * however far it falls behind: that is what we wait for, as long as our patience lasts (patience.h). Who is more than k
 * behind enough others goes where they are (reached.h). Nothing here changes what a record means. Source:
 * docs/design.md, "Rounds, staleness, membership"; docs/decisions/0021-pace.md. */
#ifndef OB_PEER_PACING_H
#define OB_PEER_PACING_H

#include <stdbool.h>
#include <stdint.h>

struct ob_peer;
struct machine;

void ob_pacing_update(struct ob_peer *peer);                          /* who is paced, which round is next */
void ob_pacing_record(struct ob_peer *peer, struct machine *machine); /* a new record of it was taken */
void ob_pacing_heard(struct ob_peer *peer, struct machine *machine);  /* a heartbeat of it, or a record */
void ob_pacing_round_took(struct ob_peer *peer, uint64_t ns);         /* one of ours */
bool ob_pacing_may_start(struct ob_peer *peer);
struct machine *ob_pacing_waits_for(const struct ob_peer *peer); /* NULL: nobody holds up our next round */
uint16_t ob_pacing_live(const struct ob_peer *peer);
uint64_t ob_pacing_median_ns(const struct ob_peer *peer);

#endif
