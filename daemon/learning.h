/* learning - what the samples say of the rate: the curvature that steps meet, and the rate that they are taken at. For status and
 * for whoever judges a run.
 *
 * Threads: the network thread. */
#ifndef OB_DAEMON_LEARNING_H
#define OB_DAEMON_LEARNING_H

#include "daemon/compute_queue.h"
#include "peer/peer.h"
#include "run/manifest.h"

/* NAN: not measured yet, or a loss was not finite. */
struct ob_learning {
    double rate;                       /* of one sample of ours now, by schedule, combination and machines */
    double curvature, curvature_error; /* tr CH (spsa/curvature.h), and the standard error of its mean */
    double rate_curvature;             /* their product: no unit */
    double estimate_rms;               /* of g, over the samples that were measured */
    double samples;                    /* that count */
};

/* `samples`: of a round of ours. */
struct ob_learning ob_learning_of(const struct ob_manifest *manifest, const struct ob_peer_view *peer,
                                  uint16_t samples, const struct ob_compute_view *work);

#endif
