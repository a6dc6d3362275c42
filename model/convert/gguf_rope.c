#include "model/convert/gguf_rope.h"

#include <math.h>

#define LOW       1.0 /* of all published models */
#define HIGH      4.0
#define WIDTH_MAX 512 /* frequencies of one head */

static double wave_of(double theta, size_t i, size_t count) {
    return 2 * M_PI * pow(theta, (double)i / (double)count);
}

/* Llama 3.1's rule: short waves stay, long ones are stretched by `factor`, between them it is blended. */
static double factor_of(const struct ob_rope *rope, double wave) {
    double rotations = rope->original_context / wave; /* within the original context */
    if (rotations > rope->high)
        return 1;
    if (rotations < rope->low)
        return rope->factor;
    double blend = (rotations - rope->low) / (rope->high - rope->low);
    return 1 / ((1 - blend) / rope->factor + blend);
}

void ob_gguf_rope_factors(const struct ob_rope *rope, size_t count, float *ret_factors) {
    for (size_t i = 0; i < count; i++)
        ret_factors[i] = (float)factor_of(rope, wave_of(rope->theta, i, count));
}

static bool fits(const float *factors, size_t count, const struct ob_rope *rope) {
    for (size_t i = 0; i < count; i++) {
        double expected = factor_of(rope, wave_of(rope->theta, i, count));
        if (!(fabs((double)factors[i] - expected) <= 1e-4 * expected))
            return false;
    }
    return true;
}

/* What the first blended factor says, or 0. */
static double solve_context(const float *factors, size_t count, const struct ob_rope *rope) {
    for (size_t i = 0; i < count; i++) {
        double factor = (double)factors[i];
        if (!(factor > 1.01 && factor < 0.99 * rope->factor))
            continue;
        double blend = (1 / factor - 1 / rope->factor) / (1 - 1 / rope->factor);
        return round(wave_of(rope->theta, i, count) * (rope->low + blend * (rope->high - rope->low)));
    }
    return 0;
}

/* Sets rope->original_context; false: the factors follow another rule. */
static bool find_context(const float *factors, size_t count, struct ob_rope *rope) {
    const double contexts[] = {solve_context(factors, count, rope), 8192, 4096, 2048, 16384, 32768};
    for (size_t i = 0; i < sizeof contexts / sizeof *contexts; i++) {
        rope->original_context = contexts[i];
        if (contexts[i] >= 1 && contexts[i] <= 1 << 30 && fits(factors, count, rope))
            return true;
    }
    return false;
}

enum ob_err ob_gguf_rope_scaling(const struct ob_gguf *gguf, double theta, size_t count, json_t **ret_scaling,
                                 struct ob_error *error) {
    float factors[WIDTH_MAX];
    const struct ob_checkpoint *checkpoint = gguf->checkpoint;
    int64_t at = ob_checkpoint_find(checkpoint, OB_GGUF_ROPE_FACTORS);
    const struct ob_checkpoint_tensor *tensor = at < 0 ? NULL : &checkpoint->tensors[at];
    if (tensor && (tensor->dims != 1 || tensor->elements != count))
        return ob_fail(error, OB_EMISMATCH, "%s: tensor rope_freqs.weight does not have %zu elements",
                       checkpoint->path, count);
    if (tensor && count >= 1 && count <= WIDTH_MAX) {
        ob_checkpoint_read(tensor, 0, count, factors);
        struct ob_rope rope = {.theta = theta, .low = LOW, .high = HIGH};
        rope.factor = (double)factors[count - 1]; /* the longest wave has the whole of it */
        if (rope.factor >= 1 && find_context(factors, count, &rope)) {
            *ret_scaling = json_pack("{s:s, s:f, s:f, s:f, s:I}", "rope_type", "llama3", "factor",
                                     rope.factor, "low_freq_factor", LOW, "high_freq_factor", HIGH,
                                     "original_max_position_embeddings", (json_int_t)rope.original_context);
            return *ret_scaling ? OB_OK : ob_fail(error, OB_ENOMEM, "%s: out of memory", checkpoint->path);
        }
    }
    return ob_fail(error, OB_EUNSUPPORTED,
                   "%s: tensor rope_freqs.weight: RoPE scaling other than Llama 3's is not supported",
                   checkpoint->path);
}

static enum ob_err list_factors(const struct ob_gguf *gguf, const char *name, json_t *scaling,
                                const char *key, struct ob_error *error) {
    float factors[WIDTH_MAX];
    const struct ob_checkpoint *checkpoint = gguf->checkpoint;
    int64_t at = ob_checkpoint_find(checkpoint, name);
    const struct ob_checkpoint_tensor *tensor = at < 0 ? NULL : &checkpoint->tensors[at];
    if (!tensor || tensor->dims != 1 || tensor->elements > WIDTH_MAX)
        return ob_fail(error, OB_EMISMATCH, "%s: tensor %s: not a list of RoPE factors", checkpoint->path,
                       name);
    ob_checkpoint_read(tensor, 0, (size_t)tensor->elements, factors);
    json_t *list = json_array();
    bool ok = list && json_object_set_new(scaling, key, list) == 0;
    for (size_t i = 0; i < tensor->elements && ok; i++) {
        json_t *factor = json_real((double)factors[i]);
        if (!factor)
            return ob_fail(error, OB_EFORMAT, "%s: tensor %s holds a number that is not finite",
                           checkpoint->path, name);
        ok = json_array_append_new(list, factor) == 0;
    }
    return ok ? OB_OK : ob_fail(error, OB_ENOMEM, "%s: out of memory", checkpoint->path);
}

enum ob_err ob_gguf_longrope_scaling(const struct ob_gguf *gguf, json_t **ret_scaling,
                                     struct ob_error *error) {
    json_t *scaling = json_pack("{s:s}", "rope_type", "longrope");
    enum ob_err failed =
        scaling ? OB_OK : ob_fail(error, OB_ENOMEM, "%s: out of memory", gguf->checkpoint->path);
    if (!failed)
        failed = list_factors(gguf, OB_GGUF_ROPE_FACTORS_SHORT, scaling, "short_factor", error);
    if (!failed)
        failed = list_factors(gguf, OB_GGUF_ROPE_FACTORS_LONG, scaling, "long_factor", error);
    if (failed)
        json_decref(scaling);
    else
        *ret_scaling = scaling;
    return failed;
}
