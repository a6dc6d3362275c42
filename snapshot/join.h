/* snapshot_join - a peer that is far behind takes the weights from a snapshot of others, when that is
 * cheaper, instead of replaying every record.
 *
 *   ASKING     from the start until a few seconds after the first link: who offers what? Records are taken in and
 *              stored as ever, but not replayed yet. Training is paused from the first link on.
 *   FETCHING   the snapshot that most peers offer alike (snapshot/fetch.h).
 *   WAITING    it is here; the log does not reach its frontier yet.
 *   CHECKING   random leaves are made from base and log and compared. Until here it was provisional and nothing of
 *              it was used: when one differs it is thrown away, and its source is named.
 *   REPLAYING  the records above its frontier, or, without one, all.
 *   OFF        the weights are base ⊕ log; it never starts again.
 *
 * [swarm] snapshot = auto: when replaying is estimated to take OB_SNAPSHOT_WORTH_S and twice as long as the
 * transfer; always: whenever one is offered that is ahead of us; never. Whatever cannot wait (a round,
 * records that must be taken out) ends it: what was put off is replayed first. It steps nobody: whether training is
 * to pause is read from `holds_training` after each call.
 *
 * Errors:  those of a store and of a replay. OB_EFULL leaves it as it was: make room and call again.
 * Owns:    what it holds.
 * Threads: the network thread; its work runs in the compute thread (ob_compute_task). */
#ifndef OB_SNAPSHOT_JOIN_H
#define OB_SNAPSHOT_JOIN_H

#include "snapshot/context.h"
#include "snapshot/fetch.h"
#include "snapshot/join_work.h"

#define OB_SNAPSHOT_WORTH_S 10.0

enum ob_join_state {
    OB_JOIN_OFF,
    OB_JOIN_ASKING,
    OB_JOIN_FETCHING,
    OB_JOIN_WAITING,
    OB_JOIN_CHECKING,
    OB_JOIN_REPLAYING
};

struct ob_join_offer {
    struct ob_machine_id machine;
    bool any;
    struct ob_hash name;
    uint8_t header[OB_SNAPSHOT_HEADER_BYTES];
};

struct ob_snapshot_join {
    const struct ob_snapshot_context *context; /* borrowed */
    enum ob_join_state state;
    bool holds_training;     /* no round may start: the weights are not yet base ⊕ log */
    bool from_base;          /* the weights were the base when it began, whatever the log holds */
    uint64_t put_off;        /* records that are stored and not replayed */
    struct ob_snapshot *had; /* the frontier of our weights when we began */
    uint64_t started_ns, asked_ns, looked_ns, fetch_ns, waiting_ns;
    struct ob_join_offer offers[OB_SNAPSHOT_SOURCES];
    size_t offer_count;
    uint64_t asked_again_ns;
    double replay_seconds; /* of one sample, measured; 0: not yet */
    struct ob_snapshot_fetch fetch;
    struct ob_join_work *measuring, *work;
    uint64_t refused, used_samples; /* snapshots that were thrown away; samples of the one that was used */
};

OB_MUST_USE enum ob_err ob_snapshot_join_start(struct ob_snapshot_join *join,
                                               const struct ob_snapshot_context *context, bool from_base,
                                               struct ob_error *error);
void ob_snapshot_join_free(struct ob_snapshot_join *join);  /* after the compute thread ended */
void ob_snapshot_join_hurry(struct ob_snapshot_join *join); /* its work in the compute thread ends soon */
void ob_snapshot_join_linked(struct ob_snapshot_join *join, const struct ob_machine_id *machine);
/* OFFER and PIECE_DATA of an admitted machine. */
void ob_snapshot_join_take(struct ob_snapshot_join *join, const struct ob_machine_id *from,
                           const struct ob_snapshot_message *message);
OB_MUST_USE enum ob_err ob_snapshot_join_tend(struct ob_snapshot_join *join, struct ob_error *error);
/* A record is in the store. True: it is put off; false: apply it now. */
bool ob_snapshot_join_puts_off(struct ob_snapshot_join *join);
/* Records of the log are not in the weights, and not on their way to the compute thread either. */
bool ob_snapshot_join_behind(const struct ob_snapshot_join *join);
/* What was put off goes to the compute thread now, before whatever the caller submits next. */
OB_MUST_USE enum ob_err ob_snapshot_join_end(struct ob_snapshot_join *join, const char *why,
                                             struct ob_error *error);
/* The compute thread is done with `task`; *ret_ours false: it was not ours. */
OB_MUST_USE enum ob_err ob_snapshot_join_done(struct ob_snapshot_join *join, const void *task,
                                              const struct ob_error *how, bool *ret_ours,
                                              struct ob_error *error);
const char *ob_join_state_name(enum ob_join_state state);

#endif
