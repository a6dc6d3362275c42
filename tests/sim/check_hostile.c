/* check_hostile - what one member with bad intent must not achieve, whatever else goes wrong. */
#include "tests/sim/checks.h"

#define REBUILDS_OF_A_LIFE 2                      /* by one accuser, in the 100 s that a schedule lasts */
#define PACE_FROM_NS       (SIM_SECONDS * 3 / 10) /* rounds that are short against what a drag takes */

static size_t dishonest(const struct sim_cluster *cluster) {
    size_t count = 0;
    for (size_t i = 0; i < cluster->machine_count; i++)
        count += !cluster->machines[i].honest;
    return count;
}

/* The last round that any honest machine has signed. */
static uint32_t furthest(const struct sim_cluster *cluster) {
    uint32_t most = 0;
    for (size_t i = 0; i < cluster->ledger.machines; i++) {
        const struct sim_chain *chain = &cluster->ledger.chains[i];
        if (!cluster->machines[i].honest || chain->count == 0)
            continue;
        uint32_t round = sim_record_decode(chain->records[chain->count - 1]).round.index;
        most = round > most ? round : most;
    }
    return most;
}

const char *sim_check_start(const struct sim_cluster *cluster, size_t number,
                            const struct ob_effect_start *start) {
    bool newcomer = start->first.index == 0;
    if (cluster->counts.hostile == 0 || dishonest(cluster) > 1 || newcomer ||
        !cluster->machines[cluster->nodes[number].machine].honest)
        return NULL;
    return start->round.index > furthest(cluster) + 2 ? "a round was skipped to because of one machine"
                                                      : NULL;
}

const char *sim_check_rebuild(struct sim_cluster *cluster, size_t number) {
    struct sim_node *node = &cluster->nodes[number];
    node->rebuilds++;
    bool one = cluster->counts.flips == 0 && dishonest(cluster) <= 1;
    return one && node->rebuilds > REBUILDS_OF_A_LIFE ? "weights are verified again and again for one accuser"
                                                      : NULL;
}

static size_t signed_since_healed(const struct sim_cluster *cluster, size_t number) {
    const struct sim_node *node = &cluster->nodes[number];
    return cluster->ledger.chains[node->machine].count - node->records_before;
}

/* The best of the honest ones must have done what the slowest honest one does in a quarter of the time. */
const char *sim_check_pace(const struct sim_cluster *cluster, size_t *ret_node) {
    uint64_t slowest_ns = 0, most = 0;
    bool hostile = false;
    for (size_t i = 0; i < cluster->count; i++) {
        const struct sim_node *node = &cluster->nodes[i];
        hostile |= node->attacker != NULL;
        if (!sim_cluster_counts(cluster, i) || !sim_cluster_trains(cluster, i))
            continue;
        slowest_ns = node->round_ns > slowest_ns ? node->round_ns : slowest_ns;
        if (signed_since_healed(cluster, i) > most) {
            most = signed_since_healed(cluster, i);
            *ret_node = i;
        }
    }
    uint64_t takes_ns = slowest_ns * 3 / 2 + 2 * cluster->plan.delay_ms * SIM_MILLISECONDS;
    if (!hostile || dishonest(cluster) > 1 || slowest_ns == 0 || slowest_ns > PACE_FROM_NS ||
        cluster->plan.healed_s < 60)
        return NULL;
    return most * takes_ns * 4 < cluster->plan.healed_s * SIM_SECONDS ? "one machine holds up all others"
                                                                      : NULL;
}
