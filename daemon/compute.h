/* compute - the thread that owns the weights: it evaluates rounds and replays records, in the order in which
 * the network thread hands them over, so that START_ROUND sees every APPLY before it.
 *
 * Jobs go in through bounded copies; results come out one at a time and wake the network thread. Several
 * records that wait are replayed in one pass.
 * Errors:  what goes wrong in the thread becomes a OB_RESULT_FAILED with its text; the thread then only
 *          drains.
 * Owns:    its thread, its queues, the forward pass; borrows replica and corpus, which nobody else
 *          touches between start and stop.
 * Threads: submit, take and stop from the network thread; `wake` is called from the compute thread. */
#ifndef OB_DAEMON_COMPUTE_H
#define OB_DAEMON_COMPUTE_H

#include "model/data/corpus.h"
#include "model/data/loss.h"
#include "model/forward/choose.h"
#include "model/forward/forward.h"
#include "run/logger.h"
#include "run/rebuild.h"
#include "spsa/probe.h"

struct ob_compute_options {
    struct ob_replica *replica;
    const struct ob_corpus *corpus; /* NULL for an observer: only replays */
    struct ob_machine_id machine;
    size_t batch;  /* items of a mini-batch (model/data/corpus.h) */
    uint64_t seed; /* of the walk through the corpus */
    float epsilon;
    int8_t exponent;
    const char *
        products; /* "auto": what is measured to be the fastest here; else its name (model/forward/products.h) */
    size_t prefix_memory_bytes,
        prefix_file_bytes; /* for states of the frozen layers (model/forward/prefix.h) */
    const char *folder;    /* of their file */
    struct ob_spsa_privacy privacy;
    uint32_t memory_check_interval; /* rounds; 0: never. The weights are watched (spsa/memory_check.h) */
    const struct ob_logger *logger; /* where replayed records are traced; NULL: nowhere */
    void (*wake)(void *context);    /* a result is there */
    void *context;
};

struct ob_round_job {
    struct ob_sample first;
    struct ob_round round;
    uint16_t n, live;
};

enum ob_result_kind {
    OB_RESULT_NONE,
    OB_RESULT_ROUND,
    OB_RESULT_DIGEST,
    OB_RESULT_MEMORY, /* the memory check found leaves that are wrong: ask for a rebuild */
    OB_RESULT_REBUILT,
    OB_RESULT_TASK,
    OB_RESULT_FAILED
};

/* Work of somebody else in the compute thread; `context` is his. Sees every apply before it and none after.
 */
#define OB_COMPUTE_TASKS 2
typedef enum ob_err (*ob_compute_task_fn)(void *context, struct ob_error *error);

struct ob_result {
    enum ob_result_kind kind;
    uint16_t n; /* ROUND: bytes that are there; fewer than asked after ob_compute_hurry */
    uint8_t bytes[OB_SAMPLES_PER_ROUND_MAX];
    double loss;                  /* ROUND: mean of (L+ + L-)/2 over its samples */
    struct ob_hash log, weights;  /* DIGEST: of the log digest that it was asked for; zeros: not to be had */
    uint32_t below;               /* DIGEST: as it was asked for */
    size_t wrong;                 /* MEMORY: leaves */
    struct ob_heal heal;          /* REBUILT */
    int64_t overrange;            /* DIGEST: a tensor beyond half its range, or -1 */
    void *task;                   /* TASK: its context */
    struct ob_error error;        /* TASK: how it went */
    char text[OB_ERROR_TEXT_MAX]; /* FAILED */
};

/* What status shows; a consistent copy. */
struct ob_compute_view {
    uint64_t samples_evaluated, samples_replayed, waiting_records, waiting_samples, waiting_bytes;
    double sample_seconds, replay_seconds; /* recent means for one sample */
    size_t forward_bytes, frozen_bytes; /* activations and scratch; frozen weights in the products' order */
    const char *products;               /* in use; "": nothing is evaluated here */
    char products_measured[OB_CHOICES_TEXT_MAX]; /* how they were chosen; "": they were named */
    struct ob_prefix_counters prefix;
    uint64_t memory_checks, memory_faults; /* faults: checks that found something */
};

struct ob_compute;

OB_MUST_USE enum ob_err ob_compute_new(const struct ob_compute_options *options,
                                       struct ob_compute **ret_compute, struct ob_error *error);
/* Stops the thread after the sample that it evaluates, and frees everything. */
void ob_compute_free(struct ob_compute *compute);

OB_MUST_USE enum ob_err ob_compute_apply(struct ob_compute *compute, const struct ob_record *record,
                                         struct ob_error *error);
/* Takes a record that was applied out again, exactly. In turn with the applies. */
OB_MUST_USE enum ob_err ob_compute_unapply(struct ob_compute *compute, const struct ob_record *record,
                                           struct ob_error *error);
void ob_compute_round(struct ob_compute *compute, const struct ob_round_job *job);
/* The digest of everything submitted so far without `without`, which is part of it: the records below round
 * `below`, whose log digest is `log`. NULL: it is not to be had. Takes what `without` owns, also when it
 * fails. One request at a time: the next only after its OB_RESULT_DIGEST. */
OB_MUST_USE enum ob_err ob_compute_digest(struct ob_compute *compute, const struct ob_hash *log,
                                          uint32_t below, struct ob_updates *without, struct ob_error *error);
/* Holds the weights against base and log, which holds everything submitted so far and nothing else, and puts
 * right what is wrong. Takes the store, which is held (ob_store_hold), also when it fails. One at a time. */
OB_MUST_USE enum ob_err ob_compute_rebuild(struct ob_compute *compute, struct ob_store *log,
                                           struct ob_error *error);
/* At most OB_COMPUTE_TASKS at a time: the next only after an OB_RESULT_TASK. What it returns is in the result
 * and no failure of the thread. */
OB_MUST_USE enum ob_err ob_compute_task(struct ob_compute *compute, ob_compute_task_fn run, void *context,
                                        struct ob_error *error);
/* Ends the running round after its present sample (for leaving). */
void ob_compute_hurry(struct ob_compute *compute);
/* False: nothing is there. */
bool ob_compute_take(struct ob_compute *compute, struct ob_result *ret_result);
struct ob_compute_view ob_compute_view(struct ob_compute *compute);

#endif
