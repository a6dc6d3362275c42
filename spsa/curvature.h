/* curvature - what second differences say of the curvature that a step along a random direction meets.
 *
 *   c = (L(w + ε σ z) + L(w - ε σ z) - 2 L(w)) / ε²  = zᵀ H z + O(ε²),   mean: tr CH, C the directions' covariance
 *
 * and, of the same samples, the mean square of g. A sample's step along its own direction is `rate · g`, so rate · tr CH
 * is dimensionless: the loss falls by rate · gᵀCg a sample and rises by ½ rate² · E g² · tr CH. A single sample of rows
 * with the signal-to-noise ratio ρ has its best step at rate · tr CH = ρ / (1 + ρ), and does harm from twice that on.
 *
 * The mean forgets: each sample weighs by a factor `keep` less than the one after it. Its error is that of samples which
 * are independent.
 * Threads: pure. */
#ifndef OB_SPSA_CURVATURE_H
#define OB_SPSA_CURVATURE_H

#include "spsa/estimates.h"

struct ob_spsa_curvature {
    double weight, square_weight; /* sums of the weights and of their squares */
    double mean, spread;          /* of c; spread: weighted squares of the differences from the mean */
    double g_square;              /* mean of g² */
};

/* keep: in (0, 1]; 1 forgets nothing. What is not finite is passed over. */
void ob_spsa_curvature_add(struct ob_spsa_curvature *curvature, const struct ob_spsa_sides *losses,
                           double epsilon, double keep);
/* Of the mean; infinite with fewer than two samples. */
double ob_spsa_curvature_error(const struct ob_spsa_curvature *curvature);

#endif
