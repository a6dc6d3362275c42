/* attacker - an admitted machine with bad intent. It runs on a node instead of a peer, continues the chain that its disk
 * holds, answers for it, never halts and never tells anybody about evidence.
 *
 * One that forks signs two chains, publishes each branch's records and heartbeats to its own audience, and answers for
 * the branch that the asker is shown. A hostile one signs one chain and does what its kind says (plan.h). */
#ifndef OB_SIM_ATTACKER_H
#define OB_SIM_ATTACKER_H

#include "tests/sim/cluster.h"

/* The node's peer, if any, is gone afterwards. `audience` hears the second branch (sim_plan_in). */
void sim_attacker_start(struct sim_cluster *cluster, size_t node, enum sim_fork_kind kind, uint64_t audience);
void sim_attacker_start_hostile(struct sim_cluster *cluster, size_t node, enum sim_hostile_kind kind);
void sim_attacker_stop(struct sim_cluster *cluster, size_t node); /* nothing runs there afterwards */
void sim_attacker_free(struct sim_attacker **attacker);           /* NULL is fine; nulls it */

/* Its next record and heartbeat on each branch. */
void sim_attacker_act(struct sim_cluster *cluster, size_t node);
/* A message of an attacker reached a running peer: the ledger knows of the records in it from now on. */
void sim_attacker_shown(struct sim_cluster *cluster, const struct sim_buffer *buffer);
void sim_attacker_receive(struct sim_cluster *cluster, size_t node, size_t from,
                          const struct sim_buffer *buffer);

#endif
