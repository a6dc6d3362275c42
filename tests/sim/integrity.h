/* integrity - digests and rebuilds of a simulated machine's weights: by its replica and its disk, as the
 * daemon does it by replica and store; the answer comes a moment later. */
#ifndef OB_SIM_INTEGRITY_H
#define OB_SIM_INTEGRITY_H

#include "tests/sim/cluster.h"

/* For OB_EFFECT_DIGEST and OB_EFFECT_REBUILD. */
void sim_integrity_digest(struct sim_cluster *cluster, size_t node, const struct ob_effect *effect);
void sim_integrity_rebuild(struct sim_cluster *cluster, size_t node);
/* What SIM_DIGEST and SIM_REBUILT bring. */
void sim_integrity_digest_done(struct sim_cluster *cluster, size_t node);
void sim_integrity_rebuilt(struct sim_cluster *cluster, size_t node);

#endif
