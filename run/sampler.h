/* sampler - a machine's samples: rows drawn, losses along each sample's own direction, estimates, bytes.
 *
 * A sample is `rows_per_sample` rows and one direction; `directions` samples in turn share their rows. A *pass* is
 * `rows` rows with all their directions. All samples of a pass go through the model together, in as few packs as the
 * memory allows: frozen weights are multiplied with the rows of all samples, both sides of each, at once; what is
 * trained is a sample's own. With rows = rows_per_sample and one direction a pass is one sample.
 *
 * Sample s of a machine takes mini-batch s / directions of the machine's own walk: its key goes into the seed, so
 * machines that share a file see its rows in different orders.
 *
 * One-sided: each direction costs a forward pass of the rows, and the centre w one for all of them (spsa/estimates.h).
 *
 * Bounds:  a pack's activations and scratch stay within memory_bytes, unless one sample alone needs more.
 * Errors:  OB_ENOMEM; those of model/forward/forward.h. A loss that is not finite makes its sample abstain, and no other.
 * Owns:    its forward pass and buffers; borrows corpus, model and pool. free accepts NULL.
 * Threads: one call at a time; shares the pool's threads. */
#ifndef OB_RUN_SAMPLER_H
#define OB_RUN_SAMPLER_H

#include "model/data/corpus.h"
#include "model/forward/forward.h"
#include "spsa/estimates.h"
#include "spsa/probe.h"

struct ob_sampler_options {
    const struct ob_model_config *model;
    struct ob_pool *pool;
    const struct ob_corpus *corpus;
    struct ob_run_id run;
    struct ob_spsa_code code;
    int8_t exponent;
    float epsilon;
    struct ob_spsa_privacy privacy;
    uint64_t seed;                            /* of the walk through the corpus */
    size_t rows, rows_per_sample, directions; /* at least 1; rows is a multiple of rows_per_sample */
    bool one_sided;
    size_t memory_bytes;
};

struct ob_sampled {
    struct ob_spsa_sides losses; /* of what was evaluated; the rest is 0 */
    double loss;                 /* at w, or else the mean of both sides */
    double g;
    uint8_t byte;
};

struct ob_sampler;

OB_MUST_USE enum ob_err ob_sampler_new(const struct ob_sampler_options *options,
                                       struct ob_sampler **ret_sampler, struct ob_error *error);
void ob_sampler_free(struct ob_sampler *sampler);
struct ob_forward *ob_sampler_forward(struct ob_sampler *sampler);
/* Samples of a pass. */
size_t ob_sampler_pass(const struct ob_sampler *sampler);
/* Samples [first, first + count) of a machine, at most a pass, at the weights of `source`, whose key is not looked
 * at. measure: both sides and the centre are evaluated, whatever is usual, for spsa/curvature.h; the estimates are
 * two-sided. */
OB_MUST_USE enum ob_err ob_sampler_run(struct ob_sampler *sampler, const struct ob_weight_source *source,
                                       const struct ob_machine_id *machine, struct ob_sample first,
                                       size_t count, bool measure, struct ob_sampled *ret_samples,
                                       struct ob_error *error);

#endif
