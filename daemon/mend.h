/* mend - a row of the log that somebody changed, moved or removed while the daemon runs: it is found when the row is read
 * again (to serve others, to look for a fork), named, fetched from another machine and written again. The weights, which
 * have the true record, are not touched, and nobody is accused.
 *
 * What comes is believed when it is signed, goes on from the record before, and leads to the row after it, or to the end of
 * the chain as the peer knows it.
 *
 * Errors:  none: what cannot be mended is told, and the next start repairs it.
 * Threads: the network thread. Time: monotonic nanoseconds, handed in. */
#ifndef OB_DAEMON_MEND_H
#define OB_DAEMON_MEND_H

#include "daemon/session.h"

#define OB_MEND_WISHES 8

struct ob_mend {
    struct { /* something was wrong there */
        struct ob_machine_id machine;
        struct ob_sample from;
    } wishes[OB_MEND_WISHES];
    size_t wish_count;
    bool asks; /* for the records of `machine` from `at` on: */
    struct ob_machine_id machine;
    struct ob_sample at;
    unsigned tries;
    uint64_t asked_ns;
};

/* Something could not be read, or is not signed by its machine, in this chain from the record on that holds `from`. One
 * place at a time; of more chains than OB_MEND_WISHES the others are met again. */
void ob_mend_look(struct ob_mend *mend, const struct ob_machine_id *machine, struct ob_sample from);
/* Call often: looks for the place, asks. */
void ob_mend_tend(struct ob_mend *mend, const struct ob_session *session, uint64_t now_ns);
/* A message of another machine. True: it was the answer, and is not for the peer. */
bool ob_mend_take(struct ob_mend *mend, const struct ob_session *session, const void *data, size_t bytes);

#endif
