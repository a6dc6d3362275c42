/* swarm - one process plays all machines of a run, with the real directions, rows, forward pass, bytes and replay; only
 * the network is left out.
 *
 * Round r is evaluated at the weights of all records of rounds below r - staleness, a machine's own included (a real
 * machine has its own at once: this is the hard case).
 *
 * Errors:  those of run/manifest_create.h, run/replica.h, run/sampler.h, model/data/corpus.h.
 * Owns:    everything it opens; done accepts a zeroed one.
 * Threads: one call at a time; uses a pool of its own. */
#ifndef OB_BENCH_SWARM_H
#define OB_BENCH_SWARM_H

#include "model/convert/open_tokenizer.h"
#include "model/data/loss.h"
#include "run/manifest_create.h"
#include "run/replica.h"
#include "run/sampler.h"

struct swarm_options {
    const char *model, *data, *held_out_data;
    const char *products; /* a way to multiply, by name */
    const char *basis;    /* a basis file, for its adapters; NULL: none */
    int64_t prefix_mib;   /* of states after the frozen layers that are kept; 0: none */
    int64_t threads, machines, staleness, samples_per_round, rounds, length, seed;
    int64_t rows, rows_per_sample, directions; /* of a machine's pass (run/sampler.h) */
    int64_t batch, held_out;                   /* rows of an evaluation: at a time, and in all */
    bool one_sided;
    struct ob_manifest_options run; /* what `run create` decides; rounds and the authority are the swarm's */
};

struct swarm {
    struct swarm_options options;
    struct ob_manifest *manifest;
    struct ob_replica *replica;
    struct ob_tokenizer *tokenizer;
    struct ob_corpus *corpus, *held_out;
    struct ob_sampler *sampler;
    struct ob_forward *forward; /* of evaluations */
    struct ob_task task;
    struct ob_batch *batch;
    struct ob_sampled *sampled; /* of one record */
    uint8_t *bytes;         /* of the rounds that are not applied yet: (staleness + 1, machines, samples) */
    int64_t round;          /* the next */
    double squares, losses; /* sums over samples since the last look: g², loss */
    uint64_t samples, counted, passes;
};

struct swarm_score {
    double loss, accuracy; /* accuracy of rows with choices; NAN: there are none */
};

OB_MUST_USE enum ob_err swarm_init(struct swarm *swarm, const struct swarm_options *options,
                                   struct ob_error *error);
void swarm_done(struct swarm *swarm);
/* One round of every machine. */
OB_MUST_USE enum ob_err swarm_round(struct swarm *swarm, struct ob_error *error);
/* Applies the records that staleness has held back. */
OB_MUST_USE enum ob_err swarm_catch_up(struct swarm *swarm, struct ob_error *error);
/* The task's loss over the first held-out items, as `onebyte eval` has it. */
OB_MUST_USE enum ob_err swarm_evaluate(struct swarm *swarm, struct swarm_score *ret_score,
                                       struct ob_error *error);

#endif
