#include "tests/sim/cluster.h"

#include <stdio.h>
#include <stdlib.h>

#include "peer/message.h"
#include "tests/sim/perform.h"

static void sort_by_key(struct sim_cluster *cluster) {
    for (size_t i = 0; i < cluster->count; i++) {
        size_t at = i;
        for (; at > 0 &&
               ob_machine_compare(&cluster->nodes[cluster->by_key[at - 1]].id, &cluster->nodes[i].id) > 0;
             at--)
            cluster->by_key[at] = cluster->by_key[at - 1];
        cluster->by_key[at] = i;
    }
}

static void init_node(struct sim_cluster *cluster, size_t number) {
    struct sim_node *node = &cluster->nodes[number];
    for (size_t i = 0; i < OB_KEY_BYTES; i++)
        node->id.key[i] = (uint8_t)sim_random_next(&cluster->random);
    node->joined = number < cluster->scenario.peers;
    node->round_ns = (40 + sim_random_below(&cluster->random, 400)) * SIM_MILLISECONDS;
    if (sim_random_chance(&cluster->random, 0.1))
        node->round_ns *= 8; /* an old machine */
    sim_disk_init(&node->disk, cluster->count);
}

void sim_cluster_init(struct sim_cluster *cluster, const struct sim_scenario *scenario, bool verbose) {
    *cluster = (struct sim_cluster){.scenario = *scenario, .random = {scenario->seed}, .verbose = verbose};
    cluster->count = scenario->peers + scenario->joiners;
    cluster->nodes = calloc(cluster->count, sizeof *cluster->nodes);
    cluster->linked = calloc(cluster->count, cluster->count);
    cluster->by_key = calloc(cluster->count, sizeof *cluster->by_key);
    if (!cluster->nodes || !cluster->linked || !cluster->by_key)
        abort();
    cluster->now_ns = 1000 * SIM_SECONDS;
    cluster->run.hash.bytes[0] = 1;
    cluster->engine = ob_spsa_engine_best(NULL);
    cluster->rate = (1ull << 48) / 1000;
    cluster->rule = (struct ob_spsa_rule){.run = cluster->run,
                                          .code = {OB_SPSA_C0_DEFAULT, OB_SPSA_CODE_MAX_DEFAULT},
                                          .combine = OB_SPSA_CAPPED,
                                          .s0 = 64,
                                          .rounds_per_rate = 1,
                                          .rate_count = 1,
                                          .rates = &cluster->rate};
    sim_ledger_init(&cluster->ledger, cluster->count);
    for (size_t i = 0; i < cluster->count; i++)
        init_node(cluster, i);
    sort_by_key(cluster);
    sim_network_wire(cluster);
    for (size_t i = 0; i < cluster->scenario.peers; i++)
        sim_cluster_start(cluster, i);
    for (size_t i = cluster->scenario.peers; i < cluster->count; i++)
        sim_events_push(&cluster->events,
                        (struct sim_event){.time_ns = cluster->now_ns +
                                                      sim_random_below(&cluster->random, scenario->faults_ns),
                                           .kind = SIM_RESTART,
                                           .node = i});
    sim_events_push(&cluster->events, (struct sim_event){.time_ns = cluster->now_ns, .kind = SIM_FAULT});
}

void sim_cluster_done(struct sim_cluster *cluster) {
    for (size_t i = 0; i < cluster->count; i++) {
        ob_peer_free(cluster->nodes[i].peer);
        sim_replica_done(&cluster->nodes[i].replica);
        sim_disk_done(&cluster->nodes[i].disk);
    }
    sim_events_done(&cluster->events);
    sim_ledger_done(&cluster->ledger);
    free(cluster->nodes);
    free(cluster->linked);
    free(cluster->by_key);
}

void sim_cluster_break(struct sim_cluster *cluster, size_t node, const char *rule) {
    if (cluster->broken != NULL)
        return;
    cluster->broken = rule;
    cluster->broken_at = node;
}

bool sim_cluster_up(const struct sim_cluster *cluster, size_t node) {
    return cluster->nodes[node].peer != NULL;
}

void sim_cluster_tell(struct sim_cluster *cluster, size_t node, enum ob_event_kind kind) {
    sim_perform_step(cluster, node, &(struct ob_event){.kind = kind, .now_ns = cluster->now_ns});
}

static void link_changed(struct sim_cluster *cluster, size_t node, size_t other, enum sim_event_kind kind) {
    sim_events_push(&cluster->events,
                    (struct sim_event){.time_ns = cluster->now_ns +
                                                  sim_random_below(&cluster->random, 200 * SIM_MILLISECONDS),
                                       .kind = kind,
                                       .node = node,
                                       .from = other,
                                       .incarnation = cluster->nodes[node].incarnation});
}

static void restore(struct sim_cluster *cluster, struct sim_node *node) {
    sim_replica_init(&node->replica, &cluster->engine, &cluster->rule);
    static const struct ob_record_bounds WIDE = {OB_ROUNDS_MAX, UINT16_MAX, OB_SAMPLES_PER_ROUND_MAX,
                                                 -128,          127,        1};
    for (size_t i = 0; i < cluster->count; i++) {
        const struct sim_chain *chain = &node->disk.chains[i];
        for (size_t j = 0; j < chain->count; j++) {
            struct ob_record record;
            if (ob_record_decode(chain->records[j]->data, chain->records[j]->bytes, &WIDE, &record, NULL) !=
                    OB_OK ||
                ob_peer_restore_record(node->peer, &record, NULL) != OB_OK)
                abort();
            sim_replica_apply(&node->replica, chain->records[j]);
        }
        const struct sim_control *control = &node->disk.control[i];
        if (control->bytes > 0 &&
            ob_peer_restore_control(node->peer, control->data, control->bytes, NULL) != OB_OK)
            abort();
    }
}

void sim_cluster_start(struct sim_cluster *cluster, size_t number) {
    struct sim_node *node = &cluster->nodes[number];
    struct ob_peer_options options = {
        .run = cluster->run,
        .machine = node->id,
        .instance = cluster->now_ns,
        .bounds = {.max_rounds = 100000,
                   .max_machines = (uint16_t)cluster->count,
                   .samples_per_round = cluster->scenario.samples_per_round,
                   .exponent_min = -4,
                   .exponent_max = 4,
                   .profiles = 1},
        .max_staleness = cluster->scenario.max_staleness,
        .rejoin_wait_ns = (node->rolled_back ? 60 : 5) * SIM_SECONDS,
        .may_start_alone = !node->rolled_back,
        .machines_max = cluster->count,
        .open = true,
        .crypto = {.context = node, .sign = sim_sign, .verify = sim_verify},
    };
    if (ob_peer_new(&options, &node->peer, NULL) != OB_OK)
        abort();
    node->joined = true;
    node->leaving = node->round_running = node->gone = node->rolled_back = false;
    node->incarnation++;
    restore(cluster, node);
    for (size_t other = 0; other < cluster->count; other++)
        if (cluster->linked[number * cluster->count + other] && cluster->nodes[other].joined)
            sim_perform_step(cluster, number,
                             &(struct ob_event){.kind = OB_EVENT_EXPECT,
                                                .now_ns = cluster->now_ns,
                                                .machine = cluster->nodes[other].id});
    sim_cluster_tell(cluster, number, OB_EVENT_START);
    if (cluster->calm)
        sim_cluster_tell(cluster, number, OB_EVENT_PAUSE);
    for (size_t other = 0; other < cluster->count; other++)
        if (cluster->linked[number * cluster->count + other] && sim_cluster_up(cluster, other)) {
            link_changed(cluster, number, other, SIM_LINK_UP);
            link_changed(cluster, other, number, SIM_LINK_UP);
        }
    struct sim_event event = {.node = number, .incarnation = node->incarnation, .kind = SIM_TICK};
    event.time_ns = cluster->now_ns + sim_random_below(&cluster->random, 100 * SIM_MILLISECONDS);
    sim_events_push(&cluster->events, event);
    event.kind = SIM_SYNC;
    sim_events_push(&cluster->events, event);
}

void sim_cluster_crash(struct sim_cluster *cluster, size_t number) {
    struct sim_node *node = &cluster->nodes[number];
    if (node->peer == NULL)
        return;
    ob_peer_free(node->peer);
    node->peer = NULL;
    sim_replica_done(&node->replica);
    sim_disk_crash(&node->disk);
    node->incarnation++;
    for (size_t other = 0; other < cluster->count; other++)
        if (!cluster->scenario.silent && cluster->linked[number * cluster->count + other] &&
            sim_cluster_up(cluster, other))
            link_changed(cluster, other, number, SIM_LINK_DOWN);
}

static void deliver(struct sim_cluster *cluster, const struct sim_event *event) {
    const struct sim_node *node = &cluster->nodes[event->node];
    if (node->peer == NULL || node->side != cluster->nodes[event->from].side) {
        cluster->counts.lost++;
        return;
    }
    cluster->counts.delivered++;
    sim_perform_step(cluster, event->node,
                     &(struct ob_event){.kind = OB_EVENT_MESSAGE,
                                        .now_ns = cluster->now_ns,
                                        .machine = cluster->nodes[event->from].id,
                                        .data = event->buffer->data,
                                        .bytes = event->buffer->bytes});
}

/* Comes back after `after` and does the same again, as long as the machine lives. */
static void again(struct sim_cluster *cluster, struct sim_event event, uint64_t after_ns) {
    event.time_ns = cluster->now_ns + after_ns;
    if (cluster->nodes[event.node].incarnation == event.incarnation)
        sim_events_push(&cluster->events, event);
}

static void happen_to_node(struct sim_cluster *cluster, const struct sim_event *event) {
    struct sim_node *node = &cluster->nodes[event->node];
    if (event->incarnation != node->incarnation || node->peer == NULL)
        return;
    switch (event->kind) {
    case SIM_TICK:
        sim_cluster_tell(cluster, event->node, OB_EVENT_TICK);
        again(cluster, *event, 100 * SIM_MILLISECONDS);
        break;
    case SIM_SYNC:
        sim_disk_sync(&node->disk);
        again(cluster, *event, SIM_SECONDS);
        break;
    case SIM_ROUND_DONE:
        sim_perform_round_done(cluster, event->node, event->from);
        break;
    case SIM_LINK_UP:
    case SIM_LINK_DOWN:
        sim_perform_step(cluster, event->node,
                         &(struct ob_event){
                             .kind = event->kind == SIM_LINK_UP ? OB_EVENT_LINK_UP : OB_EVENT_LINK_DOWN,
                             .now_ns = cluster->now_ns,
                             .machine = cluster->nodes[event->from].id,
                         });
        break;
    case SIM_RESUME:
        if (!cluster->calm)
            sim_cluster_tell(cluster, event->node, OB_EVENT_RESUME);
        break;
    default:
        abort();
    }
}

bool sim_cluster_advance(struct sim_cluster *cluster) {
    struct sim_event event = sim_events_pop(&cluster->events);
    cluster->now_ns = event.time_ns;
    switch (event.kind) {
    case SIM_DELIVER:
        deliver(cluster, &event);
        sim_buffer_release(event.buffer);
        break;
    case SIM_RESTART:
        if (cluster->nodes[event.node].peer == NULL)
            sim_cluster_start(cluster, event.node);
        break;
    case SIM_HEAL:
        for (size_t i = 0; i < cluster->count; i++)
            cluster->nodes[i].side = 0;
        break;
    case SIM_FAULT:
        sim_faults_roll(cluster);
        break;
    default:
        happen_to_node(cluster, &event);
    }
    return cluster->broken == NULL;
}
