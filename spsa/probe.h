/* probe - one sample: two losses along a direction, and the byte that says how they differ.
 *
 *   g = (L(w + ε σ z) - L(w - ε σ z)) / 2ε
 *
 * The loss callback evaluates both sides on one mini-batch (so that weights are read once for both); it must
 * leave the weights as they are. A loss that is not finite gives the byte OB_SPSA_ABSTAIN, not an error.
 * Errors: those of the callback.
 * Source: SPSA (Spall 1992), MeZO (Malladi et al. 2023) algorithm 1. */
#ifndef OB_SPSA_PROBE_H
#define OB_SPSA_PROBE_H

#include "base/err.h"
#include "spsa/code.h"
#include "spsa/direction.h"

struct ob_spsa_losses {
    double plus, minus; /* nats per target token */
};

typedef enum ob_err (*ob_spsa_loss_fn)(void *context, const struct ob_spsa_key *key, float epsilon,
                                       struct ob_spsa_losses *ret_losses, struct ob_error *error);

/* What a machine does to its own estimate before it is coded; local, not part of the run. */
struct ob_spsa_privacy {
    double clip;  /* |g| is cut to this; 0: no clipping */
    double noise; /* standard deviation of Gaussian noise added to g after clipping; 0: none */
};

struct ob_spsa_estimate {
    struct ob_spsa_losses losses;
    double g;
    uint8_t byte;
};

/* The byte of an estimate g, which is clipped and noised first. */
uint8_t ob_spsa_publish(const struct ob_spsa_key *key, const struct ob_spsa_code *code, int exponent,
                        const struct ob_spsa_privacy *privacy, double *g);
OB_MUST_USE enum ob_err ob_spsa_probe(const struct ob_spsa_key *key, float epsilon,
                                      const struct ob_spsa_code *code, int exponent,
                                      const struct ob_spsa_privacy *privacy, ob_spsa_loss_fn loss,
                                      void *context, struct ob_spsa_estimate *ret_estimate,
                                      struct ob_error *error);

#endif
