/* manifest_create - a new run's manifest, over the tensors of a model.
 *
 * Errors:  those of run/manifest.h for what cannot be one; OB_EUSAGE (a pattern that matches no tensor),
 *          OB_ENOTFINITE (a weight), OB_EBUSY (the file already exists), OB_EIO, OB_ENOMEM.
 * Threads: one at a time. */
#ifndef OB_RUN_MANIFEST_CREATE_H
#define OB_RUN_MANIFEST_CREATE_H

#include "model/families/model.h"
#include "run/manifest.h"

#define OB_MANIFEST_LOUDEST 16

enum ob_schedule { OB_SCHEDULE_CONSTANT, OB_SCHEDULE_LINEAR, OB_SCHEDULE_COSINE };
int ob_schedule_from_name(const char *name); /* -1: unknown */

/* How a rate was found, for the manifest (docs/files.md). passes 0: it was given. */
struct ob_rate_found {
    uint64_t passes;
    double epsilon, loss, curvature, curvature_error, square, signal, signal_error, walk_share;
    uint32_t rows_per_sample, machines;
    const char *bound;
};

/* What `onebyte run create` decides. */
struct ob_manifest_options {
    const char *name;
    double learning_rate; /* peak, below 1 */
    struct ob_rate_found found;
    double warm_up; /* part of the rounds, 0 … 1 */
    enum ob_schedule schedule;
    double epsilon;
    enum ob_spsa_distribution distribution;
    enum ob_spsa_combine combine;
    uint32_t s0;
    uint32_t rounds;
    uint16_t samples_per_round, max_machines;
    /* What bounds a signer. typical: root mean square of the estimates, which one sample may exceed at most
     * OB_MANIFEST_LOUDEST times; 0: not measured, then the largest value is that of spsa/code.h's defaults, 14.7.
     * exponents: records may scale their values by 2^-exponents … 2^exponents; 0 without a reason. */
    double typical;
    int8_t exponents;
    int32_t log2_scale[OB_ROLE_COUNT]; /* direction scale by role */
    const char *const *trainable;      /* patterns (model/families/select.h) of what is trained; borrowed */
    size_t trainable_count;            /* 0: everything, or the adapters alone */
    uint32_t lora_rank;                /* 0: no adapters */
    double lora_alpha;
    const char *const *lora_targets; /* patterns; borrowed */
    size_t lora_target_count;        /* 0: attention */
    const struct ob_hash *basis;     /* name of the file that has the adapters' A; NULL: they are trained */
    struct ob_machine_id authority;
    const struct ob_progress_callback *progress; /* of hashing the base model; NULL: nobody */
};
struct ob_manifest_options ob_manifest_defaults(void);

/* Describes a run over the tensors of `model` that the options name, with a fresh nonce, and writes it to
 * `path` (must not exist). With adapters, the model is given them. */
OB_MUST_USE enum ob_err ob_manifest_create(struct ob_model *model, const struct ob_manifest_options *options,
                                           const char *path, struct ob_error *error);

#endif
