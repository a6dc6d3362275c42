/* desk - may this machine train now, as its owner wants it? From what is known of the machine at a time; nothing is read or
 * measured here (watch.h does that).
 *
 * Units:   Unix seconds, bytes.
 * Threads: pure, but for the time zone, which is the process's (tzset(3)). */
#ifndef OB_DESK_DESK_H
#define OB_DESK_DESK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "desk/power.h"
#include "desk/run_when.h"

#define OB_DESK_TEXT_MAX 400

struct ob_desk_rules {
    struct ob_run_when when;
    int64_t idle_s;        /* OB_RUN_IDLE: after so many seconds without input */
    bool pause_on_battery; /* batteries only */
    uint64_t memory_bytes; /* 0: no limit */
};

enum ob_desk_source { OB_DESK_NOBODY, OB_DESK_LOGIND, OB_DESK_TERMINALS, OB_DESK_BOTH };

struct ob_desk_facts {
    double idle_s; /* since the last input; NAN: not known */
    enum ob_desk_source idle_by;
    enum ob_power power;
    uint64_t memory_bytes; /* our own; 0: not known */
};

/* Why not: a set; one bit each, in the order of what is told first. */
enum ob_desk_reason {
    OB_DESK_OUTSIDE,    /* of the times of run_when */
    OB_DESK_IN_USE,     /* or it is not known that it is not */
    OB_DESK_ON_BATTERY, /* */
    OB_DESK_MEMORY,     /* above the limit */
    OB_DESK_REASONS
};

struct ob_desk_verdict {
    unsigned reasons; /* 1 << reason */
    int64_t until_s;  /* the earliest time at which it may train again; 0: not known, or it may now */
};

struct ob_desk_verdict ob_desk_decide(const struct ob_desk_rules *rules, const struct ob_desk_facts *facts,
                                      int64_t now_s);
/* Why, until when, and what to do: "outside 22:00-06:00, until 22:00". `when` is the text of the rules. */
const char *ob_desk_text(enum ob_desk_reason reason, const struct ob_desk_rules *rules, const char *when,
                         const struct ob_desk_facts *facts, int64_t now_s, char buffer[OB_DESK_TEXT_MAX]);
const char *ob_desk_source_name(enum ob_desk_source source); /* NULL: nobody */

#endif
