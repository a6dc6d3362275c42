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

static double scale(const struct ob_rope *rope, double frequency) {
    switch (rope->scaling) {
    case OB_ROPE_LINEAR:
        return frequency / rope->factor;
    case OB_ROPE_LLAMA3:
        return scale_llama3(rope, frequency);
    case OB_ROPE_DEFAULT:
        break;
    }
    return frequency;
}

void ob_rope_fill(const struct ob_rope *rope, size_t half, size_t positions, float *ret_cosines,
                  float *ret_sines) {
    for (size_t p = 0; p < positions; p++)
        for (size_t i = 0; i < half; i++) {
            double plain = 1.0 / pow(rope->theta, (double)i / (double)half);
            float angle = (float)p * (float)scale(rope, plain);
            ret_cosines[p * half + i] = (float)cos((double)angle);
            ret_sines[p * half + i] = (float)sin((double)angle);
        }
}
