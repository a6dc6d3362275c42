/* perform - a step of a simulated machine's peer and the carrying out of its effects. */
#ifndef OB_SIM_PERFORM_H
#define OB_SIM_PERFORM_H

#include "tests/sim/cluster.h"

/* Fills in the clocks. Nothing happens when no peer runs there. None may run afterwards. */
void sim_perform_step(struct sim_cluster *cluster, size_t node, const struct ob_event *event);
/* The round with this number is done (or is not the one that runs any more). */
void sim_perform_round_done(struct sim_cluster *cluster, size_t node, size_t round_number);
/* Something could not be stored: the peer's tables are ahead of its disk, so it is given up and built anew
 * from the disk when there is room. */
void sim_perform_disk_full(struct sim_cluster *cluster, size_t node);

#endif
