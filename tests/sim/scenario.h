/* scenario - what happens to a simulated cluster: drawn from the seed. */
#ifndef OB_SIM_SCENARIO_H
#define OB_SIM_SCENARIO_H

#include <stddef.h>

#include "tests/sim/random.h"

#define SIM_MILLISECONDS 1000000ull
#define SIM_SECONDS      (1000 * SIM_MILLISECONDS)

struct sim_scenario {
    uint64_t seed;
    size_t peers;   /* at the start */
    size_t joiners; /* later */
    uint32_t max_staleness;
    uint16_t samples_per_round;
    double loss, duplicates, slow; /* of messages; slow ones take up to a second more, and are overtaken */
    uint64_t delay_ns;             /* at most, of the others */
    bool sparse;                   /* each knows a few others only */
    double crashes, partitions, leaves, pauses; /* a second, in the whole cluster */
    double crash_in_step;                       /* a crash comes between two effects of one step */
    bool silent;                                /* nobody is told of broken links */
    bool rollbacks;     /* a machine comes back from an older copy of its disk; nothing else goes wrong */
    uint64_t faults_ns; /* how long things go wrong */
    uint64_t healed_ns; /* then nothing breaks any more: everybody must train */
    uint64_t calm_ns;   /* how long the cluster may then take to agree */
};

struct sim_scenario sim_scenario_draw(uint64_t seed, size_t peers);

#endif
