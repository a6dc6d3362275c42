/* perform - a step of a simulated machine's peer and the carrying out of its effects. */
#ifndef OB_SIM_PERFORM_H
#define OB_SIM_PERFORM_H

#include "tests/sim/cluster.h"

/* Nothing happens when the machine is down. It may be down afterwards. */
void sim_perform_step(struct sim_cluster *cluster, size_t node, const struct ob_event *event);
/* The round with this number is done (or is not the one that runs any more). */
void sim_perform_round_done(struct sim_cluster *cluster, size_t node, size_t round_number);

#endif
