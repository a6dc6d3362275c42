/* audit - what the records of a machine that stands out do to the held-out loss, without anybody asking: when a machine
 * becomes an outlier (run/movements.h), a peer with held-out rows evaluates the next named frontiers that hold what stood out
 * twice, with all records and without those of the machine from the first sample on that stood out. That is what
 * `onebyte quarantine` would leave; `onebyte audit` leaves out all records of a machine. What is taken out is put back exactly.
 *
 * The two passes are over the rows of held_out.h and count in its share of the time: an audit waits until both fit into it, and
 * the next ordinary frontiers wait for the audit.
 *
 * Bounds:  OB_AUDIT_SUSPECTS machines, OB_AUDIT_FRONTIERS frontiers for each alarm, one job at a time.
 * Owns:    the job under way; borrows the evaluator of held_out.
 * Threads: the network thread; the job itself runs in the compute thread. */
#ifndef OB_DAEMON_AUDIT_H
#define OB_DAEMON_AUDIT_H

#include "daemon/diary.h"
#include "daemon/held_out.h"

#define OB_AUDIT_SUSPECTS  16
#define OB_AUDIT_FRONTIERS 3

/* Losses are NaN where they are not finite. */
struct ob_audit_result {
    uint32_t below; /* the frontier; 0: none yet */
    double loss, loss_without;
    uint64_t rows;
};

struct ob_suspect {
    struct ob_machine_id machine;
    uint64_t from;                 /* the first sample that stood out */
    unsigned frontiers;            /* still to be evaluated */
    uint32_t looked_at;            /* frontiers up to this one were evaluated, or hold nothing of it */
    struct ob_audit_result result; /* of the last one */
};

struct ob_audit_job;

struct ob_audit {
    const struct ob_session *session; /* borrowed, as are the two */
    struct ob_held_out *held_out;
    struct ob_diary *diary;
    struct ob_suspect suspects[OB_AUDIT_SUSPECTS];
    size_t count, next;       /* whose turn it is */
    uint32_t below;           /* the last named frontier; 0: none yet */
    struct ob_audit_job *job; /* under way; NULL: none */
};

void ob_audit_close(struct ob_audit *audit); /* after the compute thread ended */
/* A machine stands out from this sample on. Nothing happens where there are no held-out rows. */
void ob_audit_suspect(struct ob_audit *audit, const struct ob_machine_id *machine, uint64_t from);
/* The records below this round are a named frontier. */
void ob_audit_frontier(struct ob_audit *audit, uint32_t below);
/* Starts what is due; the store holds exactly what the weights do when everything submitted is done. */
OB_MUST_USE enum ob_err ob_audit_tend(struct ob_audit *audit, struct ob_error *error);
/* False: the task was not ours. Tells the log and the diary. */
bool ob_audit_done(struct ob_audit *audit, const void *task, const struct ob_error *how);
/* The run is worse for what stood out, on these rows. */
bool ob_audit_is_worse(const struct ob_audit_result *result);
/* NULL: it was not audited. */
const struct ob_audit_result *ob_audit_of(const struct ob_audit *audit, const struct ob_machine_id *machine);

#endif
