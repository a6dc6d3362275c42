#include <stdlib.h>

#include "tests/sim/cluster.h"

static void wire(struct sim_cluster *cluster, size_t a, size_t b) {
    cluster->linked[a * cluster->count + b] = cluster->linked[b * cluster->count + a] = a != b;
}

/* Everybody with everybody; or a ring with a few chords, so that records must travel through others. */
void sim_network_wire(struct sim_cluster *cluster) {
    for (size_t a = 0; a < cluster->count; a++) {
        if (!cluster->scenario.sparse) {
            for (size_t b = 0; b < cluster->count; b++)
                wire(cluster, a, b);
            continue;
        }
        wire(cluster, a, (a + 1) % cluster->count);
        wire(cluster, a, (a + 2) % cluster->count);
        wire(cluster, a, sim_random_below(&cluster->random, cluster->count));
    }
}

size_t sim_network_number(const struct sim_cluster *cluster, const struct ob_machine_id *id) {
    size_t low = 0, high = cluster->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = ob_machine_compare(&cluster->nodes[cluster->by_key[middle]].id, id);
        if (order == 0)
            return cluster->by_key[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return SIZE_MAX;
}

void sim_network_send(struct sim_cluster *cluster, size_t from, size_t to, struct sim_buffer *buffer) {
    struct sim_random *random = &cluster->random;
    const struct sim_scenario *scenario = &cluster->scenario;
    if (!cluster->linked[from * cluster->count + to] ||
        cluster->nodes[from].side != cluster->nodes[to].side ||
        (!cluster->calm && sim_random_chance(random, scenario->loss))) {
        cluster->counts.lost++;
        return;
    }
    unsigned copies = sim_random_chance(random, scenario->duplicates) ? 2 : 1;
    for (unsigned copy = 0; copy < copies; copy++) {
        uint64_t delay = 1 + sim_random_below(random, scenario->delay_ns);
        if (sim_random_chance(random, scenario->slow))
            delay += sim_random_below(random, SIM_SECONDS);
        sim_events_push(&cluster->events, (struct sim_event){.time_ns = cluster->now_ns + delay,
                                                             .kind = SIM_DELIVER,
                                                             .node = to,
                                                             .from = from,
                                                             .buffer = buffer});
    }
}

void sim_network_publish(struct sim_cluster *cluster, size_t from, struct sim_buffer *buffer) {
    for (size_t to = 0; to < cluster->count; to++)
        if (to != from && cluster->nodes[to].peer != NULL)
            sim_network_send(cluster, from, to, buffer);
}
