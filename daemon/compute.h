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

#include "daemon/compute_jobs.h"

struct ob_compute;

OB_MUST_USE enum ob_err ob_compute_new(const struct ob_compute_options *options,
                                       struct ob_compute **ret_compute, struct ob_error *error);
/* Tells the thread to end and waits for at most so long. False: it is still at a sample or a replay, and uses replica and
 * corpus; what else it submitted may be relied on (the process can end). */
bool ob_compute_stop(struct ob_compute *compute, unsigned timeout_ms);
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
/* Verifies the weights against the base model and the log, and corrects them. The log must contain everything
 * submitted so far and nothing else. Takes the store, which is held (ob_store_hold), even on failure. One at a time. */
OB_MUST_USE enum ob_err ob_compute_rebuild(struct ob_compute *compute, struct ob_store *log,
                                           struct ob_error *error);
/* Work of somebody else in the compute thread, with `context`; it sees every apply before it and none after. At most
 * OB_COMPUTE_TASKS at a time: the next only after an OB_RESULT_TASK. What it returns is in the result
 * and no failure of the thread. */
OB_MUST_USE enum ob_err ob_compute_task(struct ob_compute *compute, ob_compute_task_fn run, void *context,
                                        struct ob_error *error);
/* Ends the running round after its present samples; those that follow are not touched. */
void ob_compute_end_round(struct ob_compute *compute);
/* At most this share (0 … 1) of the processors' time from now on. */
void ob_compute_share(struct ob_compute *compute, double share);
/* Ends the running round after its present sample (for leaving) … */
void ob_compute_hurry(struct ob_compute *compute);
/* … or now, without it: *ret_result has what is done, and no OB_RESULT_ROUND comes. False: no round runs. */
bool ob_compute_abandon(struct ob_compute *compute, struct ob_result *ret_result);
/* False: nothing is there. */
bool ob_compute_take(struct ob_compute *compute, struct ob_result *ret_result);
struct ob_compute_view ob_compute_view(struct ob_compute *compute);

#endif
