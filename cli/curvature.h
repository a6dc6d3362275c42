/* curvature - suggests a learning rate for a run from its base model and given rows, before anybody trains
 *
 *   C = mean over samples of (L(w + εσz) + L(w − εσz) − 2 L(w)) / ε²,   rate = kappa / C
 *
 * C is the curvature that a step along a random direction meets. Where the steps are so small that it drowns in the losses'
 * rounding (adapters at their start, most of all), it is measured again with steps 4, 16 and 64 times as wide. The stable
 * window of the rate is narrow (two to four times its width) and differs by orders of magnitude between models, scales and
 * sets of trained tensors; kappa hardly does: with a decaying schedule the best was between 0.1 (12,000 samples) and 0.35
 * (4,096) on the models that were tried (docs/performance.md). A constant rate wants about half.
 *
 * Errors:  those of a manifest, a model and rows; OB_ENOTFINITE for a loss that is not finite. ret_* untouched.
 * Threads: one at a time; multiplies matrices. */
#ifndef OB_CLI_CURVATURE_H
#define OB_CLI_CURVATURE_H

#include "cli/progress.h"
#include "run/manifest.h"

#define OB_CURVATURE_SAMPLES 32
#define OB_CURVATURE_BATCH   8
#define OB_CURVATURE_LENGTH  128

struct ob_curvature_options {
    const struct ob_manifest *manifest;
    const char *model, *data, *chat_template; /* paths; NULL: the model's own template */
    int64_t batch, length, samples;
    const char *
        products; /* also with products computed this way (model/forward/products.h); NULL: in float32 alone */
    struct ob_progress *progress;
};

struct ob_curvature {
    double epsilon; /* that was measured with */
    double loss, curvature, curvature_error, estimate_rms, sample_seconds;
    double half_seconds, half_error; /* in bfloat16: rms of the estimates' differences over estimate_rms */
};

OB_MUST_USE enum ob_err ob_curvature_measure(const struct ob_curvature_options *options,
                                             struct ob_curvature *ret_curvature, struct ob_error *error);
/* It stands out of its error. */
bool ob_curvature_is_sure(const struct ob_curvature *curvature);
/* The peak of a decaying schedule, or a constant rate; 0 when the curvature is not sure. */
double ob_curvature_rate(const struct ob_curvature *curvature, const struct ob_manifest *manifest,
                         bool constant);

#endif
