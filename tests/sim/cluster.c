#include "tests/sim/cluster.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/sim/attacker.h"
#include "tests/sim/integrity.h"
#include "tests/sim/perform.h"

#define START_NS        (1000 * SIM_SECONDS)
#define START_S         1800000000 /* on the wall */
#define TICK_NS         (100 * SIM_MILLISECONDS)
#define SYNC_NS         SIM_SECONDS
#define KNOCK_NS        SIM_SECONDS
#define DIGEST_INTERVAL 8
#define SPARE_SEATS     16 /* machines that a peer may know beside those of its run's signers and its links */

static int by_key(const void *a, const void *b, void *machines) {
    const struct sim_machine *all = machines;
    return ob_machine_compare(&all[*(const size_t *)a].id, &all[*(const size_t *)b].id);
}

static void init_machines(struct sim_cluster *cluster) {
    cluster->machines = calloc(cluster->machine_count, sizeof *cluster->machines);
    cluster->by_key = calloc(cluster->machine_count, sizeof *cluster->by_key);
    if (!cluster->machines || !cluster->by_key)
        abort();
    for (size_t i = 0; i < cluster->machine_count; i++) {
        sim_machine_init(&cluster->machines[i], &cluster->random, cluster->plan.ed25519);
        cluster->by_key[i] = i;
    }
    qsort_r(cluster->by_key, cluster->machine_count, sizeof *cluster->by_key, by_key, cluster->machines);
}

static void init_nodes(struct sim_cluster *cluster) {
    cluster->nodes = calloc(cluster->count, sizeof *cluster->nodes);
    if (cluster->nodes == NULL)
        abort();
    for (size_t number = 0; number < cluster->count; number++) {
        struct sim_node *node = &cluster->nodes[number];
        node->machine = number < cluster->machine_count ? number : 0;
        node->round_ns =
            (cluster->plan.round_ms + test_random_below(&cluster->random, 2 * cluster->plan.round_ms)) *
            SIM_MILLISECONDS;
        if (test_random_below(&cluster->random, 100) < cluster->plan.old)
            node->round_ns *= 8;
        node->looker = (struct sim_looker){cluster, number};
        node->contact = SIM_NOBODY;
        sim_disk_init(&node->disk, cluster->ledger.machines);
        node->trouble.straggle = 1;
    }
}

void sim_cluster_init(struct sim_cluster *cluster, const struct sim_plan *plan, bool verbose) {
    *cluster = (struct sim_cluster){
        .plan = *plan, .random = {plan->seed}, .verbose = verbose, .start_ns = START_NS, .now_ns = START_NS};
    cluster->machine_count = plan->peers + plan->joiners;
    cluster->count = sim_plan_nodes(plan);
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
    init_machines(cluster);
    sim_ledger_init(&cluster->ledger, plan->signers > 0 ? plan->signers : cluster->machine_count);
    init_nodes(cluster);
    sim_authority_init(cluster);
    sim_network_wire(cluster);
    sim_faults_plan(cluster);
    for (size_t i = 0; i < plan->peers; i++)
        sim_cluster_start(cluster, i);
}

static void done_node(struct sim_node *node) {
    ob_peer_free(node->peer);
    sim_attacker_free(&node->attacker);
    sim_replica_done(&node->replica);
    sim_disk_done(&node->disk);
    if (node->has_backup)
        sim_disk_done(&node->backup);
    free(node->links.to);
    free(node->links.at);
    free(node->permitted);
}

void sim_cluster_done(struct sim_cluster *cluster) {
    for (size_t i = 0; i < cluster->count; i++)
        done_node(&cluster->nodes[i]);
    sim_events_done(&cluster->events);
    sim_ledger_done(&cluster->ledger);
    sim_authority_done(&cluster->authority);
    sim_controls_done(&cluster->controls);
    free(cluster->nodes);
    free(cluster->machines);
    free(cluster->by_key);
}

void sim_cluster_break(struct sim_cluster *cluster, size_t node, const char *rule) {
    if (cluster->broken != NULL)
        return;
    cluster->broken = rule;
    cluster->broken_at = node;
}

/* ---- looking ---- */

bool sim_cluster_up(const struct sim_cluster *cluster, size_t node) {
    return cluster->nodes[node].peer != NULL || cluster->nodes[node].attacker != NULL;
}

/* It hears no more of invitations. */
static bool out_itself(const struct sim_cluster *cluster, size_t number) {
    size_t machine = cluster->nodes[number].machine;
    return sim_authority_invites(cluster, machine) || cluster->machines[machine].revoked ||
           ob_peer_life(cluster->nodes[number].peer) == OB_PEER_HALTED;
}

/* Nobody lets in a machine whose chain forked, or whom its invitation does not admit. */
static bool expelled(const struct sim_cluster *cluster, size_t number) {
    size_t machine = cluster->nodes[number].machine;
    bool invited = sim_authority_invites(cluster, machine);
    if (!cluster->authority.on || (cluster->machines[machine].honest && !invited))
        return false;
    for (size_t i = 0; i < cluster->count; i++)
        if (cluster->nodes[i].peer != NULL && cluster->machines[cluster->nodes[i].machine].honest &&
            !(invited && out_itself(cluster, i)) && sim_network_permits(cluster, i, number))
            return false;
    return true;
}

bool sim_cluster_counts(const struct sim_cluster *cluster, size_t number) {
    const struct sim_node *node = &cluster->nodes[number];
    return node->peer != NULL && !cluster->machines[node->machine].revoked &&
           ob_peer_life(node->peer) != OB_PEER_HALTED && !expelled(cluster, number);
}

bool sim_cluster_trains(const struct sim_cluster *cluster, size_t node) {
    return cluster->nodes[node].machine < cluster->ledger.machines;
}

double sim_cluster_time(const struct sim_cluster *cluster) {
    return (double)(cluster->now_ns - cluster->start_ns) / 1e9;
}

int64_t sim_cluster_wall_s(const struct sim_cluster *cluster, size_t node) {
    return START_S + (int64_t)(sim_cluster_time(cluster) + cluster->nodes[node].trouble.clock_s);
}

size_t sim_cluster_number(const struct sim_cluster *cluster, const struct ob_machine_id *id) {
    size_t low = 0, high = cluster->machine_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = ob_machine_compare(&cluster->machines[cluster->by_key[middle]].id, id);
        if (order == 0)
            return cluster->by_key[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return SIM_NOBODY;
}

/* ---- starting and stopping ---- */

void sim_cluster_tell(struct sim_cluster *cluster, size_t node, enum ob_event_kind kind) {
    sim_perform_step(cluster, node, &(struct ob_event){.kind = kind});
}

/* The stored record of a machine that holds a sample, for the peer. */
static size_t find(void *context, const struct ob_machine_id *id, struct ob_sample sample,
                   uint8_t *ret_data) {
    const struct sim_looker *looker = context;
    size_t machine = sim_cluster_number(looker->cluster, id);
    if (machine >= looker->cluster->ledger.machines)
        return 0;
    const struct sim_chain *chain = &looker->cluster->nodes[looker->node].disk.now.chains[machine];
    size_t position = sim_chain_holding(chain, sample.index);
    if (position == SIZE_MAX)
        return 0;
    memcpy(ret_data, chain->records[position]->data, chain->records[position]->bytes);
    return chain->records[position]->bytes;
}

static struct ob_peer_options options_of(struct sim_cluster *cluster, size_t number) {
    const struct sim_plan *plan = &cluster->plan;
    const struct sim_node *node = &cluster->nodes[number];
    size_t seats = cluster->ledger.machines + node->links.count + SPARE_SEATS;
    return (struct ob_peer_options){
        .run = cluster->run,
        .machine = cluster->machines[node->machine].id,
        .instance = cluster->now_ns + (uint64_t)number,
        .bounds = {.max_rounds = SIM_MAX_ROUNDS,
                   .max_machines = (uint16_t)cluster->machine_count,
                   .samples_per_round = (uint16_t)plan->samples,
                   .exponent_min = -4,
                   .exponent_max = 4,
                   .profiles = 1},
        .max_staleness = (uint32_t)plan->staleness,
        .rejoin_wait_ns = (node->restored ? 25 : 5) * SIM_SECONDS,
        .signed_below = {node->disk.signed_below},
        .may_start_alone = !node->restored,
        .observer = !sim_cluster_trains(cluster, number),
        .relay = plan->relay != 0,
        .protocol_lowest = OB_PROTOCOL_LOWEST,
        .protocol_highest = cluster->count <= SIM_PROTOCOL_NODES && number % 2 == 1 ? SIM_PROTOCOL_HIGHEST
                                                                                    : OB_PROTOCOL_VERSION,
        .machines_max = seats < cluster->machine_count ? seats : cluster->machine_count,
        .crypto = sim_machine_crypto(&cluster->machines[node->machine]),
        .store = {.context = &cluster->nodes[number].looker, .find = find},
        .authority = cluster->authority.keys[0].id,
        .open = !cluster->authority.on,
        .isolation_rounds = (uint32_t)plan->isolation,
        .digest_interval = DIGEST_INTERVAL,
    };
}

static void restore(struct sim_cluster *cluster, size_t number) {
    struct sim_node *node = &cluster->nodes[number];
    struct ob_error error = {0};
    if (number % cluster->plan.replicas == 0)
        sim_replica_init(&node->replica, &cluster->engine, &cluster->rule);
    node->replica.shares = number != 0;
    for (size_t i = 0; i < node->disk.machines; i++) {
        const struct sim_chain *chain = &node->disk.now.chains[i];
        for (size_t j = 0; j < chain->count; j++) {
            struct ob_record record = sim_record_decode(chain->records[j]);
            if (ob_peer_restore_record(node->peer, &record, &error) != OB_OK)
                sim_cluster_break(cluster, number, "a stored record is not taken back");
            sim_replica_apply(&node->replica, chain->records[j]);
        }
    }
    for (size_t i = 0; i < node->disk.now.control_count; i++)
        if (ob_peer_restore_control(node->peer, node->disk.now.control[i]->data,
                                    node->disk.now.control[i]->bytes, &error) != OB_OK)
            sim_cluster_break(cluster, number, "a stored control entry is not taken back");
}

/* The transport opens with exactly those that belong. */
static void permit_all(struct sim_cluster *cluster, size_t number) {
    const struct ob_peer *peer = cluster->nodes[number].peer;
    size_t machines = peer == NULL || !cluster->authority.on ? 0 : ob_peer_count(peer);
    for (size_t i = 0; i < machines; i++) {
        struct ob_peer_machine machine = ob_peer_machine(peer, i);
        if (machine.admitted)
            sim_network_permit(cluster, number, sim_cluster_number(cluster, &machine.machine), true);
    }
}

void sim_cluster_tell_address(struct sim_cluster *cluster, size_t number) {
    char endpoint[64];
    int bytes = snprintf(endpoint, sizeof endpoint, SIM_ENDPOINT, number, cluster->nodes[number].address);
    if (cluster->authority.on)
        sim_perform_step(cluster, number,
                         &(struct ob_event){.kind = OB_EVENT_ADDRESS,
                                            .data = (const uint8_t *)endpoint,
                                            .bytes = (size_t)bytes});
}

static void begin_life(struct sim_cluster *cluster, size_t number) {
    struct sim_node *node = &cluster->nodes[number];
    sim_authority_show(cluster, number);
    for (size_t i = 0; i < node->links.count; i++)
        if (cluster->nodes[node->links.to[i]].joined)
            sim_perform_step(cluster, number,
                             &(struct ob_event){
                                 .kind = OB_EVENT_EXPECT,
                                 .machine = cluster->machines[cluster->nodes[node->links.to[i]].machine].id});
    sim_cluster_tell(cluster, number, OB_EVENT_START);
    sim_cluster_tell_address(cluster, number);
    permit_all(cluster, number);
    if (cluster->calm || node->trouble.paused)
        sim_cluster_tell(cluster, number, OB_EVENT_PAUSE);
    if (node->peer == NULL)
        return; /* it crashed again */
    sim_network_changed(cluster, number, true);
    struct sim_event event = {.node = (uint32_t)number, .incarnation = node->incarnation, .kind = SIM_TICK};
    event.time_ns = cluster->now_ns + test_random_below(&cluster->random, TICK_NS);
    sim_events_push(&cluster->events, event);
    event.kind = SIM_SYNC;
    event.time_ns += test_random_below(&cluster->random, SYNC_NS);
    sim_events_push(&cluster->events, event);
    event.kind = SIM_KNOCK;
    if (cluster->authority.on)
        sim_events_push(&cluster->events, event);
}

void sim_cluster_start(struct sim_cluster *cluster, size_t number) {
    struct sim_node *node = &cluster->nodes[number];
    if (sim_cluster_up(cluster, number) || node->lost)
        return;
    struct ob_peer_options options = options_of(cluster, number);
    if (ob_peer_new(&options, &node->peer, NULL) != OB_OK)
        abort();
    node->joined = true;
    node->put_back = node->restored;
    node->leaving = node->round_running = node->gone = node->restored = false;
    node->incarnation++;
    node->rebuilds = 0;
    restore(cluster, number);
    begin_life(cluster, number);
}

static void process_ends(struct sim_cluster *cluster, size_t number) {
    struct sim_node *node = &cluster->nodes[number];
    ob_peer_free(node->peer);
    node->peer = NULL;
    sim_replica_done(&node->replica);
    free(node->permitted);
    node->permitted = NULL;
    node->round_running = false;
    node->incarnation++;
    if (!cluster->plan.silent)
        sim_network_changed(cluster, number, false);
}

void sim_cluster_stop(struct sim_cluster *cluster, size_t number) {
    if (cluster->nodes[number].peer == NULL)
        return;
    sim_disk_sync(&cluster->nodes[number].disk);
    process_ends(cluster, number);
}

void sim_cluster_crash(struct sim_cluster *cluster, size_t number) {
    if (cluster->nodes[number].peer == NULL)
        return;
    sim_disk_crash(&cluster->nodes[number].disk);
    process_ends(cluster, number);
}

/* ---- time ---- */

/* Comes back after `after` and does the same again, as long as the process lives. */
static void again(struct sim_cluster *cluster, struct sim_event event, uint64_t after_ns) {
    event.time_ns = cluster->now_ns + after_ns;
    if (cluster->nodes[event.node].incarnation == event.incarnation)
        sim_events_push(&cluster->events, event);
}

static void sync(struct sim_cluster *cluster, const struct sim_event *event) {
    struct sim_node *node = &cluster->nodes[event->node];
    if (node->disk.full && sim_disk_dirty(&node->disk))
        sim_perform_disk_full(cluster, event->node);
    else
        sim_disk_sync(&node->disk);
    again(cluster, *event, SYNC_NS);
}

static void happen_to_node(struct sim_cluster *cluster, const struct sim_event *event) {
    struct sim_node *node = &cluster->nodes[event->node];
    if (event->incarnation != node->incarnation || !sim_cluster_up(cluster, event->node))
        return;
    struct ob_event link = {.kind = event->kind == SIM_LINK_UP ? OB_EVENT_LINK_UP : OB_EVENT_LINK_DOWN};
    switch (event->kind) {
    case SIM_TICK:
        sim_cluster_tell(cluster, event->node, OB_EVENT_TICK);
        again(cluster, *event, TICK_NS);
        break;
    case SIM_SYNC:
        sync(cluster, event);
        break;
    case SIM_KNOCK:
        sim_network_ask_again(cluster, event->node);
        sim_authority_knock(cluster, event->node);
        again(cluster, *event, KNOCK_NS);
        break;
    case SIM_ROUND_DONE:
        sim_perform_round_done(cluster, event->node, event->from);
        break;
    case SIM_DIGEST:
        sim_integrity_digest_done(cluster, event->node);
        break;
    case SIM_REBUILT:
        sim_integrity_rebuilt(cluster, event->node);
        break;
    case SIM_LINK_UP:
    case SIM_LINK_DOWN:
        link.machine = cluster->machines[cluster->nodes[event->from].machine].id;
        sim_perform_step(cluster, event->node, &link);
        break;
    case SIM_ATTACK:
        sim_attacker_act(cluster, event->node);
        again(cluster, *event, node->round_ns);
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
        sim_network_deliver(cluster, &event);
        sim_buffer_release(event.buffer);
        break;
    case SIM_RESTART:
        sim_cluster_start(cluster, event.node);
        break;
    case SIM_BEGIN:
        sim_faults_begin(cluster, event.node);
        break;
    case SIM_END:
        sim_faults_end(cluster, event.node);
        break;
    default:
        happen_to_node(cluster, &event);
    }
    return cluster->broken == NULL;
}
