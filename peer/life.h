/* life - the states of a peer, and which may follow which.
 *
 *   RECOVERING    the caller's store fills the tables               → RECONCILING, LEFT
 *   RECONCILING   what do others hold of our chain?                 → WAITING, PAUSED, LEAVING, HALTED
 *   WAITING       for others' records (pacing), or for a new round  → TRAINING, PAUSED, ISOLATED, FINISHED, …
 *   TRAINING      a round runs                                      → WAITING, PAUSED, LEAVING, HALTED
 *   PAUSED        by the caller                                     → WAITING, LEAVING, HALTED
 *   ISOLATED      too few hear us                                   → WAITING, PAUSED, LEAVING, HALTED
 *   FINISHED      all rounds are done                               → WAITING (a renewed certificate), …
 *   LEAVING       the round that runs is the last one               → LEFT, HALTED
 *   LEFT, HALTED  the end
 *
 * In every life but LEFT and HALTED the peer takes in records, repairs gaps and answers others. */
#ifndef OB_PEER_LIFE_H
#define OB_PEER_LIFE_H

#include <stdbool.h>

enum ob_peer_life {
    OB_PEER_RECOVERING,
    OB_PEER_RECONCILING,
    OB_PEER_TRAINING,
    OB_PEER_WAITING,
    OB_PEER_PAUSED,
    OB_PEER_ISOLATED,
    OB_PEER_FINISHED,
    OB_PEER_LEAVING,
    OB_PEER_LEFT,
    OB_PEER_HALTED
};
const char *ob_peer_life_name(enum ob_peer_life life);
bool ob_life_may_move(enum ob_peer_life from, enum ob_peer_life to);

#endif
