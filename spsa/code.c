#include "spsa/code.h"

#include <math.h>

static double value_of(const struct ob_spsa_code *code, int exponent, int c) {
    if (c == 0)
        return 0.0;
    return exp2((double)(c - code->c0) / OB_SPSA_CODES_PER_OCTAVE + exponent);
}

/* The largest code whose value is not above x; 0 when x is below the smallest. */
static int code_below(const struct ob_spsa_code *code, int exponent, double x) {
    double at = floor((log2(x) - exponent) * OB_SPSA_CODES_PER_OCTAVE) + code->c0;
    int c = at < 0 ? 0 : at > code->code_max ? code->code_max : (int)at;
    while (c > 0 && value_of(code, exponent, c) > x) /* log2 may have rounded up */
        c--;
    while (c < code->code_max && value_of(code, exponent, c + 1) <= x)
        c++;
    return c;
}

uint8_t ob_spsa_encode(const struct ob_spsa_code *code, int exponent, double g, uint64_t random) {
    if (!isfinite(g))
        return OB_SPSA_ABSTAIN;
    double x = fabs(g);
    if (x == 0.0)
        return 0;
    int c = code_below(code, exponent, x);
    if (c < code->code_max) {
        double low = value_of(code, exponent, c), high = value_of(code, exponent, c + 1);
        double chance = (x - low) / (high - low); /* of taking the upper neighbour: the mean is x */
        if ((double)(random >> 11) * 0x1p-53 < chance)
            c++;
    }
    if (c == 0)
        return 0; /* never a negative zero: that byte means abstain */
    return (uint8_t)(c | (g < 0 ? 0x80 : 0));
}

double ob_spsa_decode(const struct ob_spsa_code *code, int exponent, uint8_t byte) {
    int c = byte & 0x7f;
    if (c == 0 || c > code->code_max)
        return 0.0;
    double value = value_of(code, exponent, c);
    return byte & 0x80 ? -value : value;
}
