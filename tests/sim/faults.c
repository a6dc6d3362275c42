#include "tests/sim/cluster.h"
#include "tests/sim/perform.h"

#define ROLL_EVERY_NS (100 * SIM_MILLISECONDS)

static bool happens(struct sim_cluster *cluster, double per_second) {
    return sim_random_chance(&cluster->random, per_second * 0.1);
}

static uint64_t soon(struct sim_cluster *cluster, uint64_t at_most_ns) {
    return cluster->now_ns + 100 * SIM_MILLISECONDS + sim_random_below(&cluster->random, at_most_ns);
}

static void later(struct sim_cluster *cluster, enum sim_event_kind kind, size_t node, uint64_t at_most_ns) {
    sim_events_push(&cluster->events, (struct sim_event){.time_ns = soon(cluster, at_most_ns),
                                                         .kind = kind,
                                                         .node = node,
                                                         .incarnation = cluster->nodes[node].incarnation});
}

static void crash(struct sim_cluster *cluster, size_t node) {
    cluster->counts.crashes++;
    sim_cluster_crash(cluster, node);
    later(cluster, SIM_RESTART, node, 8 * SIM_SECONDS);
}

static void partition(struct sim_cluster *cluster) {
    unsigned sides = 2 + (unsigned)sim_random_below(&cluster->random, 2);
    for (size_t i = 0; i < cluster->count; i++)
        cluster->nodes[i].side = (unsigned)sim_random_below(&cluster->random, sides);
    cluster->counts.partitions++;
    later(cluster, SIM_HEAL, 0, 10 * SIM_SECONDS);
}

static void leave(struct sim_cluster *cluster, size_t node) {
    cluster->nodes[node].leaving = true;
    sim_cluster_tell(cluster, node, OB_EVENT_LEAVE);
    if (sim_cluster_up(cluster, node) && cluster->nodes[node].round_running)
        sim_perform_round_done(cluster, node, cluster->nodes[node].round_number);
}

/* Every other machine is up and holds all of this one's records, so that they cannot be lost with its disk.
 */
static bool known_to_all(const struct sim_cluster *cluster, size_t node) {
    uint64_t end = sim_chain_end(&cluster->nodes[node].disk.chains[node]);
    for (size_t i = 0; i < cluster->count; i++)
        if (i != node &&
            (!sim_cluster_up(cluster, i) || sim_chain_end(&cluster->nodes[i].disk.chains[node]) != end))
            return false;
    return true;
}

static void roll_back(struct sim_cluster *cluster, size_t number) {
    struct sim_node *node = &cluster->nodes[number];
    if (!known_to_all(cluster, number) || cluster->now_ns % (3 * SIM_SECONDS) > SIM_SECONDS)
        return;
    sim_cluster_crash(cluster, number);
    size_t lost = sim_random_below(&cluster->random, 4);
    struct sim_chain *own = &node->disk.chains[number];
    own->count = lost < own->count ? own->count - lost : 0;
    node->disk.synced[number] = own->count;
    node->rolled_back = true;
    cluster->counts.rollbacks++;
    later(cluster, SIM_RESTART, number, 3 * SIM_SECONDS);
}

void sim_faults_roll(struct sim_cluster *cluster) {
    const struct sim_scenario *scenario = &cluster->scenario;
    if (cluster->healed)
        return;
    size_t node = sim_random_below(&cluster->random, cluster->count);
    bool up = sim_cluster_up(cluster, node);
    if (up && happens(cluster, scenario->crashes))
        crash(cluster, node);
    else if (happens(cluster, scenario->partitions))
        partition(cluster);
    else if (up && happens(cluster, scenario->leaves))
        leave(cluster, node);
    else if (up && happens(cluster, scenario->pauses)) {
        sim_cluster_tell(cluster, node, OB_EVENT_PAUSE);
        later(cluster, SIM_RESUME, node, 8 * SIM_SECONDS);
    } else if (up && scenario->rollbacks)
        roll_back(cluster, node);
    sim_events_push(&cluster->events,
                    (struct sim_event){.time_ns = cluster->now_ns + ROLL_EVERY_NS, .kind = SIM_FAULT});
}

void sim_faults_heal(struct sim_cluster *cluster) {
    cluster->healed = true;
    for (size_t i = 0; i < cluster->count; i++)
        cluster->nodes[i].side = 0;
    for (size_t i = 0; i < cluster->count; i++) {
        struct sim_node *node = &cluster->nodes[i];
        node->records_before = cluster->ledger.chains[i].count;
        if (node->peer != NULL)
            sim_cluster_tell(cluster, i, OB_EVENT_RESUME);
        else if (!node->gone)
            sim_cluster_start(cluster, i);
    }
}

void sim_faults_calm(struct sim_cluster *cluster) {
    cluster->calm = true;
    for (size_t i = 0; i < cluster->count; i++)
        if (sim_cluster_up(cluster, i))
            sim_cluster_tell(cluster, i, OB_EVENT_PAUSE);
}
