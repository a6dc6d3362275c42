/* checks - what must be true of a cluster. Each returns NULL or the rule that is broken.
 *
 * Checked while things happen, in perform.c and ledger.c: a peer's own invariants after each step; no sample
 * signed twice by an honest machine; stored before applied, durable before published, applied once; nobody is
 * waited for beyond the staleness bound. Checked at the end, here. A node counts when it runs and has neither
 * halted nor been revoked (sim_cluster_counts). */
#ifndef OB_SIM_CHECKS_H
#define OB_SIM_CHECKS_H

#include "tests/sim/cluster.h"

/* Convergence: the same log and control digests at every node that counts; nobody still has a round.
 * Else false, and ret_node is one that differs from the first. */
bool sim_check_agree(const struct sim_cluster *cluster, size_t *ret_node);
/* Equal logs, record by record; nothing that an honest machine published is missing; nothing counts at or
 * above a revocation; the authority's newest certificates are in force; new addresses are known. */
const char *sim_check_logs(const struct sim_cluster *cluster);
/* The same bits everywhere, and the same as from the log in another order. */
const char *sim_check_weights(struct sim_cluster *cluster);
/* Everybody has signed something since the cluster healed, but for who is isolated in a minority that stays one; else ret_node is one that has not. */
const char *sim_check_progress(const struct sim_cluster *cluster, size_t *ret_node);
/* Of the hosts of a copied identity at most one goes on, and none when both have signed, as far as anybody who belongs, or a
 * host of the key, holds it. */
const char *sim_check_copies(const struct sim_cluster *cluster, size_t *ret_node);
/* With one member of bad intent: nobody skips rounds because of it, nobody verifies weights for it again and again, and
 * it does not hold everybody up once nothing else is wrong. */
const char *sim_check_start(const struct sim_cluster *cluster, size_t node,
                            const struct ob_effect_start *start);
const char *sim_check_rebuild(struct sim_cluster *cluster, size_t node); /* one begins; counts it */
const char *sim_check_pace(const struct sim_cluster *cluster, size_t *ret_node);
/* An expectation of the plan. */
const char *sim_check_expected(const struct sim_cluster *cluster, const struct sim_entry *entry);

#endif
