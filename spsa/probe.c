#include "spsa/probe.h"

#include <assert.h>
#include <math.h>
#include <sodium.h>

/* Noise comes from the system's generator, not from the sample's keystream: members know the latter. */
static double gaussian(void) {
    double u = ((double)randombytes_random() + 1.0) / 4294967297.0;
    double v = (double)randombytes_random() / 4294967296.0;
    return sqrt(-2.0 * log(u)) * cos(2.0 * M_PI * v);
}

static double protect(const struct ob_spsa_privacy *privacy, double g) {
    if (privacy->clip > 0.0 && fabs(g) > privacy->clip)
        g = copysign(privacy->clip, g);
    return privacy->noise > 0.0 ? g + privacy->noise * gaussian() : g;
}

uint8_t ob_spsa_publish(const struct ob_spsa_key *key, const struct ob_spsa_code *code, int exponent,
                        const struct ob_spsa_privacy *privacy, double *g) {
    if (privacy && isfinite(*g))
        *g = protect(privacy, *g);
    return ob_spsa_encode(code, exponent, *g, ob_spsa_byte_randomness(key));
}

enum ob_err ob_spsa_probe(const struct ob_spsa_key *key, float epsilon, const struct ob_spsa_code *code,
                          int exponent, const struct ob_spsa_privacy *privacy, ob_spsa_loss_fn loss,
                          void *context, struct ob_spsa_estimate *ret_estimate, struct ob_error *error) {
    assert(epsilon > 0.0f);
    struct ob_spsa_estimate estimate = {0};
    enum ob_err failed = loss(context, key, epsilon, &estimate.losses, error);
    if (failed)
        return failed;
    estimate.g = (estimate.losses.plus - estimate.losses.minus) / (2.0 * (double)epsilon);
    estimate.byte = ob_spsa_publish(key, code, exponent, privacy, &estimate.g);
    *ret_estimate = estimate;
    return OB_OK;
}
