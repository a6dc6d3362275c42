/* patience - how much of our time goes by in waiting for one machine. Silence is not the only way to be slow.
 *
 * Of late (a mean that forgets) we worked so long, and waited so long for each machine. A machine has used our patience up
 * when it is behind (what the pacing allows, and a majority of the others is ahead of it by as much), we waited for it
 * longer than silence would have taken, and that is more than PATIENCE_SHARE times what we worked: it is slower than a
 * quarter of the median. With one other machine only there is no median, and a slow way looks like a slow machine: then
 * PATIENCE_PAIR. It is left alone for PATIENCE_REST times as long as we waited, twice as long each time. */
#ifndef OB_PEER_PATIENCE_H
#define OB_PEER_PATIENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ob_peer;
struct machine;

/* Time has passed: what it went by with. `waits_for`: NULL when we wait for nobody. `forget_ns`: of the mean. */
void ob_patience_account(struct ob_peer *peer, struct machine *waits_for, uint64_t forget_ns);
/* `least_ns`: what silence would take. `others`: machines that are waited for, beside this one; `ahead`: how many of
 * those, and we, are ahead of it by more than pacing allows. */
bool ob_patience_used_up(const struct ob_peer *peer, const struct machine *machine, uint64_t least_ns,
                         size_t others, size_t ahead);
void ob_patience_rest(struct ob_peer *peer, struct machine *machine); /* it is left alone for a while */
bool ob_patience_rests(const struct ob_peer *peer, const struct machine *machine);

#endif
