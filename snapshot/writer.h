/* snapshot_writer - writes a snapshot now and then, so that the next start, here or at a newcomer's, need not
 * replay the whole log.
 *
 * When:    the records since the last one would take [machine] snapshot_replay_s to replay, and the last one took
 *          less than a hundredth of the time since. Small models, whose log is replayed in no time, never get there.
 * What:    the weights at a named frontier: all records below a round that is a multiple of OB_SNAPSHOT_ROUNDS and
 *          that every machine which trains has passed, so that peers make the same.
 * How:     the compute thread copies the weights part by part, takes the records above the frontier out of the copy
 *          and hands it to the kernel; a thread of its own waits for the disk.
 *
 * Errors:  what goes wrong with a file (a full disk, say) is told in the log; training goes on.
 * Owns:    its thread and the job.
 * Threads: the network thread. */
#ifndef OB_SNAPSHOT_WRITER_H
#define OB_SNAPSHOT_WRITER_H

#include "snapshot/context.h"

#define OB_SNAPSHOT_ROUNDS 64

struct ob_snapshot_job;

struct ob_snapshot_writer {
    const struct ob_snapshot_context *context; /* borrowed */
    struct ob_snapshot_job *job;               /* under way; NULL: none */
    uint64_t looked_ns, last_ns;               /* when the last one was begun */
    uint64_t written, samples;                 /* since the start; of the last one */
    uint32_t round;
    double seconds; /* of the compute thread, for the last one */
};

void ob_snapshot_writer_start(struct ob_snapshot_writer *writer, const struct ob_snapshot_context *context);
/* Between events. may_begin: there is nothing that forbids a new one (a full disk, a join, leaving). */
void ob_snapshot_writer_tend(struct ob_snapshot_writer *writer, bool may_begin);
/* The compute thread is done with `task`; false: it was not ours. */
bool ob_snapshot_writer_done(struct ob_snapshot_writer *writer, const void *task, const struct ob_error *how);
/* Waits for the disk; after the compute thread ended. */
void ob_snapshot_writer_stop(struct ob_snapshot_writer *writer);

#endif
