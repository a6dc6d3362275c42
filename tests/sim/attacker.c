#include "tests/sim/attacker.h"

#include <stdlib.h>

#include "peer/control_exchange.h"
#include "peer/control_put.h"
#include "peer/fetch.h"
#include "peer/frontier.h"
#include "peer/heartbeat.h"
#include "peer/holds.h"

struct branch {
    struct sim_chain records; /* the whole chain; records belong to the ledger */
    uint64_t next;
    uint32_t round;
    struct ob_hash head;
};

#define BRANCHES 3 /* the third one only of SIM_FORK_TWICE */

struct sim_attacker {
    enum sim_fork_kind kind;
    uint64_t audience;
    struct branch branches[BRANCHES];
    uint64_t instance, heartbeats;
    unsigned acts;
};

static void extend(struct sim_cluster *cluster, struct branch *branch, struct sim_record *stored) {
    struct ob_record record = sim_record_decode(stored);
    sim_chain_add(&branch->records, stored);
    branch->next = stored->first + stored->n;
    branch->round = record.round.index + 1;
    branch->head = ob_record_hash(&cluster->run, &record);
}

void sim_attacker_start(struct sim_cluster *cluster, size_t number, enum sim_fork_kind kind,
                        uint64_t audience) {
    struct sim_node *node = &cluster->nodes[number];
    sim_cluster_stop(cluster, number);
    struct sim_attacker *attacker = calloc(1, sizeof *attacker);
    if (attacker == NULL)
        abort();
    attacker->kind = kind;
    attacker->audience = audience;
    attacker->instance = test_random_next(&cluster->random);
    const struct sim_chain *own = &node->disk.now.chains[node->machine];
    size_t common[BRANCHES] = {own->count, kind == SIM_FORK_DEEP ? own->count / 2 : own->count,
                               own->count / 2};
    for (size_t which = 0; which < BRANCHES; which++)
        for (size_t i = 0; i < common[which]; i++)
            extend(cluster, &attacker->branches[which], own->records[i]);
    node->attacker = attacker;
    node->joined = node->lost = true;
    cluster->machines[node->machine].honest = false;
    cluster->machines[node->machine].attacked = true;
    cluster->counts.forks++;
    sim_network_changed(cluster, number, true);
    sim_events_push(&cluster->events, (struct sim_event){.time_ns = cluster->now_ns + node->round_ns / 2,
                                                         .kind = SIM_ATTACK,
                                                         .node = (uint32_t)number,
                                                         .incarnation = ++node->incarnation});
}

void sim_attacker_free(struct sim_attacker **attacker) {
    if (*attacker == NULL)
        return;
    for (size_t i = 0; i < BRANCHES; i++)
        free((*attacker)->branches[i].records.records);
    free(*attacker);
    *attacker = NULL;
}

void sim_attacker_stop(struct sim_cluster *cluster, size_t number) {
    struct sim_node *node = &cluster->nodes[number];
    if (node->attacker == NULL)
        return;
    sim_attacker_free(&node->attacker);
    node->incarnation++;
    node->gone = true;
    sim_network_changed(cluster, number, false);
}

static size_t branch_for(const struct sim_attacker *attacker, size_t node) {
    if (sim_plan_in(attacker->audience, node))
        return 1;
    return attacker->kind == SIM_FORK_TWICE && node % 3 == 0 ? 2 : 0;
}

static void show(struct sim_cluster *cluster, size_t number, size_t branch, const uint8_t *data,
                 size_t bytes) {
    const struct sim_node *node = &cluster->nodes[number];
    struct sim_buffer *buffer = sim_buffer_new(data, bytes);
    buffer->references++;
    buffer->hops = data[0] == OB_MESSAGE_RECORD ? 1 : 0;
    for (size_t i = 0; i < node->links.count; i++)
        if (branch_for(node->attacker, node->links.to[i]) == branch)
            sim_network_give(cluster, number, node->links.to[i], buffer);
    sim_buffer_release(buffer);
}

static void sign_record(struct sim_cluster *cluster, size_t number, size_t which, uint8_t *bytes) {
    struct sim_node *node = &cluster->nodes[number];
    struct sim_attacker *attacker = node->attacker;
    struct branch *branch = &attacker->branches[which];
    struct sim_machine *machine = &cluster->machines[node->machine];
    uint8_t body[OB_RECORD_BODY_BYTES_MAX], signature[64], data[2 + OB_RECORD_BYTES_MAX];
    struct ob_record record = {.machine = machine->id,
                               .first = {branch->next},
                               .round = {branch->round},
                               .live = 1,
                               .n = (uint16_t)cluster->plan.samples,
                               .prev = branch->head,
                               .bytes = bytes,
                               .signature = signature};
    if (which == 1 && attacker->kind == SIM_FORK_ROUND)
        record.round.index++;
    else if (which == 1 && attacker->kind == SIM_FORK_UNEVEN)
        record.n = (uint16_t)(1 + test_random_below(&cluster->random, record.n));
    if (which >= 1 && attacker->kind != SIM_FORK_ROUND)
        bytes[0] ^= (uint8_t)which;
    sim_machine_sign(machine, body, ob_record_body(&cluster->run, &record, body), signature);
    struct sim_record *stored = sim_ledger_keep(&cluster->ledger, node->machine, &record);
    stored->published = true;
    extend(cluster, branch, stored);
    data[0] = OB_MESSAGE_RECORD;
    data[1] = OB_PROTOCOL_VERSION;
    memcpy(data + 2, stored->data, stored->bytes);
    show(cluster, number, which, data, 2 + stored->bytes);
}

/* With digests that nobody has, so that others ask for its frontier. */
static void beat(struct sim_cluster *cluster, size_t number, size_t which) {
    struct sim_node *node = &cluster->nodes[number];
    struct sim_attacker *attacker = node->attacker;
    struct sim_machine *machine = &cluster->machines[node->machine];
    uint8_t body[OB_HEARTBEAT_BODY_BYTES], signature[64], data[OB_HEARTBEAT_BYTES];
    struct ob_heartbeat heartbeat = {.run = cluster->run,
                                     .machine = machine->id,
                                     .instance = attacker->instance,
                                     .sequence = ++attacker->heartbeats,
                                     .trains = true,
                                     .next = {attacker->branches[which].next},
                                     .round = {attacker->branches[which].round},
                                     .log = {{(uint8_t)which, 1}},
                                     .signature = signature};
    sim_machine_sign(machine, body, ob_heartbeat_body(&heartbeat, body), signature);
    show(cluster, number, which, data, ob_heartbeat_encode(&heartbeat, data));
}

void sim_attacker_act(struct sim_cluster *cluster, size_t number) {
    struct sim_attacker *attacker = cluster->nodes[number].attacker;
    uint8_t bytes[OB_SAMPLES_PER_ROUND_MAX];
    bool silent = attacker->kind == SIM_FORK_ONCE && attacker->acts > 0;
    for (size_t i = 0; i < cluster->plan.samples; i++)
        bytes[i] = (uint8_t)test_random_next(&cluster->random);
    size_t branches = attacker->kind == SIM_FORK_TWICE ? 3 : 2;
    for (size_t which = 0; which < branches && !silent; which++) {
        sign_record(cluster, number, which, bytes);
        beat(cluster, number, which);
    }
    attacker->acts++;
}

void sim_attacker_shown(struct sim_cluster *cluster, const struct sim_buffer *buffer) {
    struct ob_reader reader = ob_reader_init(buffer->data, buffer->bytes);
    uint8_t kind = ob_read_u8(&reader);
    struct ob_run_id run;
    struct ob_list list;
    const uint8_t *record;
    size_t bytes;
    if (ob_read_u8(&reader) != OB_PROTOCOL_VERSION)
        return; /* garbled */
    if (kind == OB_MESSAGE_RECORD)
        sim_ledger_show(&cluster->ledger, reader.at, reader.left);
    else if (kind == OB_MESSAGE_RECORDS && ob_list_decode(reader, false, &run, &list) &&
             ob_hash_equal(&run.hash, &cluster->run.hash))
        while ((record = ob_list_next(&list, &bytes)) != NULL)
            sim_ledger_show(&cluster->ledger, record, bytes);
}

static void give(struct sim_cluster *cluster, size_t number, size_t to, const uint8_t *data, size_t bytes) {
    struct sim_buffer *buffer = sim_buffer_new(data, bytes);
    buffer->references++;
    sim_network_give(cluster, number, to, buffer);
    sim_buffer_release(buffer);
}

static void answer_frontier(struct sim_cluster *cluster, size_t number, size_t from,
                            const struct branch *branch) {
    uint8_t data[OB_FRONTIER_HEADER_BYTES + OB_FRONTIER_ENTRY_BYTES];
    uint32_t count = branch->records.count > 0;
    struct ob_writer writer = ob_frontier_start(&cluster->run, count, 0, count, data, sizeof data);
    if (count > 0)
        ob_frontier_add(&writer, &(struct ob_frontier_entry){
                                     .machine = cluster->machines[cluster->nodes[number].machine].id,
                                     .next = {branch->next},
                                     .head_round = {branch->round - 1},
                                     .head = branch->head});
    give(cluster, number, from, data, writer.used);
}

static void answer_records(struct sim_cluster *cluster, size_t number, size_t from,
                           const struct branch *branch, const struct ob_records_ask *ask) {
    uint8_t data[OB_MESSAGE_MAX];
    size_t bytes =
        sim_chain_message(&branch->records, &cluster->run, ask->first.index, ask->count, sizeof data, data);
    give(cluster, number, from, data, bytes);
}

static void answer_holds(struct sim_cluster *cluster, size_t number, size_t from,
                         const struct branch *branch) {
    uint8_t data[OB_SMALL_MESSAGE_BYTES_MAX];
    struct ob_holds holds = {.run = cluster->run,
                             .machine = cluster->machines[cluster->nodes[number].machine].id,
                             .next = {branch->next},
                             .head = branch->head};
    give(cluster, number, from, data, ob_holds_encode(&holds, data));
}

/* For the chain that it signs itself; it holds no other. */
void sim_attacker_receive(struct sim_cluster *cluster, size_t number, size_t from,
                          const struct sim_buffer *buffer) {
    const struct sim_node *node = &cluster->nodes[number];
    const struct ob_machine_id *own = &cluster->machines[node->machine].id;
    const struct branch *branch = &node->attacker->branches[branch_for(node->attacker, from)];
    struct ob_reader reader = ob_reader_init(buffer->data, buffer->bytes);
    uint8_t kind = ob_read_u8(&reader);
    (void)ob_read_u8(&reader);
    struct ob_run_id run;
    struct ob_machine_id machine;
    struct ob_records_ask ask;
    uint32_t page;
    if (kind == OB_MESSAGE_FRONTIER_ASK && ob_frontier_ask_decode(reader, &run, &page))
        answer_frontier(cluster, number, from, branch);
    else if (kind == OB_MESSAGE_RECORDS_ASK && ob_records_ask_decode(reader, &ask) &&
             ob_machine_equal(&ask.machine, own))
        answer_records(cluster, number, from, branch, &ask);
    else if (kind == OB_MESSAGE_HOLDS_ASK && ob_holds_ask_decode(reader, &run, &machine) &&
             ob_machine_equal(&machine, own))
        answer_holds(cluster, number, from, branch);
}
