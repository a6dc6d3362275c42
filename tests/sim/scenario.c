#include "tests/sim/scenario.h"

struct sim_scenario sim_scenario_draw(uint64_t seed, size_t peers) {
    static const uint32_t STALENESS[] = {0, 1, 2, 4, 16};
    struct sim_random random = {seed ^ 0x7363656e6172696full};
    struct sim_scenario scenario = {
        .seed = seed,
        .peers = peers,
        .joiners = sim_random_below(&random, peers / 4 + 2),
        .max_staleness = STALENESS[sim_random_below(&random, 5)],
        .samples_per_round = (uint16_t)(1 + sim_random_below(&random, 12)),
        .loss = (double)sim_random_below(&random, 4) * 0.08,
        .duplicates = (double)sim_random_below(&random, 3) * 0.05,
        .slow = (double)sim_random_below(&random, 3) * 0.05,
        .delay_ns = (1 + sim_random_below(&random, 80)) * SIM_MILLISECONDS,
        .sparse = sim_random_chance(&random, 0.4),
        .crashes = (double)sim_random_below(&random, 4) * 0.15,
        .partitions = (double)sim_random_below(&random, 3) * 0.06,
        .leaves = (double)sim_random_below(&random, 3) * 0.05,
        .pauses = (double)sim_random_below(&random, 2) * 0.05,
        .crash_in_step = sim_random_chance(&random, 0.5) ? 0.0005 : 0,
        .silent = sim_random_chance(&random, 0.5),
        .rollbacks = sim_random_chance(&random, 0.15),
        .faults_ns = 30 * SIM_SECONDS,
        .healed_ns = 25 * SIM_SECONDS,
        .calm_ns = 120 * SIM_SECONDS,
    };
    if (scenario.loss > 0.2)
        scenario.healed_ns += 20 * SIM_SECONDS; /* fetching a backlog takes a while then */
    if (scenario.rollbacks) {
        scenario.crashes = scenario.partitions = scenario.leaves = scenario.crash_in_step = 0;
        scenario.sparse = false;
        scenario.joiners = 0;
        scenario.loss = 0.02;
    }
    return scenario;
}
