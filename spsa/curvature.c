#include "spsa/curvature.h"

#include <math.h>

void ob_spsa_curvature_add(struct ob_spsa_curvature *curvature, const struct ob_spsa_sides *losses,
                           double epsilon, double keep) {
    double c = (losses->plus + losses->minus - 2 * losses->centre) / (epsilon * epsilon);
    double g = (losses->plus - losses->minus) / (2 * epsilon);
    if (!isfinite(c) || !isfinite(g))
        return;
    curvature->weight = keep * curvature->weight + 1; /* West 1979 */
    curvature->square_weight = keep * keep * curvature->square_weight + 1;
    double before = c - curvature->mean;
    curvature->mean += before / curvature->weight;
    curvature->spread = keep * curvature->spread + before * (c - curvature->mean);
    curvature->g_square += (g * g - curvature->g_square) / curvature->weight;
}

double ob_spsa_curvature_error(const struct ob_spsa_curvature *curvature) {
    double weight = curvature->weight, effective = weight * weight / curvature->square_weight;
    if (!(effective >= 2))
        return (double)INFINITY;
    double variance = curvature->spread / weight * effective / (effective - 1);
    return sqrt(variance / effective);
}
