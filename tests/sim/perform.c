#include "tests/sim/perform.h"

#include <stdio.h>
#include <stdlib.h>

#include "peer/message.h"
#include "tests/sim/checks.h"
#include "tests/sim/integrity.h"

#define CHECK_ALL_UP_TO  64 /* machines; in larger clusters the invariants are checked in every n-th step */
#define CHECK_EVERY_STEP 61
#define ROUND_AT_MOST_NS (30 * SIM_SECONDS)

static void spread(struct sim_cluster *cluster, struct sim_record *record) {
    record->holders++;
    record->reached_ns = cluster->now_ns;
    record->hops_sum += cluster->hops;
    record->pushed += cluster->hops > 0;
    if (cluster->hops > record->hops_most)
        record->hops_most = cluster->hops;
}

/* False: the disk is full. */
static bool persist_own(struct sim_cluster *cluster, size_t number, const struct ob_record *record) {
    struct sim_node *node = &cluster->nodes[number];
    if (node->disk.full)
        return false;
    const char *broken;
    struct sim_record *stored = sim_ledger_sign(&cluster->ledger, node->machine,
                                                cluster->machines[node->machine].honest, record, &broken);
    if (broken != NULL) {
        sim_cluster_break(cluster, number, broken);
        return true;
    }
    if (!sim_disk_add_own(&node->disk, stored))
        sim_cluster_break(cluster, number, "an own record that does not extend the stored chain");
    cluster->counts.records++;
    cluster->counts.samples += stored->n;
    return true;
}

static bool persist(struct sim_cluster *cluster, size_t number, const struct ob_record *record) {
    struct sim_node *node = &cluster->nodes[number];
    size_t machine = sim_cluster_number(cluster, &record->machine);
    struct sim_record *stored =
        machine >= cluster->ledger.machines ? NULL : sim_ledger_find(&cluster->ledger, machine, record);
    if (node->disk.full)
        return false;
    if (stored == NULL)
        sim_cluster_break(cluster, number, "a record was taken that nobody signed");
    else if (!sim_disk_add(&node->disk, stored))
        sim_cluster_break(cluster, number, "a record that does not extend the stored chain");
    else
        spread(cluster, stored);
    return true;
}

/* What is applied must be the last thing stored of that chain: stored first, and once. */
static void apply(struct sim_cluster *cluster, size_t number, const struct ob_record *record) {
    struct sim_node *node = &cluster->nodes[number];
    size_t machine = sim_cluster_number(cluster, &record->machine);
    const struct sim_chain *chain = &node->disk.now.chains[machine];
    if (chain->count == 0 || chain->records[chain->count - 1]->first != record->first.index)
        sim_cluster_break(cluster, number, "a record was applied before it was stored, or twice");
    else
        sim_replica_apply(&node->replica, chain->records[chain->count - 1]);
}

static bool persist_control(struct sim_cluster *cluster, size_t number, const uint8_t *data, size_t bytes) {
    struct ob_control control = {0};
    if (cluster->nodes[number].disk.full)
        return false;
    if (ob_control_decode(data, bytes, &control, NULL) != OB_OK)
        sim_cluster_break(cluster, number, "a control entry to be stored is malformed");
    else
        sim_disk_add_control(&cluster->nodes[number].disk,
                             sim_controls_keep(&cluster->controls, data, bytes));
    size_t machine =
        control.kind == OB_CONTROL_EVIDENCE ? sim_cluster_number(cluster, &control.subject) : SIM_NOBODY;
    if (machine != SIM_NOBODY && ob_control_cut(&control).index < cluster->machines[machine].forked_at)
        cluster->machines[machine].forked_at = ob_control_cut(&control).index;
    return true;
}

/* A record goes out only after it is stored, an own one only after it is durable. Returns its hops. */
static uint32_t check_published(struct sim_cluster *cluster, size_t number, const uint8_t *data,
                                size_t bytes) {
    const struct sim_node *node = &cluster->nodes[number];
    struct ob_machine_id id;
    memcpy(id.key, data + 2, sizeof id.key);
    size_t machine = sim_cluster_number(cluster, &id);
    const struct sim_chain *chain = &node->disk.now.chains[machine];
    struct sim_record *last = chain->count == 0 ? NULL : chain->records[chain->count - 1];
    bool own = machine == node->machine;
    if (last == NULL || last->bytes != bytes - 2 || memcmp(last->data, data + 2, last->bytes) != 0 ||
        (own && node->disk.synced[machine] != chain->count)) {
        sim_cluster_break(cluster, number, "a record was published before it was durable");
        return 0;
    }
    if (own && !last->published) {
        last->published = true;
        last->published_ns = cluster->now_ns;
    }
    return own ? 1 : cluster->hops > 0 ? cluster->hops + 1 : 0; /* 0: fetched, then relayed */
}

static void publish(struct sim_cluster *cluster, size_t number, const uint8_t *data, size_t bytes) {
    struct sim_buffer *buffer = sim_buffer_new(data, bytes);
    buffer->references++;
    if (data[0] == OB_MESSAGE_RECORD)
        buffer->hops = check_published(cluster, number, data, bytes);
    sim_network_publish(cluster, number, buffer);
    sim_buffer_release(buffer);
}

static void send_data(struct sim_cluster *cluster, size_t from, const struct ob_machine_id *to,
                      const uint8_t *data, size_t bytes) {
    size_t machine = sim_cluster_number(cluster, to);
    if (machine == SIM_NOBODY) {
        sim_cluster_break(cluster, from, "something was sent to a machine that does not exist");
        return;
    }
    struct sim_buffer *buffer = sim_buffer_new(data, bytes);
    buffer->references++;
    sim_network_send(cluster, from, machine, buffer);
    sim_buffer_release(buffer);
}

static void serve(struct sim_cluster *cluster, size_t number, const struct ob_effect *effect) {
    uint8_t data[OB_MESSAGE_MAX];
    size_t subject = sim_cluster_number(cluster, &effect->serve.of);
    size_t bytes =
        sim_chain_message(&cluster->nodes[number].disk.now.chains[subject], &cluster->run,
                          effect->serve.first.index, effect->serve.count, effect->serve.bytes_max, data);
    data[1] = ob_peer_speaks(cluster->nodes[number].peer, &effect->machine);
    send_data(cluster, number, &effect->machine, data, bytes);
}

/* Pacing's promise: every machine that is waited for is within k rounds. */
static void check_pacing(struct sim_cluster *cluster, size_t number, const struct ob_effect *effect) {
    const struct ob_peer *peer = cluster->nodes[number].peer;
    size_t machines = ob_peer_count(peer), live = 1;
    for (size_t i = 0; i < machines; i++) {
        struct ob_peer_machine machine = ob_peer_machine(peer, i);
        if (!machine.paced)
            continue;
        uint64_t finished = machine.has_records ? (uint64_t)machine.head_round.index + 1 : 0;
        if (finished + cluster->plan.staleness < effect->start.round.index)
            sim_cluster_break(cluster, number,
                              "a round was started too far ahead of a machine that is waited for");
        live++;
    }
    if (effect->start.live != live)
        sim_cluster_break(cluster, number, "live is not the size of the pacing set");
}

static void broken_by(struct sim_cluster *cluster, size_t number, const char *rule) {
    if (rule != NULL)
        sim_cluster_break(cluster, number, rule);
}

static void start_round(struct sim_cluster *cluster, size_t number, const struct ob_effect *effect) {
    struct sim_node *node = &cluster->nodes[number];
    check_pacing(cluster, number, effect);
    broken_by(cluster, number, sim_check_start(cluster, number, &effect->start));
    if (effect->start.first.index != sim_chain_end(&node->disk.now.chains[node->machine]))
        sim_cluster_break(cluster, number, "a round was started for samples that are used");
    if (node->round_running || cluster->calm || node->trouble.paused)
        sim_cluster_break(cluster, number, "a round was started while another runs, or while paused");
    node->round_running = true;
    node->round_samples = effect->start.n;
    node->round_number++;
    uint64_t takes = (uint64_t)((double)node->round_ns * node->trouble.straggle);
    takes = takes / 2 + test_random_below(&cluster->random, takes);
    if (takes >
        ROUND_AT_MOST_NS) /* it began while something was wrong, and must end before the healed time does */
        takes = ROUND_AT_MOST_NS;
    sim_events_push(&cluster->events, (struct sim_event){.time_ns = cluster->now_ns + takes,
                                                         .kind = SIM_ROUND_DONE,
                                                         .node = (uint32_t)number,
                                                         .from = (uint32_t)node->round_number,
                                                         .incarnation = node->incarnation});
}

static void told(struct sim_cluster *cluster, size_t number, const struct ob_effect *effect) {
    size_t machine = sim_cluster_number(cluster, &effect->machine);
    if (cluster->verbose)
        printf("%9.3f node %zu: %s (%zu): %s\n", sim_cluster_time(cluster), number,
               ob_notice_name(effect->notice), machine, effect->text);
    bool honest = machine != SIM_NOBODY && cluster->machines[machine].honest;
    if (effect->notice == OB_NOTICE_DISAGREE && cluster->counts.flips == 0 &&
        (honest || cluster->counts.hostile == 0))
        sim_cluster_break(cluster, number, "weights disagree");
    if (effect->notice == OB_NOTICE_PROVEN && cluster->counts.flips == 0 && honest)
        sim_cluster_break(cluster, number, "an honest machine is said to be wrong");
    if (effect->notice == OB_NOTICE_FORK && machine != SIM_NOBODY && cluster->machines[machine].honest)
        sim_cluster_break(cluster, number, "a fork of an honest machine");
}

static void halt(struct sim_cluster *cluster, size_t number, const struct ob_effect *effect) {
    const struct sim_machine *machine = &cluster->machines[cluster->nodes[number].machine];
    if (cluster->verbose)
        printf("%9.3f node %zu: halts: %s\n", sim_cluster_time(cluster), number, effect->text);
    cluster->nodes[number].round_running = false;
    if (machine->honest && !machine->revoked && !machine->limited)
        sim_cluster_break(cluster, number, "an honest machine halted");
}

static void reach(struct sim_cluster *cluster, size_t number, const struct ob_effect *effect) {
    char text[64] = "";
    size_t other;
    uint32_t address;
    if (effect->bytes < sizeof text)
        memcpy(text, effect->data, effect->bytes);
    if (sscanf(text, SIM_ENDPOINT, &other, &address) != 2 || other >= cluster->count)
        sim_cluster_break(cluster, number, "an address that nobody has");
    else
        sim_network_reach(cluster, number, other, address);
}

/* As the daemon does: out of the weights, out of the store, durable. */
static void unapply(struct sim_cluster *cluster, size_t number, const struct ob_effect *effect) {
    struct sim_node *node = &cluster->nodes[number];
    size_t machine = sim_cluster_number(cluster, &effect->machine);
    const struct sim_chain *chain = &node->disk.now.chains[machine];
    size_t position = sim_chain_find(chain, effect->unapply.first.index);
    if (position == chain->count || chain->records[position]->first != effect->unapply.first.index)
        sim_cluster_break(cluster, number, "records are taken back that are not there");
    cluster->counts.cuts++;
    while (chain->count > position) {
        sim_replica_unapply(&node->replica, chain->records[chain->count - 1]);
        sim_disk_remove_last(&node->disk, machine, machine == node->machine);
        cluster->counts.unapplied++;
    }
    sim_disk_sync(&node->disk);
}

static void left(struct sim_cluster *cluster, size_t number) {
    sim_cluster_stop(cluster, number);
    cluster->nodes[number].gone = true;
    cluster->counts.leaves++;
}

/* False: it could not be stored, and nothing that follows may be done. */
static bool perform(struct sim_cluster *cluster, size_t number, const struct ob_effect *effect) {
    switch (effect->kind) {
    case OB_EFFECT_PERSIST_OWN:
        return persist_own(cluster, number, &effect->record);
    case OB_EFFECT_PERSIST:
        return persist(cluster, number, &effect->record);
    case OB_EFFECT_PERSIST_CONTROL:
        return persist_control(cluster, number, effect->data, effect->bytes);
    case OB_EFFECT_APPLY:
        apply(cluster, number, &effect->record);
        break;
    case OB_EFFECT_PUBLISH:
        publish(cluster, number, effect->data, effect->bytes);
        break;
    case OB_EFFECT_SEND:
        send_data(cluster, number, &effect->machine, effect->data, effect->bytes);
        break;
    case OB_EFFECT_SERVE:
        serve(cluster, number, effect);
        break;
    case OB_EFFECT_START_ROUND:
        start_round(cluster, number, effect);
        break;
    case OB_EFFECT_TELL:
        told(cluster, number, effect);
        break;
    case OB_EFFECT_LEFT:
        left(cluster, number);
        break;
    case OB_EFFECT_HALT:
        halt(cluster, number, effect);
        break;
    case OB_EFFECT_ADMIT:
    case OB_EFFECT_EXPEL:
        sim_network_permit(cluster, number, sim_cluster_number(cluster, &effect->machine),
                           effect->kind == OB_EFFECT_ADMIT);
        break;
    case OB_EFFECT_REACH:
        reach(cluster, number, effect);
        break;
    case OB_EFFECT_UNAPPLY:
        unapply(cluster, number, effect);
        break;
    case OB_EFFECT_DIGEST:
        sim_integrity_digest(cluster, number, effect);
        break;
    case OB_EFFECT_REBUILD:
        broken_by(cluster, number, sim_check_rebuild(cluster, number));
        sim_integrity_rebuild(cluster, number);
        break;
    }
    return true;
}

/* Perhaps the batch was committed a moment before. */
static void tear(struct sim_cluster *cluster, size_t number) {
    struct sim_node *node = &cluster->nodes[number];
    if (!node->disk.full && test_random_chance(&cluster->random, 0.5))
        sim_disk_sync(&node->disk);
    cluster->counts.crashes++;
    sim_cluster_crash(cluster, number);
    sim_events_push(&cluster->events, (struct sim_event){.time_ns = node->tear_until_ns > cluster->now_ns
                                                                        ? node->tear_until_ns
                                                                        : cluster->now_ns + SIM_SECONDS,
                                                         .kind = SIM_RESTART,
                                                         .node = (uint32_t)number});
}

void sim_perform_disk_full(struct sim_cluster *cluster, size_t number) {
    cluster->counts.full++;
    sim_cluster_crash(cluster, number);
}

static void check_invariants(struct sim_cluster *cluster, size_t number) {
    if (cluster->machine_count > CHECK_ALL_UP_TO && cluster->counts.steps % CHECK_EVERY_STEP != 0)
        return;
    const char *broken = ob_peer_check(cluster->nodes[number].peer);
    if (broken != NULL)
        sim_cluster_break(cluster, number, broken);
}

void sim_perform_step(struct sim_cluster *cluster, size_t number, const struct ob_event *event) {
    struct sim_node *node = &cluster->nodes[number];
    if (node->peer == NULL || cluster->broken != NULL)
        return;
    struct ob_event timed = *event;
    timed.now_ns = cluster->now_ns;
    struct ob_effects effects = ob_peer_step(node->peer, &timed);
    cluster->counts.steps++;
    check_invariants(cluster, number);
    for (size_t i = 0; i < effects.count && cluster->broken == NULL && node->peer != NULL; i++) {
        if (node->tear_in > 0 && --node->tear_in == 0) {
            tear(cluster, number);
            return;
        }
        if (!perform(cluster, number, &effects.items[i])) {
            sim_perform_disk_full(cluster, number);
            return;
        }
    }
}

void sim_perform_round_done(struct sim_cluster *cluster, size_t number, size_t round_number) {
    struct sim_node *node = &cluster->nodes[number];
    uint8_t bytes[OB_SAMPLES_PER_ROUND_MAX];
    if (!node->round_running || node->round_number != round_number)
        return;
    node->round_running = false;
    size_t samples =
        node->leaving ? test_random_below(&cluster->random, node->round_samples + 1u) : node->round_samples;
    for (size_t i = 0; i < samples; i++)
        bytes[i] = (uint8_t)test_random_next(&cluster->random);
    sim_perform_step(
        cluster, number,
        &(struct ob_event){.kind = OB_EVENT_ROUND_DONE,
                           .data = bytes,
                           .bytes = samples,
                           .exponent = (int8_t)((int)test_random_below(&cluster->random, 9) - 4)});
}
