/* update - what one byte does to one tensor: the integer step q.
 *
 *   coefficient = lr(round) · scale(live, n) · value(byte) · 2^exponent
 *   q = stochastic_round(coefficient · 2^log2_scale · 2^(f - b)),  |q| <= 2^24,   m_i -= q · (2^b z_i)  (wrapping)
 *
 * b is what ob_spsa_direction_bits_below gives: 0, or 5 for Gaussian directions, whose elements are multiples of 2^-5.
 *
 * All in integers: lr is Q48 (below 1.0), scale is Q32 (at most 1.0 for `capped`; `sum` is 1.0), the eight
 * mantissas 2^(k/8) are Q30 constants; their product is below 2^111 and is shifted by
 * 48 + 32 + 30 - floor((c - c0)/8) - exponent - log2_scale - f + b. The part below the integer is compared, cut
 * to 64 bits, with ob_spsa_step_randomness. The byte's sign is applied last, so q(-b) = -q(b).
 *
 * scale: `capped` floor(2^32 · min(1, s0 / (live · n))); `sum` 2^32; `sqrt` floor(2^32 / sqrt(live)) by
 * integer square root; `mean` floor(2^32 / live). Pure functions; no floating point, no libm. */
#ifndef OB_SPSA_UPDATE_H
#define OB_SPSA_UPDATE_H

#include "spsa/code.h"
#include "spsa/direction.h"
#include "spsa/weights.h"

#define OB_SPSA_STEP_MAX (1 << 24)

enum ob_spsa_combine { OB_SPSA_CAPPED, OB_SPSA_SUM, OB_SPSA_SQRT, OB_SPSA_MEAN, OB_SPSA_COMBINE_COUNT };

/* How the manifest turns a byte into a step. */
struct ob_spsa_rule {
    struct ob_run_id run;
    struct ob_spsa_code code;
    enum ob_spsa_combine combine;
    enum ob_spsa_distribution distribution;
    uint32_t s0;              /* for capped, 1 … 2^24 */
    uint32_t rounds_per_rate; /* lr(r) = rates[min(r / rounds_per_rate, rate_count - 1)] */
    size_t rate_count;        /* 1 … OB_RATES_MAX */
    const uint64_t *rates;    /* Q48, below 2^48; borrowed */
};

/* The part of a record that moves weights. */
struct ob_spsa_update {
    struct ob_machine_id machine;
    struct ob_sample first;
    struct ob_round round;
    uint16_t live;
    uint16_t n;
    int8_t exponent;
    const uint8_t *bytes; /* n; borrowed */
};

const char *ob_spsa_combine_name(enum ob_spsa_combine combine);
int ob_spsa_combine_from_name(const char *name); /* -1: unknown */

/* The coefficient without the byte: lr · scale, Q80 (lr Q48 times scale Q32). */
unsigned __int128 ob_spsa_rate(const struct ob_spsa_rule *rule, struct ob_round round, uint16_t live,
                               uint16_t n);
/* How far an update moves an element of a tensor of scale 1: the sum over its bytes of lr · scale · |value| · 2^exponent, each
 * rounded down, in units of 2^-64; one byte counts as at most 2^48. */
unsigned __int128 ob_spsa_movement(const struct ob_spsa_rule *rule, const struct ob_spsa_update *update);
/* Of a byte, what is the same in every tensor. */
struct ob_spsa_coefficient {
    unsigned __int128 product; /* 0: it moves nothing */
    int shift;                 /* without the tensor's part */
    bool negative;
};
struct ob_spsa_coefficient ob_spsa_coefficient(const struct ob_spsa_rule *rule,
                                               const struct ob_spsa_update *update, size_t index);
/* … and its step in a tensor; random: ob_spsa_step_randomness. */
int32_t ob_spsa_step_in(const struct ob_spsa_coefficient *coefficient, const struct ob_spsa_tensor *tensor,
                        uint64_t random);
/* The step of byte number `index` of an update in `tensor`; key is that sample's. */
int32_t ob_spsa_step(const struct ob_spsa_rule *rule, const struct ob_spsa_update *update, size_t index,
                     const struct ob_spsa_key *key, const struct ob_spsa_tensor *tensor,
                     uint32_t tensor_index);

#endif
