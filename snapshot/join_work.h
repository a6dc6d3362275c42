/* snapshot_join_work - what a join has to compute: how long replaying takes, whether a snapshot is true, and
 * the weights by it or without it. Runs in the compute thread (ob_compute_task).
 *
 * The check: OB_SNAPSHOT_CHECKED leaves, drawn at random when the whole snapshot is here, are made from the
 * base and those records of our own, verified log that the snapshot names, and must have its hashes. A
 * snapshot with a part p of its leaves wrong passes with probability (1 - p)^OB_SNAPSHOT_CHECKED.
 *
 * Errors:  OB_EMISMATCH: the snapshot is not what it says; `text`. Then, too, the weights are base ⊕
 *          log.
 * Owns:    work owns its store and frontiers.
 * Threads: one at a time, but for `stop` and `samples`. */
#ifndef OB_SNAPSHOT_JOIN_WORK_H
#define OB_SNAPSHOT_JOIN_WORK_H

#include <stdatomic.h>

#include "snapshot/file.h"

#define OB_SNAPSHOT_CHECKED 16

enum ob_join_work_kind { OB_JOIN_MEASURE, OB_JOIN_REPLAY, OB_JOIN_CHECK };

struct ob_join_work {
    enum ob_join_work_kind kind;
    struct ob_replica *replica;    /* borrowed */
    struct ob_store *store;        /* held; owned */
    const struct ob_snapshot *had; /* what the weights hold; borrowed */
    char incoming[OB_PATH_MAX], path[OB_PATH_MAX];
    const char *folder; /* borrowed */
    atomic_bool stop;
    atomic_ullong samples; /* replayed so far */
    /* results */
    bool used;                    /* the weights come from the snapshot, which has its name now */
    size_t checked;               /* leaves */
    double replay_seconds;        /* MEASURE: of one sample */
    char text[OB_ERROR_TEXT_MAX]; /* why it was not used */
};

OB_MUST_USE enum ob_err ob_join_work_new(enum ob_join_work_kind kind, struct ob_replica *replica,
                                         struct ob_join_work **ret_work, struct ob_error *error);
void ob_join_work_free(struct ob_join_work *work);
enum ob_err ob_join_work_run(void *work, struct ob_error *error);

#endif
