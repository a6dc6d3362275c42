#include "tests/sim/perform.h"

#include <stdio.h>

#include "peer/message.h"

static void persist_own(struct sim_cluster *cluster, size_t number, const struct ob_record *record) {
    const char *broken;
    struct sim_record *stored = sim_ledger_sign(&cluster->ledger, number, record, &broken);
    if (broken != NULL) {
        sim_cluster_break(cluster, number, broken);
        return;
    }
    if (sim_chain_end(&cluster->nodes[number].disk.chains[number]) != stored->first) {
        sim_cluster_break(cluster, number, "an own record that does not extend the stored chain");
        return;
    }
    sim_disk_add_own(&cluster->nodes[number].disk, stored);
    cluster->counts.records++;
    cluster->counts.samples += stored->n;
}

static void persist(struct sim_cluster *cluster, size_t number, const struct ob_record *record) {
    size_t machine = sim_network_number(cluster, &record->machine);
    struct sim_record *stored =
        machine == SIZE_MAX ? NULL : sim_ledger_find(&cluster->ledger, machine, record);
    if (stored == NULL)
        sim_cluster_break(cluster, number, "a record was taken that nobody signed");
    else if (!sim_disk_add(&cluster->nodes[number].disk, stored))
        sim_cluster_break(cluster, number, "a record that does not extend the stored chain");
}

/* What is applied must be the last thing stored of that chain: stored first, and once. */
static void apply(struct sim_cluster *cluster, size_t number, const struct ob_record *record) {
    struct sim_node *node = &cluster->nodes[number];
    size_t machine = sim_network_number(cluster, &record->machine);
    const struct sim_chain *chain = &node->disk.chains[machine];
    if (chain->count == 0 || chain->records[chain->count - 1]->first != record->first.index) {
        sim_cluster_break(cluster, number, "a record was applied before it was stored, or twice");
        return;
    }
    sim_replica_apply(&node->replica, chain->records[chain->count - 1]);
}

static void persist_control(struct sim_cluster *cluster, size_t number, const uint8_t *data, size_t bytes) {
    struct ob_control control;
    if (ob_control_decode(data, bytes, &control, NULL) != OB_OK) {
        sim_cluster_break(cluster, number, "a control entry to be stored is malformed");
        return;
    }
    size_t subject = sim_network_number(cluster, &control.subject);
    sim_disk_add_control(&cluster->nodes[number].disk, subject, data, bytes);
}

static void publish(struct sim_cluster *cluster, size_t number, const uint8_t *data, size_t bytes) {
    if (data[0] == OB_MESSAGE_RECORD) {
        const struct sim_disk *disk = &cluster->nodes[number].disk;
        const struct sim_chain *own = &disk->chains[number];
        const struct sim_record *last = own->count == 0 ? NULL : own->records[own->count - 1];
        if (last == NULL || disk->synced[number] != own->count || last->bytes != bytes - 2 ||
            memcmp(last->data, data + 2, last->bytes) != 0)
            sim_cluster_break(cluster, number, "a record was published before it was durable");
        else
            own->records[own->count - 1]->published = true;
    }
    struct sim_buffer *buffer = sim_buffer_new(data, bytes);
    buffer->references++;
    sim_network_publish(cluster, number, buffer);
    sim_buffer_release(buffer);
}

static void send_data(struct sim_cluster *cluster, size_t from, const struct ob_machine_id *to,
                      const uint8_t *data, size_t bytes) {
    size_t number = sim_network_number(cluster, to);
    if (number == SIZE_MAX) {
        sim_cluster_break(cluster, from, "something was sent to a machine that does not exist");
        return;
    }
    struct sim_buffer *buffer = sim_buffer_new(data, bytes);
    buffer->references++;
    sim_network_send(cluster, from, number, buffer);
    sim_buffer_release(buffer);
}

static void serve(struct sim_cluster *cluster, size_t number, const struct ob_effect *effect) {
    static uint8_t data[OB_MESSAGE_MAX];
    size_t subject = sim_network_number(cluster, &effect->subject);
    const struct sim_chain *chain = &cluster->nodes[number].disk.chains[subject];
    struct ob_message_records message;
    ob_message_records_start(&message, &cluster->run, data, effect->bytes);
    for (size_t i = sim_chain_find(chain, effect->first.index); i < chain->count; i++)
        if (!ob_message_records_add(&message, chain->records[i]->data, chain->records[i]->bytes))
            break;
    size_t bytes = ob_message_records_end(&message);
    send_data(cluster, number, &effect->machine, data, bytes);
}

/* Pacing's promise: every machine that is waited for is within k rounds. */
static void check_pacing(struct sim_cluster *cluster, size_t number, const struct ob_effect *effect) {
    const struct ob_peer *peer = cluster->nodes[number].peer;
    size_t machines = ob_peer_view(peer).machines, live = 1;
    for (size_t i = 0; i < machines; i++) {
        struct ob_peer_machine machine = ob_peer_machine(peer, i);
        if (!machine.paced)
            continue;
        uint64_t finished = machine.has_records ? (uint64_t)machine.head_round.index + 1 : 0;
        if (finished + cluster->scenario.max_staleness < effect->round.index)
            sim_cluster_break(cluster, number,
                              "a round was started too far ahead of a machine that is waited for");
        live++;
    }
    if (effect->live != live)
        sim_cluster_break(cluster, number, "live is not the size of the pacing set");
    if (effect->first.index != sim_chain_end(&cluster->nodes[number].disk.chains[number]))
        sim_cluster_break(cluster, number, "a round was started for samples that are used");
}

static void start_round(struct sim_cluster *cluster, size_t number, const struct ob_effect *effect) {
    struct sim_node *node = &cluster->nodes[number];
    check_pacing(cluster, number, effect);
    if (node->round_running || cluster->calm)
        sim_cluster_break(cluster, number, "a round was started while another runs, or while paused");
    node->round_running = true;
    node->round_samples = effect->n;
    node->round_number++;
    uint64_t takes = node->round_ns / 2 + sim_random_below(&cluster->random, node->round_ns);
    sim_events_push(&cluster->events, (struct sim_event){.time_ns = cluster->now_ns + takes,
                                                         .kind = SIM_ROUND_DONE,
                                                         .node = number,
                                                         .from = node->round_number,
                                                         .incarnation = node->incarnation});
}

static void told(struct sim_cluster *cluster, size_t number, const struct ob_effect *effect) {
    if (effect->notice == OB_NOTICE_FORK || effect->notice == OB_NOTICE_DISAGREE ||
        effect->notice == OB_NOTICE_VERSION)
        sim_cluster_break(cluster, number, "a fork or a disagreement among honest machines");
    if (cluster->verbose)
        printf("%9.3f node %zu: %s (%zu): %s\n", (double)(cluster->now_ns - 1000 * SIM_SECONDS) / 1e9, number,
               ob_notice_name(effect->notice), sim_network_number(cluster, &effect->machine), effect->text);
}

static void left(struct sim_cluster *cluster, size_t number) {
    struct sim_node *node = &cluster->nodes[number];
    sim_disk_sync(&node->disk);
    sim_cluster_crash(cluster, number); /* in good order: everything is on disk */
    node->gone = true;
    cluster->counts.leaves++;
    if (!cluster->healed && sim_random_chance(&cluster->random, 0.5))
        sim_events_push(&cluster->events,
                        (struct sim_event){.time_ns = cluster->now_ns + SIM_SECONDS +
                                                      sim_random_below(&cluster->random, 10 * SIM_SECONDS),
                                           .kind = SIM_RESTART,
                                           .node = number});
}

static void perform(struct sim_cluster *cluster, size_t number, const struct ob_effect *effect) {
    switch (effect->kind) {
    case OB_EFFECT_PERSIST_OWN:
        persist_own(cluster, number, &effect->record);
        break;
    case OB_EFFECT_PERSIST:
        persist(cluster, number, &effect->record);
        break;
    case OB_EFFECT_PERSIST_CONTROL:
        persist_control(cluster, number, effect->data, effect->bytes);
        break;
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
    case OB_EFFECT_ADMIT:
    case OB_EFFECT_EXPEL:
    case OB_EFFECT_REACH:
    case OB_EFFECT_UNAPPLY:
        sim_cluster_break(cluster, number, "an effect that no schedule asks for");
        break;
    case OB_EFFECT_HALT:
        sim_cluster_break(cluster, number, "an honest machine halted");
        break;
    }
}

static bool crashes_now(struct sim_cluster *cluster) {
    return !cluster->healed && sim_random_chance(&cluster->random, cluster->scenario.crash_in_step);
}

void sim_perform_step(struct sim_cluster *cluster, size_t number, const struct ob_event *event) {
    struct sim_node *node = &cluster->nodes[number];
    if (node->peer == NULL || cluster->broken != NULL)
        return;
    struct ob_effects effects = ob_peer_step(node->peer, event);
    cluster->counts.steps++;
    const char *broken = ob_peer_check(node->peer);
    if (broken != NULL)
        sim_cluster_break(cluster, number, broken);
    for (size_t i = 0; i < effects.count && cluster->broken == NULL && node->peer != NULL; i++) {
        if (crashes_now(cluster)) {
            cluster->counts.crashes++;
            sim_cluster_crash(cluster, number);
            sim_events_push(&cluster->events, (struct sim_event){.time_ns = cluster->now_ns + SIM_SECONDS,
                                                                 .kind = SIM_RESTART,
                                                                 .node = number});
            return;
        }
        perform(cluster, number, &effects.items[i]);
    }
}

void sim_perform_round_done(struct sim_cluster *cluster, size_t number, size_t round_number) {
    struct sim_node *node = &cluster->nodes[number];
    uint8_t bytes[OB_SAMPLES_PER_ROUND_MAX];
    if (!node->round_running || node->round_number != round_number)
        return;
    node->round_running = false;
    size_t samples =
        node->leaving ? sim_random_below(&cluster->random, node->round_samples + 1u) : node->round_samples;
    for (size_t i = 0; i < samples; i++)
        bytes[i] = (uint8_t)sim_random_next(&cluster->random);
    sim_perform_step(
        cluster, number,
        &(struct ob_event){.kind = OB_EVENT_ROUND_DONE,
                           .now_ns = cluster->now_ns,
                           .data = bytes,
                           .bytes = samples,
                           .exponent = (int8_t)((int)sim_random_below(&cluster->random, 9) - 4)});
}
