/* Llama 3's scaled positions. GGUF has them as a tensor of factors, one for each frequency; Hugging Face as
 * the parameters that they are computed from. The parameters that the published models use are tried: those
 * that give the same factors are the ones. */
#include <math.h>

#include "model/gguf_model.h"

#define LOW_FACTOR  1.0
#define HIGH_FACTOR 4.0
#define WIDTH_MAX   512 /* frequencies of one head */

/* Llama 3.1's rule: short waves stay, long ones are stretched by `factor`, between them it is blended. */
static double factor_of(double frequency, double factor, double context) {
    double wave = 2 * M_PI / frequency;
    if (wave < context / HIGH_FACTOR)
        return 1;
    if (wave > context / LOW_FACTOR)
        return factor;
    double blend = (context / wave - LOW_FACTOR) / (HIGH_FACTOR - LOW_FACTOR);
    return 1 / ((1 - blend) / factor + blend);
}

static bool fits(const float *factors, size_t count, double theta, double factor, double context) {
    for (size_t i = 0; i < count; i++) {
        double expected = factor_of(pow(theta, -(double)i / (double)count), factor, context);
        if (!(fabs((double)factors[i] - expected) <= 1e-4 * expected))
            return false;
    }
    return true;
}

enum ob_err ob_gguf_rope_scaling(const struct ob_gguf *gguf, double theta, json_t **ret_scaling,
                                 struct ob_error *error) {
    static const int CONTEXTS[] = {8192, 4096, 2048, 16384, 32768};
    float factors[WIDTH_MAX];
    const struct ob_checkpoint *checkpoint = gguf->checkpoint;
    int64_t at = ob_checkpoint_find(checkpoint, "rope_freqs.weight");
    const struct ob_checkpoint_tensor *tensor = at < 0 ? NULL : &checkpoint->tensors[at];
    if (tensor && tensor->dims == 1 && tensor->elements <= WIDTH_MAX) {
        size_t count = (size_t)tensor->elements;
        ob_checkpoint_read(tensor, 0, count, factors);
        double factor = (double)factors[count - 1]; /* the longest wave has the whole of it */
        for (size_t i = 0; i < sizeof CONTEXTS / sizeof *CONTEXTS && factor >= 1; i++) {
            if (!fits(factors, count, theta, factor, CONTEXTS[i]))
                continue;
            *ret_scaling = json_pack("{s:s, s:f, s:f, s:f, s:i}", "rope_type", "llama3", "factor", factor,
                                     "low_freq_factor", LOW_FACTOR, "high_freq_factor", HIGH_FACTOR,
                                     "original_max_position_embeddings", CONTEXTS[i]);
            return *ret_scaling ? OB_OK : ob_fail(error, OB_ENOMEM, "%s: out of memory", checkpoint->path);
        }
    }
    return ob_fail(error, OB_EUNSUPPORTED,
                   "%s: tensor rope_freqs.weight: scaled positions other than Llama 3's are not supported",
                   checkpoint->path);
}
