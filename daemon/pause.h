/* pause - why this machine starts no round. The reasons are a set: each has one owner, who alone adds and removes it, and
 * training goes on when the set is empty.
 *
 * Errors:  none.
 * Threads: the network thread. */
#ifndef OB_DAEMON_PAUSE_H
#define OB_DAEMON_PAUSE_H

#include <stdbool.h>

enum ob_pause_reason {
    OB_PAUSE_OPERATOR,  /* `onebyte pause` */
    OB_PAUSE_OVERRANGE, /* a weight is beyond half its range */
    OB_PAUSE_JOINING,   /* the weights come from a snapshot that is not checked yet */
    OB_PAUSE_ALONE,     /* the log is empty, others are configured, and none of them was reached yet */
    OB_PAUSE_ISOLATED, /* too few machines hold our records; the peer itself sees to it, here it is only shown */
    OB_PAUSE_DIVERGING, /* pause_when_diverging, until the operator resumes */
    OB_PAUSE_SCHEDULE,  /* these four are [desk]'s (desk/desk.h): outside the times of run_when */
    OB_PAUSE_IN_USE,    /* run_when = idle, and somebody is there */
    OB_PAUSE_BATTERY,   /* pause_on_battery */
    OB_PAUSE_MEMORY,    /* above max_memory_mb */
    OB_PAUSE_COUNT
};

struct ob_pause {
    unsigned reasons; /* 1 << reason */
};

/* True: the set became empty, or has just been empty: the peer must be told (ob_pause_any says which). */
bool ob_pause_set(struct ob_pause *pause, enum ob_pause_reason reason, bool on);
bool ob_pause_has(const struct ob_pause *pause, enum ob_pause_reason reason);
bool ob_pause_any(const struct ob_pause *pause);
/* One word for a status, and one sentence: what it is and what ends it. */
const char *ob_pause_reason_name(enum ob_pause_reason reason);
const char *ob_pause_reason_text(enum ob_pause_reason reason);

#endif
