/* kernels - the inner loops of the exact arithmetic, one table for each instruction set.
 *
 * The reference table is the definition; the others give the same bits on the same input (tests/unit/spsa).
 * `bits` is keystream as spsa/direction.h orders it; it must be readable for OB_SPSA_BITS_SLACK bytes past
 * its end, since vector code loads whole words. Private to spsa/, which looks tables up in the registry. */
#ifndef OB_SPSA_KERNELS_KERNELS_H
#define OB_SPSA_KERNELS_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#include "spsa/kernels/keystream.h"

#define OB_SPSA_BITS_SLACK 8

struct ob_spsa_kernels {
    const char *name;
    uint32_t needs; /* OB_CPU_* (base/cpu.h) */
    /* what ob_spsa_direction_bits gives (spsa/direction.h has the format): blocks · 64 bytes */
    void (*keystream)(const struct ob_spsa_key *key, uint32_t tensor, uint32_t first_block, size_t blocks,
                      uint8_t *ret_bits);
    /* the same of several keys, of any use (keystream.h): block first_block + b of key j goes to to[j] + 64 b */
    void (*keystreams)(const struct ob_spsa_key *keys, size_t count, uint32_t tensor, uint32_t use,
                       uint32_t first_block, size_t blocks, uint8_t *const *to);
    /* values (blocks · 512): m -= sum over j of q[j] · z[j], wrapping; bits[j] has blocks · 64 bytes */
    void (*accumulate)(int32_t *values, size_t blocks, const uint8_t *const *bits, const int32_t *q,
                       size_t count);
    /* out[i] = (float)m · unit */
    void (*read)(const int32_t *values, size_t count, float unit, float *out);
    /* plus[i] = (float)m · unit + z · step, minus[i] the same with a minus; bit `bit` of `bits` is
     * element 0's */
    void (*read_pair)(const int32_t *values, size_t count, float unit, const uint8_t *bits, size_t bit,
                      float step, float *plus, float *minus);
    /* The same for Gaussian directions (gaussian.h), whose elements are bytes: values (blocks · 64),
     * m -= sum over j of q[j] · 32 z[j], wrapping; bytes[j] has blocks · 64 … */
    void (*accumulate_gaussian)(int32_t *values, size_t blocks, const uint8_t *const *bytes, const int32_t *q,
                                size_t count);
    /* … plus[i] = (float)m · unit + 32 z · step … */
    void (*read_gaussian)(const int32_t *values, size_t count, float unit, const uint8_t *bytes, float step,
                          float *plus, float *minus);
    /* … and the sum of 32 z */
    int64_t (*sum_gaussian)(const uint8_t *bytes, size_t count);
    /* how many bits are set */
    size_t (*count_bits)(const uint8_t *bits, size_t bytes);
    /* sum of m mod 2^32 */
    uint32_t (*sum)(const int32_t *values, size_t count);
    /* bitwise or of m and -m - 1 folded to magnitudes: at least 2^30 when some |m| is beyond half the
     * range */
    uint32_t (*reach)(const int32_t *values, size_t count);
};

#endif
