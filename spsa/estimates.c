#include "spsa/estimates.h"

#include <math.h>

#define OTHERS_MIN 3 /* with a variance that means something */

void ob_spsa_two_sided(const struct ob_spsa_sides *losses, size_t count, double epsilon, double *ret_g) {
    for (size_t k = 0; k < count; k++)
        ret_g[k] = (losses[k].plus - losses[k].minus) / (2.0 * epsilon);
}

/* Of the finite ones. */
struct moments {
    double count, mean, squares; /* squares: of the differences from the mean */
};

static void add(struct moments *m, double value) {
    double before = value - m->mean;
    m->count += 1;
    m->mean += before / m->count;
    m->squares += before * (value - m->mean);
}

/* The moments of the others (Welford 1962, backwards). */
static struct moments without(const struct moments *all, double value) {
    struct moments m = {.count = all->count - 1};
    if (m.count < 1)
        return m;
    m.mean = all->mean - (value - all->mean) / m.count;
    m.squares = fmax(0, all->squares - (value - all->mean) * (value - m.mean));
    return m;
}

static double offset_of(const struct moments *others) {
    if (others->count < OTHERS_MIN)
        return 0;
    double variance = others->squares / (others->count - 1) / others->count;
    double square = others->mean * others->mean;
    return square > variance ? others->mean * (1 - variance / square) : 0;
}

void ob_spsa_one_sided(const struct ob_spsa_sides *losses, size_t count, double epsilon, double *ret_g) {
    struct moments all = {0};
    for (size_t k = 0; k < count; k++) {
        double d = (losses[k].plus - losses[k].centre) / epsilon;
        ret_g[k] = isfinite(d) ? d : (double)NAN;
        if (isfinite(d))
            add(&all, d);
    }
    for (size_t k = 0; k < count; k++)
        if (isfinite(ret_g[k])) {
            struct moments others = without(&all, ret_g[k]);
            ret_g[k] -= offset_of(&others);
        }
}
