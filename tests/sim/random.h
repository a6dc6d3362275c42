/* random - one small generator (splitmix64): a seed decides a whole run. */
#ifndef OB_SIM_RANDOM_H
#define OB_SIM_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

struct sim_random {
    uint64_t state;
};

static inline uint64_t sim_random_next(struct sim_random *random) {
    uint64_t z = (random->state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}
/* In [0, end). */
static inline uint64_t sim_random_below(struct sim_random *random, uint64_t end) {
    return sim_random_next(random) % end;
}
static inline bool sim_random_chance(struct sim_random *random, double probability) {
    return (double)(sim_random_next(random) >> 11) * 0x1p-53 < probability;
}

#endif
