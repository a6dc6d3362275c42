/* held_out - [training] held_out in a running daemon: at named frontiers that are multiples of held_out_interval, at the base
 * of a fresh run and at its end, this machine's part of the held-out rows is evaluated in the compute thread, between two
 * rounds.
 *
 * How many rows: as many as cost held_out_share percent of the forward passes of held_out_interval rounds, whatever machine or
 * model it is, so that every start and every frontier has the same rows. Where that takes more of the time all the same,
 * frontiers are left out.
 *
 * Errors:  those of model/data/corpus.h: name the file.
 * Owns:    its rows, the evaluator and the job under way.
 * Threads: the network thread; the job itself runs in the compute thread. */
#ifndef OB_DAEMON_HELD_OUT_H
#define OB_DAEMON_HELD_OUT_H

#include <stdatomic.h>

#include "daemon/session.h"
#include "run/evaluator.h"

struct ob_held_out_job {
    struct ob_evaluator *evaluator;
    atomic_bool *stop;
    struct ob_updates without;
    uint32_t below;
    struct ob_hash log;
    struct ob_score score;
    double seconds;
};

struct ob_held_out {
    const struct ob_session *session; /* borrowed */
    struct ob_corpus *corpus;         /* NULL: none */
    struct ob_evaluator *evaluator;
    struct ob_held_out_job *job; /* under way; NULL: none */
    atomic_bool stop;
    struct ob_hash asked_log;
    uint64_t evaluations;
    double seconds, last_seconds,
        base_seconds; /* of the compute thread: in all, for the last one, and for the base */
    uint64_t start_ns;
    bool not_finite; /* the last one had no finite loss */
    bool yields;     /* an audit (audit.h) waits for its share of the time: ordinary frontiers make way */
};

/* Before the compute thread starts. *tokenizer: opened when it is NULL. */
OB_MUST_USE enum ob_err ob_held_out_open(struct ob_held_out *held_out, const struct ob_session *session,
                                         struct ob_tokenizer **tokenizer, struct ob_error *error);
void ob_held_out_hurry(struct ob_held_out *held_out); /* the job ends soon, without a score */
void ob_held_out_close(struct ob_held_out *held_out); /* after the compute thread ended */

/* So many passes over the rows fit into the share of the time now. */
bool ob_held_out_affords(const struct ob_held_out *held_out, unsigned passes);
/* Somebody else took so long for them. */
void ob_held_out_spent(struct ob_held_out *held_out, unsigned passes, double seconds);

/* The store and the weights hold the frontier now, and perhaps more: evaluates it when it is one of those to be. below:
 * OB_ROUNDS_ALL, the whole log, which then has rounds below `end`. */
OB_MUST_USE enum ob_err ob_held_out_offer(struct ob_held_out *held_out, uint32_t below, uint32_t end,
                                          const struct ob_hash *log, struct ob_error *error);
/* False: the task was not ours. *ret_evaluated: there is a score, which the peer is told by *ret_event; it points into
 * *ret_score. */
bool ob_held_out_done(struct ob_held_out *held_out, const void *task, const struct ob_error *how,
                      struct ob_score *ret_score, struct ob_event *ret_event, bool *ret_evaluated);

#endif
