#include "spsa/update.h"

#include <assert.h>
#include <string.h>

#define RATE_BITS          48
#define SCALE_BITS         32
#define MANTISSA_BITS      30
#define MOVEMENT_BITS      64
#define MOVEMENT_MOST_LOG2 48

/* floor(2^(30 + k/8)) for k = 0 … 7 */
static const uint32_t MANTISSAS[OB_SPSA_CODES_PER_OCTAVE] = {
    1073741824u, 1170923761u, 1276901416u, 1392470868u, 1518500249u, 1655936264u, 1805811301u, 1969251187u,
};

static const char *const COMBINE_NAMES[OB_SPSA_COMBINE_COUNT] = {"capped", "sum", "sqrt", "mean"};

const char *ob_spsa_combine_name(enum ob_spsa_combine combine) {
    assert((unsigned)combine < OB_SPSA_COMBINE_COUNT);
    return COMBINE_NAMES[combine];
}

int ob_spsa_combine_from_name(const char *name) {
    for (int i = 0; i < OB_SPSA_COMBINE_COUNT; i++)
        if (strcmp(name, COMBINE_NAMES[i]) == 0)
            return i;
    return -1;
}

/* floor(2^32 / sqrt(v)) = floor(sqrt(floor(2^64 / v))) for v >= 2 */
static uint64_t inverse_root(uint32_t v) {
    if (v == 1)
        return (uint64_t)1 << SCALE_BITS;
    uint64_t target = (uint64_t)((((unsigned __int128)1) << 64) / v), root = 0;
    for (uint64_t bit = (uint64_t)1 << 32; bit > 0; bit >>= 1)
        if ((unsigned __int128)(root + bit) * (root + bit) <= target)
            root += bit;
    return root;
}

static uint64_t scale_of(const struct ob_spsa_rule *rule, uint16_t live, uint16_t n) {
    const uint64_t one = (uint64_t)1 << SCALE_BITS;
    uint64_t parallel = (uint64_t)live * n;
    assert(parallel > 0);
    switch (rule->combine) {
    case OB_SPSA_CAPPED:
        return rule->s0 >= parallel ? one : rule->s0 * one / parallel;
    case OB_SPSA_SQRT:
        return inverse_root(live);
    case OB_SPSA_MEAN:
        return one / live;
    case OB_SPSA_SUM:
    case OB_SPSA_COMBINE_COUNT:
        break;
    }
    return one;
}

unsigned __int128 ob_spsa_rate(const struct ob_spsa_rule *rule, struct ob_round round, uint16_t live,
                               uint16_t n) {
    assert(rule->rate_count > 0 && rule->rounds_per_rate > 0);
    size_t index = round.index / rule->rounds_per_rate;
    if (index >= rule->rate_count)
        index = rule->rate_count - 1;
    return (unsigned __int128)rule->rates[index] * scale_of(rule, live, n);
}

/* floor(product / 2^shift), plus one when `random` falls below the 64 bits that follow the point. */
static uint64_t round_shifted(unsigned __int128 product, int shift, uint64_t random) {
    if (product == 0)
        return 0;
    if (shift <= 0) {
        int left = -shift;
        return left > 24 || product > (uint64_t)(OB_SPSA_STEP_MAX >> left) ? OB_SPSA_STEP_MAX
                                                                           : (uint64_t)product << left;
    }
    unsigned __int128 whole = shift >= 128 ? 0 : product >> shift;
    if (whole >= OB_SPSA_STEP_MAX)
        return OB_SPSA_STEP_MAX;
    uint64_t fraction;
    if (shift >= 192)
        fraction = 0;
    else if (shift > 128)
        fraction = (uint64_t)(product >> 64 >> (shift - 128));
    else
        fraction = (uint64_t)(product << (128 - shift) >> 64);
    return (uint64_t)whole + (random < fraction);
}

static int floor_octave(int code) {
    return code >= 0 ? code / OB_SPSA_CODES_PER_OCTAVE
                     : -((-code + OB_SPSA_CODES_PER_OCTAVE - 1) / OB_SPSA_CODES_PER_OCTAVE);
}

struct ob_spsa_coefficient ob_spsa_coefficient(const struct ob_spsa_rule *rule,
                                               const struct ob_spsa_update *update, size_t index) {
    assert(index < update->n);
    uint8_t byte = update->bytes[index];
    int c = byte & 0x7f;
    if (c == 0 || c > rule->code.code_max)
        return (struct ob_spsa_coefficient){0};
    int octave = floor_octave(c - rule->code.c0);
    uint32_t mantissa = MANTISSAS[c - rule->code.c0 - octave * OB_SPSA_CODES_PER_OCTAVE];
    return (struct ob_spsa_coefficient){
        .product = ob_spsa_rate(rule, update->round, update->live, update->n) * mantissa,
        .shift = RATE_BITS + SCALE_BITS + MANTISSA_BITS - octave - update->exponent +
                 ob_spsa_direction_bits_below(rule->distribution),
        .negative = byte & 0x80};
}

int32_t ob_spsa_step_in(const struct ob_spsa_coefficient *coefficient, const struct ob_spsa_tensor *tensor,
                        uint64_t random) {
    int shift = coefficient->shift - tensor->log2_scale - tensor->exponent;
    uint64_t step = round_shifted(coefficient->product, shift, random);
    assert(step <= OB_SPSA_STEP_MAX);
    return coefficient->negative ? -(int32_t)step : (int32_t)step;
}

int32_t ob_spsa_step(const struct ob_spsa_rule *rule, const struct ob_spsa_update *update, size_t index,
                     const struct ob_spsa_key *key, const struct ob_spsa_tensor *tensor,
                     uint32_t tensor_index) {
    struct ob_spsa_coefficient coefficient = ob_spsa_coefficient(rule, update, index);
    return coefficient.product == 0
               ? 0
               : ob_spsa_step_in(&coefficient, tensor, ob_spsa_step_randomness(key, tensor_index));
}

/* rate · mantissa is Q110; what a byte moves is asked for in Q64. */
static unsigned __int128 movement_of(const struct ob_spsa_rule *rule, unsigned __int128 rate, int exponent,
                                     uint8_t byte) {
    const unsigned __int128 most = (unsigned __int128)1 << (MOVEMENT_BITS + MOVEMENT_MOST_LOG2);
    int c = byte & 0x7f;
    if (c == 0 || c > rule->code.code_max)
        return 0;
    int octave = floor_octave(c - rule->code.c0);
    unsigned __int128 product = rate * MANTISSAS[c - rule->code.c0 - octave * OB_SPSA_CODES_PER_OCTAVE];
    int shift = RATE_BITS + SCALE_BITS + MANTISSA_BITS - MOVEMENT_BITS - octave - exponent;
    if (shift >= 128 || product == 0)
        return 0;
    unsigned __int128 whole = shift >= 0 ? product >> shift : most;
    if (shift < 0 && -shift < 112 && product <= most >> -shift)
        whole = product << -shift;
    return whole < most ? whole : most;
}

unsigned __int128 ob_spsa_movement(const struct ob_spsa_rule *rule, const struct ob_spsa_update *update) {
    unsigned __int128 rate = ob_spsa_rate(rule, update->round, update->live, update->n), sum = 0;
    for (uint16_t i = 0; i < update->n; i++)
        sum += movement_of(rule, rate, update->exponent, update->bytes[i]);
    return sum;
}
