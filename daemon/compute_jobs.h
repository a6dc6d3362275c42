/* compute_jobs - what the compute thread does with the weights: evaluate a round, replay records, digests, rebuilds, tasks
 * of others. Each says how it went through the queue.
 *
 * Owns:    the forward pass and its buffers; borrows replica, corpus and queue.
 * Threads: the compute thread; init and done before and after it. */
#ifndef OB_DAEMON_COMPUTE_JOBS_H
#define OB_DAEMON_COMPUTE_JOBS_H

#include "daemon/compute_queue.h"
#include "run/logger.h"
#include "run/sampler.h"
#include "spsa/curvature.h"

struct ob_compute_options {
    struct ob_replica *replica;
    const struct ob_corpus *corpus; /* NULL for an observer: only replays */
    struct ob_machine_id machine;
    size_t rows, rows_per_sample, directions; /* of a pass (run/sampler.h) */
    bool one_sided;
    size_t pass_memory_bytes;
    uint64_t seed; /* of the walk through the corpus */
    float epsilon;
    int8_t exponent;
    const char *
        products; /* "auto": what is measured to be the fastest here; else its name (model/forward/products.h) */
    size_t prefix_memory_bytes,
        prefix_file_bytes;     /* for states of the frozen layers (model/forward/prefix.h) */
    const char *folder;        /* of their file */
    const char *frozen_folder; /* of packed frozen weights that daemons share; "": they are our own */
    struct ob_spsa_privacy privacy;
    double cpu_share; /* of the time of `processors`: 0 … 1 */
    unsigned processors;
    uint64_t memory_limit_bytes;    /* of this process's own memory, which caches keep below; 0: none */
    uint32_t curvature_interval;    /* rounds; 0: never */
    uint32_t memory_check_interval; /* rounds; 0: never. The weights are watched (spsa/memory_check.h) */
    const struct ob_logger *logger; /* where replayed records are traced; NULL: nowhere */
    void (*wake)(void *context);    /* a result is there */
    void *context;
};

struct ob_compute_jobs {
    struct ob_compute_options options;
    struct ob_compute_queue *queue;
    struct ob_sampler *sampler; /* NULL for an observer */
    struct ob_sampled *samples; /* (a pass) */
    bool *wrong;                /* of each leaf, when the weights are watched */
    uint64_t rounds_to_go;      /* until the next memory check */
    uint64_t rounds_to_measure; /* until the curvature is measured again */
    struct ob_spsa_curvature curvature;
};

OB_MUST_USE enum ob_err ob_compute_jobs_init(struct ob_compute_jobs *jobs,
                                             const struct ob_compute_options *options,
                                             struct ob_compute_queue *queue, struct ob_error *error);
void ob_compute_jobs_done(struct ob_compute_jobs *jobs);
/* Does one turn and frees its jobs. */
void ob_compute_jobs_run(struct ob_compute_jobs *jobs, struct ob_turn *turn);

#endif
