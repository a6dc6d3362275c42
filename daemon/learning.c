#include "daemon/learning.h"

#include <math.h>

struct ob_learning ob_learning_of(const struct ob_manifest *manifest, const struct ob_peer_view *peer,
                                  uint16_t samples, const struct ob_compute_view *work) {
    const struct ob_spsa_curvature *c = &work->curvature;
    uint16_t live = peer->live > 0 ? peer->live : 1;
    struct ob_learning learning = {
        .rate = ldexp((double)ob_spsa_rate(&manifest->rule, peer->round, live, samples), -80),
        .curvature = (double)NAN,
        .curvature_error = (double)NAN,
        .rate_curvature = (double)NAN,
        .estimate_rms = (double)NAN,
        .samples = c->weight};
    if (c->weight < 1)
        return learning;
    learning.curvature = c->mean;
    learning.curvature_error = ob_spsa_curvature_error(c);
    learning.rate_curvature = learning.rate * c->mean;
    learning.estimate_rms = sqrt(c->g_square);
    return learning;
}
