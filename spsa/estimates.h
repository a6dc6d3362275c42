/* estimates - the scalars of one pass's samples, from their losses.
 *
 *   two-sided   g = (L(w + ε σ z) - L(w - ε σ z)) / 2ε       the curvature cancels
 *   one-sided   d = (L(w + ε σ z) - L(w)) / ε                N directions of a row cost N + 1 passes, not 2 N
 *               g = d - (what the others have in common)
 *
 * With C the directions' covariance and H the curvature, d = zᵀ∇L + ½ε zᵀHz + O(ε²). The second term has the mean
 * c = ½ε tr CH, the same for every direction. It does not bend the mean update (E[z c] = 0) but adds c² to the
 * variance of every weight's step, and to every byte a sign that says nothing. c is known only through the d of
 * the pass:
 * - From d_k the mean of the *others* is subtracted. Their directions are independent of z_k, so that
 *   E[z_k g_k] = E[z_k d_k]: nothing is biased. With d_k itself in the mean, g_k would shrink to (1 - 1/n) of it.
 * - The mean of the others has a variance of its own, v = their variance / (n - 1): on real rows c is a hundredth of
 *   d's spread, and among few samples subtracting the mean would add more noise than it takes away. So it is shrunk
 *   by max(0, 1 - v / mean²), the positive part of James and Stein's factor: it goes to 1 where the offset stands
 *   out, and to 0 where it drowns. The factor, too, is made of the others alone.
 * - Rows of one pass share the offset as directions of one row do, up to their own curvatures: all samples of the
 *   pass are "the others". With fewer than three others nothing is subtracted.
 *
 * A loss that is not finite makes its g NAN, and is no other of anybody.
 * Units:   nats a target; g nats a unit of σz.
 * Threads: pure.
 * Source:  SPSA (Spall 1992), section III; one-sided: Chen, Fu and Hu 1999; James and Stein 1961. */
#ifndef OB_SPSA_ESTIMATES_H
#define OB_SPSA_ESTIMATES_H

#include <stddef.h>

/* Losses of one sample; two-sided: plus and minus, one-sided: plus and centre (centre is 0 where it is not known). */
struct ob_spsa_sides {
    double plus, minus, centre;
};

void ob_spsa_two_sided(const struct ob_spsa_sides *losses, size_t count, double epsilon, double *ret_g);
void ob_spsa_one_sided(const struct ob_spsa_sides *losses, size_t count, double epsilon, double *ret_g);

#endif
