/* curvature - suggests a learning rate for a run from its base model and given rows, before anybody trains
 *
 * `samples` directions, each evaluated on `batch` rows of its own, at w and on both sides: 3 · samples · batch passes of a
 * row. From row i's estimates s_i = (L_i(w + εσz) − L_i(w − εσz)) / 2ε along a direction that they share:
 *
 *   curvature  C = mean of (L(w + εσz) + L(w − εσz) − 2 L(w)) / ε²          tr CH: what a step along a direction meets
 *   square     Q = mean of s_i²                                             signal and noise of one row
 *   signal     G = mean of s_i · s_j over pairs of rows i ≠ j               gᵀCg: rows agree on the signal alone
 *   ratio      ρ = G / (Q − G)
 *
 * The errors are those of means over directions, which are independent. Two things bound the rate, and the lower counts:
 * - A step: the loss falls the most a sample at rate · C = Bρ / (1 + Bρ), with B rows a sample, and not at all at twice
 *   that. Long runs want OB_RATE_STEP_SHARE of it. Where G does not stand out of its error (it takes some Q² / (G² batch²)
 *   directions), rate · C = kappa: of adapters what OB_RATE_USUAL_RATIO gives, else as it was measured on other models.
 * - The walk: beside learning, every sample moves the weights at random. If nothing pulled them back, that would cost
 *   ½ C Σ rate² E s² nats over the run. It may be OB_RATE_WALK_SHARE of the loss at the start. The sum goes over all samples of
 *   all rounds and machines, with schedule and combination.
 *
 * Where the steps are so small that the curvature drowns in the losses' rounding (adapters at their start, most of all), it is
 * measured again with steps 4, 16 and 64 times as wide. kappa: with a decaying schedule the best was between 0.1 (12,000
 * samples) and 0.35 (4,096) on the models that were tried (docs/performance.md). A constant rate wants about half.
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

/* Of what is the best for one step. */
#define OB_RATE_STEP_SHARE 0.3
/* ρ of a row for adapters, where it could not be measured: that of SmolLM2-135M on SST-2. With 8 rows a sample the rate is
 * then 0.03 / C, as on the shipped model; with one row 0.0044 / C (docs/learning.md: 0.002 to 0.007 learn). */
#define OB_RATE_USUAL_RATIO 0.015
/* Of the loss at the start. The best runs of the shipped model walked 0.33 of it (4,096 samples) and 0.12 (12,000); with one
 * direction of each matrix's inputs, SmolLM2-135M learned SST-2 at 0.014 and at 0.2, and at 0.96 its loss rose as this cost
 * says (docs/performance.md). */
#define OB_RATE_WALK_SHARE 0.5

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
    double square;                   /* Q */
    double signal, signal_error;     /* G */
    uint64_t rows, directions, passes;
};

OB_MUST_USE enum ob_err ob_curvature_measure(const struct ob_curvature_options *options,
                                             struct ob_curvature *ret_curvature, struct ob_error *error);
/* It stands out of its error. */
bool ob_curvature_is_sure(const struct ob_curvature *curvature);
bool ob_curvature_signal_is_sure(const struct ob_curvature *curvature);
/* ρ of one row, and its standard error. */
double ob_curvature_ratio(const struct ob_curvature *curvature);
double ob_curvature_ratio_error(const struct ob_curvature *curvature);

/* What a rate is for. */
struct ob_rate_plan {
    const struct ob_manifest *manifest; /* schedule, rounds, samples a round, combination */
    int64_t machines, rows_per_sample;
    bool is_constant; /* the schedule */
};

struct ob_rate {
    double rate;       /* peak; 0: the curvature is not sure */
    double step, walk; /* the rate that each of the bounds allows */
    double walk_share; /* of the loss at the start that the walk at `rate` would cost */
    const char *bound; /* which counted: "step", "usual step" (kappa), "walk" */
};
struct ob_rate ob_curvature_rate(const struct ob_curvature *curvature, const struct ob_rate_plan *plan);

#endif
