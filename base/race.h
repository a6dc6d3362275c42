/* race - times several ways to do the same work and finds the fastest.
 *
 * They take turns, so that whatever else the machine does hits all of them alike, and of each the least time
 * counts. The one with the least time wins; of two that are equal, the later one in the list. Those that are far
 * behind after some rounds may leave, so that the time goes to those that are close to one another.
 * Errors:  none.
 * Threads: those of `run`. */
#ifndef OB_BASE_RACE_H
#define OB_BASE_RACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OB_RACE_MAX      8
#define OB_RACE_TEXT_MAX 256

struct ob_racer {
    const char *name; /* borrowed, static */
    bool available;   /* it takes part */
    bool stays;       /* it never leaves: the others are compared with it */
    bool left;        /* it was too far behind */
    uint64_t least_ns;
};

struct ob_race {
    size_t count, fastest; /* 0: no race was run */
    struct ob_racer list[OB_RACE_MAX];
};

struct ob_race_job {
    /* One turn; round 0 is not timed. False: this racer cannot go on, and is no longer available. */
    bool (*run)(void *context, size_t racer, unsigned round);
    void *context;
    uint64_t (*now_ns)(void);
    unsigned rounds;   /* of all racers, after one that is not timed */
    uint64_t limit_ns; /* no round begins later than this; the first `heats` always do */
    unsigned heats;    /* rounds, at least 1, after which who is far behind leaves */
    double behind;     /* times the least time of all; 0: nobody leaves */
};

/* race: count, and name and availability of each; at least one is available and always goes on. Fills in the rest. */
void ob_race_run(const struct ob_race_job *job, struct ob_race *race);
/* One line, times relative to the winner's: "avx512 1.00; avx2 1.37; gfni: not on this processor". */
const char *ob_race_text(const struct ob_race *race, char ret_text[static OB_RACE_TEXT_MAX]);

#endif
