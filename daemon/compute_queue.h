/* compute_queue - what the network thread hands to the compute thread, and what comes back.
 *
 * Jobs are done in order: records, with a copy of their bytes, and marks between them, where something is wanted of the
 * weights with the records before it and no others. A round is no job in line: the first one waits until nothing else does.
 * Later ones see every record that was handed over before them too, unless so many wait that replaying them takes longer than
 * a round: then records are replayed in slices, between rounds and between samples, and training goes on meanwhile.
 *
 * Bounds:  one round, one digest, one rebuild and OB_COMPUTE_TASKS tasks at a time, and for each something else to say: a
 *          result always finds room. Records: catch_up.h.
 * Owns:    its jobs, with what they own.
 * Threads: everything but init and done from both threads. `wake` is called from the compute thread. */
#ifndef OB_DAEMON_COMPUTE_QUEUE_H
#define OB_DAEMON_COMPUTE_QUEUE_H

#include <pthread.h>
#include <stdbool.h>

#include "model/forward/choose.h"
#include "model/forward/forward.h"
#include "run/rebuild.h"
#include "run/updates.h"
#include "spsa/curvature.h"
#include "store/store.h"

#define OB_COMPUTE_TASKS   4
#define OB_COMPUTE_RESULTS 13

typedef enum ob_err (*ob_compute_task_fn)(void *context, struct ob_error *error);

enum ob_job_kind { OB_JOB_RECORD, OB_JOB_DIGEST, OB_JOB_REBUILD, OB_JOB_TASK };

struct ob_job {
    struct ob_job *next;
    enum ob_job_kind kind;

    bool unapply; /* RECORD */
    struct ob_spsa_update update;

    struct ob_hash
        log; /* DIGEST: of the records below round `below`, without `without` of those before the mark */
    uint32_t below;
    bool possible;
    struct ob_updates without;

    struct ob_store *store; /* REBUILD; owned */

    ob_compute_task_fn task; /* TASK */
    void *context;
    uint8_t bytes[]; /* RECORD */
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
    bool round_waits; /* for the records to be replayed */
    uint64_t samples_evaluated, samples_replayed, waiting_records, waiting_samples, waiting_bytes;
    double sample_seconds, replay_seconds; /* recent means for one sample */
    double rest_seconds;                   /* in all, for the sake of the share of the processors' time */
    double replay_total_s;                 /* all replays since the start */
    size_t forward_bytes, frozen_bytes; /* activations and scratch; frozen weights in the products' order */
    const char *products;               /* in use; "": nothing is evaluated here */
    char products_measured[OB_CHOICES_TEXT_MAX]; /* how they were chosen; "": they were named */
    const char *loops; /* between the products: their instruction set; "": nothing is evaluated here */
    char loops_measured[OB_RACE_TEXT_MAX]; /* how they were chosen */
    struct ob_prefix_counters prefix;
    struct ob_spsa_curvature curvature;    /* weight 0: not measured yet */
    uint64_t memory_checks, memory_faults; /* faults: checks that found something */
};

struct ob_compute_queue {
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t work, ended;
    struct ob_job *head, **tail;
    bool has_round, in_round, stop, hurry, failed, idle;
    bool cut;     /* the round that is there ends early */
    double share; /* of the processors' time; 0: all */
    bool current; /* a round has begun with nothing left to replay, since the start */
    struct ob_round_job round;
    struct ob_result partial; /* of the round that runs: the samples that are done */
    double loss_sum;
    struct ob_result results[OB_COMPUTE_RESULTS];
    size_t result_first, result_count;
    struct ob_compute_view view;
    void (*wake)(void *context);
    void *context;
};

void ob_compute_queue_init(struct ob_compute_queue *queue, void (*wake)(void *context), void *context);
void ob_compute_queue_done(struct ob_compute_queue *queue);
void ob_job_free(struct ob_job *job);

/* ---- the network thread ---- */

void ob_compute_queue_submit(struct ob_compute_queue *queue, struct ob_job *job); /* takes it */
void ob_compute_queue_round(struct ob_compute_queue *queue, const struct ob_round_job *round);
/* The round that is there ends after its present samples, or before its first; the next one does not. */
void ob_compute_queue_end_round(struct ob_compute_queue *queue);
void ob_compute_queue_share(struct ob_compute_queue *queue, double share); /* 0 … 1 */
/* The running round ends after its present sample. */
void ob_compute_queue_hurry(struct ob_compute_queue *queue);
/* The round that was asked for ends now: *ret_result has the samples that are done, and no other result of it comes. False:
 * there is no such round, or its result already exists. */
bool ob_compute_queue_abandon(struct ob_compute_queue *queue, struct ob_result *ret_result);
void ob_compute_queue_stop(struct ob_compute_queue *queue);
/* True: the compute thread has ended its work after a stop; waits for at most so long. */
bool ob_compute_queue_ended(struct ob_compute_queue *queue, unsigned timeout_ms);
/* False: nothing is there. */
bool ob_compute_queue_result(struct ob_compute_queue *queue, struct ob_result *ret_result);
struct ob_compute_view ob_compute_queue_view(struct ob_compute_queue *queue);

/* ---- the compute thread ---- */

/* What comes next: some records, up to the first mark; the mark; a round. The jobs are the caller's. */
struct ob_turn {
    struct ob_job *records, *mark;
    bool has_round, dead; /* dead: something failed; only the jobs are freed */
    struct ob_round_job round;
};
/* Waits for it. False: stopped. */
bool ob_compute_queue_take(struct ob_compute_queue *queue, struct ob_turn *ret_turn);
/* Within a round, before a sample: some of the records that wait, for no longer than a sample takes; NULL: none. */
struct ob_job *ob_compute_queue_slice(struct ob_compute_queue *queue);
/* Rests after work that took so much, as long as the share of the processors' time wants it; not when it is to end. */
void ob_compute_queue_rest(struct ob_compute_queue *queue, double cpu_s, double wall_s, unsigned processors);
bool ob_compute_queue_is_stopped(struct ob_compute_queue *queue);
/* The round goes on; false: its result is wanted now. */
bool ob_compute_queue_goes_on(struct ob_compute_queue *queue);
/* What the forward pass keeps, after a sample. */
void ob_compute_queue_kept(struct ob_compute_queue *queue, size_t frozen_bytes,
                           const struct ob_prefix_counters *prefix);
void ob_compute_queue_sample(struct ob_compute_queue *queue, uint8_t byte, double loss, double seconds);
void ob_compute_queue_curvature(struct ob_compute_queue *queue, const struct ob_spsa_curvature *curvature);
void ob_compute_queue_round_done(struct ob_compute_queue *queue); /* its result, unless it was abandoned */
void ob_compute_queue_push(struct ob_compute_queue *queue, const struct ob_result *result);
void ob_compute_queue_push_failure(struct ob_compute_queue *queue, const struct ob_error *error);
void ob_compute_queue_replayed(struct ob_compute_queue *queue, uint64_t samples, double seconds);
void ob_compute_queue_checked(struct ob_compute_queue *queue, bool found_something);

#endif
