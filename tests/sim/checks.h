/* checks - what must be true of a cluster once its network is calm. Each returns NULL or the rule that is
 * broken. */
#ifndef OB_SIM_CHECKS_H
#define OB_SIM_CHECKS_H

#include "tests/sim/cluster.h"

/* Convergence: the same log and control digests at every live machine; nobody still has a round or a
 * question. */
bool sim_check_agree(const struct sim_cluster *cluster);
/* Nothing published by a live machine is missing anywhere, and logs are what machines really signed. */
const char *sim_check_logs(const struct sim_cluster *cluster);
/* The same bits everywhere, and the same as from the log in another order. */
const char *sim_check_weights(struct sim_cluster *cluster);
/* Everybody has signed something since the cluster healed; else ret_node is one that has not. */
const char *sim_check_progress(const struct sim_cluster *cluster, size_t *ret_node);

#endif
