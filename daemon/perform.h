/* perform - one effect of the peer, carried out. A leaf: nothing here steps the peer, so that the effects of a step stay
 * what they are until the last of them is done.
 *
 * Errors:  what the daemon cannot go on after. A full disk is waited for (daemon/disk_full.h).
 * Owns:    nothing.
 * Threads: the network thread. */
#ifndef OB_DAEMON_PERFORM_H
#define OB_DAEMON_PERFORM_H

#include "daemon/answers.h"
#include "daemon/audit.h"
#include "daemon/diary.h"
#include "daemon/disk_full.h"
#include "daemon/held_out.h"
#include "daemon/membership.h"
#include "daemon/mend.h"
#include "daemon/session.h"
#include "snapshot/join.h"

struct ob_performer {
    const struct ob_session *session;
    struct ob_membership *membership;
    struct ob_snapshot_join *join;
    struct ob_disk_full *disk;
    struct ob_answers *answers;
    struct ob_diary *diary;
    struct ob_held_out *held_out;
    struct ob_audit *audit;
    struct ob_mend *mend;
    bool left, halted; /* what the peer said last */

    bool digest_waits; /* an OB_EFFECT_DIGEST of the peer, until the weights have what was put off: */
    struct ob_hash digest_wait_log;
    struct ob_round digest_wait_round;
};

OB_MUST_USE enum ob_err ob_perform(struct ob_performer *performer, const struct ob_effect *effect,
                                   struct ob_error *error);
/* Answers questions for records that can be paid for now; between two steps. */
OB_MUST_USE enum ob_err ob_perform_answers(struct ob_performer *performer, struct ob_error *error);
/* Carries out a digest that waited, when it can be had now; between two steps. */
OB_MUST_USE enum ob_err ob_perform_waiting_digest(struct ob_performer *performer, struct ob_error *error);
/* Starts an audit that is due (audit.h); between two steps. */
OB_MUST_USE enum ob_err ob_perform_audit(struct ob_performer *performer, struct ob_error *error);

#endif
