/* race - times several ways to do the same work and finds the fastest.
 *
 * They take turns, so that whatever else the machine does hits all of them alike, and of each the least time
 * counts. The one with the least time wins; of two that are equal, the later one in the list.
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
    uint64_t least_ns;
};

struct ob_race {
    size_t count, fastest; /* 0: no race was run */
    struct ob_racer list[OB_RACE_MAX];
};

struct ob_race_job {
    void (*run)(void *context, size_t racer);
    void *context;
    uint64_t (*now_ns)(void);
    unsigned rounds;   /* of all racers, after one that is not timed */
    uint64_t limit_ns; /* no round begins later than this; the first one always does */
};

/* race: count, and name and availability of each; at least one is available. Fills in the rest. */
void ob_race_run(const struct ob_race_job *job, struct ob_race *race);
/* One line, times relative to the winner's: "avx512 1.00; avx2 1.37; gfni: not on this processor". */
const char *ob_race_text(const struct ob_race *race, char ret_text[static OB_RACE_TEXT_MAX]);

#endif
