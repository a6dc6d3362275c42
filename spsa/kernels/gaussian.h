/* gaussian - directions of nearly Gaussian elements, as an exact table over bytes of keystream.
 *
 * Byte b stands for z = ±OB_SPSA_GAUSSIAN_MAGNITUDES[b mod 128] / 32, with a minus when bit 7 is set. The magnitudes are the means of a
 * standard Gaussian's absolute value within its 128 equally probable parts, times 32 · 0.99874, rounded: mean 0, variance
 * 131090 / 131072, fourth moment 2.965 variance², largest 95 / 32.
 * Threads: constant. */
#ifndef OB_SPSA_KERNELS_GAUSSIAN_H
#define OB_SPSA_KERNELS_GAUSSIAN_H

#include <stdint.h>

#define OB_SPSA_GAUSSIAN_BITS 5 /* z is in units of 2^-5 */
#define OB_SPSA_GAUSSIAN_MAX  95

extern const uint8_t OB_SPSA_GAUSSIAN_MAGNITUDES[128];

static inline int32_t ob_spsa_gaussian(uint8_t byte) {
    int32_t magnitude = OB_SPSA_GAUSSIAN_MAGNITUDES[byte & 127];
    return byte & 128 ? -magnitude : magnitude;
}

#endif
