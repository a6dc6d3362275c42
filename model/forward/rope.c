/* RoPE (Su et al. 2021): rotary position embedding, with the scalings of longer contexts. */
#include <math.h>

#include "model/forward/pass.h"

/* Llama 3: waves longer than original_context / low are stretched by `factor`, those shorter than
 * original_context / high are kept, and between the two it is a ramp. */
static double scale_llama3(const struct ob_rope *rope, double frequency) {
    double turns = rope->original_context * frequency / (2.0 * M_PI); /* within the original context */
    if (turns < rope->low)
        return frequency / rope->factor;
    if (turns > rope->high)
        return frequency;
    double smooth = (turns - rope->low) / (rope->high - rope->low);
    return (1.0 - smooth) * frequency / rope->factor + smooth * frequency;
}

/* YaRN: a ramp over the indices of frequencies from those that are kept to those that are divided by `factor`. */
static double scale_yarn(const struct ob_rope *rope, size_t i, double frequency) {
    double ramp = fmin(fmax(((double)i - rope->low) / (rope->high - rope->low), 0), 1);
    return ramp * frequency / rope->factor + (1 - ramp) * frequency;
}

/* Frequency i of sequences that are within the original context, or longer. */
static double scale(const struct ob_rope *rope, size_t i, bool is_long, double frequency) {
    switch (rope->scaling) {
    case OB_ROPE_LINEAR:
        return frequency / rope->factor;
    case OB_ROPE_LLAMA3:
        return scale_llama3(rope, frequency);
    case OB_ROPE_YARN:
        return scale_yarn(rope, i, frequency);
    case OB_ROPE_LONG:
        return frequency / (double)(is_long ? rope->long_factors : rope->short_factors)[i];
    case OB_ROPE_DEFAULT:
        break;
    }
    return frequency;
}

void ob_rope_fill(const struct ob_rope *rope, size_t half, size_t positions, bool is_long, float *ret_cosines,
                  float *ret_sines) {
    for (size_t p = 0; p < positions; p++)
        for (size_t i = 0; i < half; i++) {
            double plain = 1.0 / pow(rope->theta, (double)i / (double)half);
            float angle = (float)p * (float)scale(rope, i, is_long, plain);
            ret_cosines[p * half + i] = (float)(cos((double)angle) * rope->attention_factor);
            ret_sines[p * half + i] = (float)(sin((double)angle) * rope->attention_factor);
        }
}
