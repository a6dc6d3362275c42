/* replica - the weights of one simulated machine, by the real spsa library. */
#ifndef OB_SIM_REPLICA_H
#define OB_SIM_REPLICA_H

#include "spsa/replay.h"
#include "tests/sim/ledger.h"

#define SIM_REPLICA_BATCH 32

/* Without weights (all zeros) everything below does nothing: a node whose weights are not watched. One that shares adds up what
 * each record does to weights of zero, which the library computes once for all replicas of a run; the others give the library
 * batches of records, as they come. */
struct sim_replica {
    bool shares;
    const struct ob_spsa_engine *engine;
    const struct ob_spsa_rule *rule;
    struct ob_spsa_weights *weights;
    struct sim_record *pending[SIM_REPLICA_BATCH];
    size_t pending_count;
};

void sim_replica_init(struct sim_replica *replica, const struct ob_spsa_engine *engine,
                      const struct ob_spsa_rule *rule);
void sim_replica_done(struct sim_replica *replica);
void sim_replica_apply(struct sim_replica *replica, struct sim_record *record);
void sim_replica_unapply(struct sim_replica *replica, struct sim_record *record);
void sim_replica_flush(struct sim_replica *replica);
/* A wrong bit, as memory without error correction may have one: bit `which`, modulo as many as there are. */
void sim_replica_flip(struct sim_replica *replica, uint64_t which);
bool sim_replica_equal(const struct sim_replica *a, const struct sim_replica *b);

#endif
