/* code - one projected gradient as one byte.
 *
 *   bit 7      sign: 1 is negative
 *   bits 0-6   code c: 0 is zero, c >= 1 is 2^((c - c0) / 8)
 *   0x80       abstain: the sample happened and changes nothing
 * A record's exponent e multiplies all its values by 2^e. Codes above code_max do not count: a byte with
 * one decodes to zero.
 *
 * Encoding rounds stochastically between neighbours, so that the decoded value is unbiased in
 * [-value(code_max), value(code_max)]; what lies beyond is clipped. Encoding may use floating point (each
 * machine decides how it computes its byte); decoding on the update path is integer (update.h). */
#ifndef OB_SPSA_CODE_H
#define OB_SPSA_CODE_H

#include <stdint.h>

#define OB_SPSA_ABSTAIN          0x80
#define OB_SPSA_CODES_PER_OCTAVE 8
#define OB_SPSA_C0_DEFAULT       96 /* code 96 is 1.0: values from 2^-11.9 to 2^3.9 at exponent 0 */
#define OB_SPSA_CODE_MAX_DEFAULT 127

struct ob_spsa_code {
    int32_t c0;       /* -1024 … 1024 */
    uint8_t code_max; /* 1 … 127 */
};

/* g: the estimate, any double; not finite gives OB_SPSA_ABSTAIN. random: uniform, ob_spsa_byte_randomness. */
uint8_t ob_spsa_encode(const struct ob_spsa_code *code, int exponent, double g, uint64_t random);
/* For people and tests; abstain and codes above code_max give 0. */
double ob_spsa_decode(const struct ob_spsa_code *code, int exponent, uint8_t byte);

#endif
