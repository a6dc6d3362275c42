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
    bool hostile; /* not a fork: one branch, that everybody hears */
    enum sim_hostile_kind intent;
    enum sim_fork_kind kind;
    uint64_t audience;
    struct branch branches[BRANCHES];
    uint64_t instance, heartbeats;
    unsigned acts;
    uint64_t beat_ns, signed_ns; /* of a hostile one: when it last did */
    uint32_t heard_round;
};

static void extend(struct sim_cluster *cluster, struct branch *branch, struct sim_record *stored) {
    struct ob_record record = sim_record_decode(stored);
    sim_chain_add(&branch->records, stored);
    branch->next = stored->first + stored->n;
    branch->round = record.round.index + 1;
    branch->head = ob_record_hash(&cluster->run, &record);
}

static void start(struct sim_cluster *cluster, size_t number, struct sim_attacker as) {
    struct sim_node *node = &cluster->nodes[number];
    enum sim_fork_kind kind = as.kind;
    sim_cluster_stop(cluster, number);
    struct sim_attacker *attacker = calloc(1, sizeof *attacker);
    if (attacker == NULL)
        abort();
    *attacker = as;
    attacker->instance = as.hostile ? cluster->now_ns : test_random_next(&cluster->random);
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
    cluster->counts.forks += !as.hostile;
    cluster->counts.hostile += as.hostile;
    sim_network_changed(cluster, number, true);
    sim_events_push(&cluster->events, (struct sim_event){.time_ns = cluster->now_ns + node->round_ns / 2,
                                                         .kind = SIM_ATTACK,
                                                         .node = (uint32_t)number,
                                                         .incarnation = ++node->incarnation});
}

void sim_attacker_start(struct sim_cluster *cluster, size_t number, enum sim_fork_kind kind,
                        uint64_t audience) {
    start(cluster, number, (struct sim_attacker){.kind = kind, .audience = audience});
}

void sim_attacker_start_hostile(struct sim_cluster *cluster, size_t number, enum sim_hostile_kind intent) {
    start(cluster, number, (struct sim_attacker){.hostile = true, .intent = intent});
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
    if (attacker->hostile)
        return 0;
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

/* ---- members with bad intent ---- */

#define DRAG_NS      (4900 * SIM_MILLISECONDS) /* quiet is 5 s */
#define BEAT_NS      SIM_SECONDS
#define BURST        300
#define BURST_ROUNDS 7
#define QUESTIONS    40

static bool passed(const struct sim_cluster *cluster, uint64_t *last_ns, uint64_t ns) {
    if (*last_ns != 0 && cluster->now_ns - *last_ns < ns)
        return false;
    *last_ns = cluster->now_ns;
    return true;
}

/* A record of its chain of this round, or of the next one that its chain allows. */
static void sign_one(struct sim_cluster *cluster, size_t number, uint32_t round) {
    struct branch *branch = &cluster->nodes[number].attacker->branches[0];
    uint8_t bytes[OB_SAMPLES_PER_ROUND_MAX] = {0};
    if (branch->round < round)
        branch->round = round;
    if (branch->round < SIM_MAX_ROUNDS)
        sign_record(cluster, number, 0, bytes);
}

static void give(struct sim_cluster *cluster, size_t number, size_t to, const uint8_t *data, size_t bytes) {
    struct sim_buffer *buffer = sim_buffer_new(data, bytes);
    buffer->references++;
    sim_network_give(cluster, number, to, buffer);
    sim_buffer_release(buffer);
}

/* To one peer: with its digests of log and control, and these of the weights. */
static void parrot(struct sim_cluster *cluster, size_t number, size_t to, const struct ob_heartbeat *theirs,
                   const struct ob_hash *weights) {
    struct sim_attacker *attacker = cluster->nodes[number].attacker;
    struct sim_machine *machine = &cluster->machines[cluster->nodes[number].machine];
    uint8_t body[OB_HEARTBEAT_BODY_BYTES], signature[64], data[OB_HEARTBEAT_BYTES];
    struct ob_heartbeat heartbeat = {.run = cluster->run,
                                     .machine = machine->id,
                                     .instance = attacker->instance,
                                     .sequence = ++attacker->heartbeats,
                                     .trains = true,
                                     .next = {attacker->branches[0].next},
                                     .round = {attacker->branches[0].round},
                                     .log = theirs->log,
                                     .control = theirs->control,
                                     .weights = *weights,
                                     .weights_log = theirs->weights_log,
                                     .signature = signature};
    sim_machine_sign(machine, body, ob_heartbeat_body(&heartbeat, body), signature);
    give(cluster, number, to, data, ob_heartbeat_encode(&heartbeat, data));
}

static void ask_everything(struct sim_cluster *cluster, size_t number) {
    const struct sim_node *node = &cluster->nodes[number];
    for (size_t i = 0; i < QUESTIONS && node->links.count > 0; i++) {
        uint8_t data[OB_SMALL_MESSAGE_BYTES_MAX];
        size_t of = test_random_below(&cluster->random, cluster->ledger.machines);
        struct ob_records_ask ask = {.run = cluster->run, .machine = cluster->machines[of].id};
        size_t bytes =
            i % 4 == 0 ? ob_frontier_ask_encode(&cluster->run, 0, data) : ob_records_ask_encode(&ask, data);
        give(cluster, number, node->links.to[i % node->links.count], data, bytes);
    }
}

static void act_hostile(struct sim_cluster *cluster, size_t number) {
    struct sim_attacker *attacker = cluster->nodes[number].attacker;
    if (passed(cluster, &attacker->beat_ns, BEAT_NS))
        beat(cluster, number, 0);
    switch (attacker->intent) {
    case SIM_DRAG:
        if (passed(cluster, &attacker->signed_ns, DRAG_NS))
            sign_one(cluster, number, 0);
        break;
    case SIM_JUMP:
        if (attacker->acts == 0)
            sign_one(cluster, number, SIM_MAX_ROUNDS - 1);
        break;
    case SIM_BURST:
        for (unsigned i = 0; i < BURST && attacker->acts % 16 == 0; i++)
            sign_one(cluster, number, attacker->branches[0].round + (i % BURST_ROUNDS == 0 ? 1 : 0));
        break;
    case SIM_UNREAD:
        ask_everything(cluster, number);
        break;
    default: /* acts on what it hears; trains meanwhile, so that it is last live */
        sign_one(cluster, number, attacker->heard_round);
        break;
    }
    attacker->acts++;
}

/* A peer said something of itself: what it gets to hear for that. */
static void hear(struct sim_cluster *cluster, size_t number, size_t from, const struct ob_heartbeat *theirs) {
    static const struct ob_hash NONE;
    struct sim_attacker *attacker = cluster->nodes[number].attacker;
    struct ob_hash wrong = theirs->weights;
    if (theirs->round.index > attacker->heard_round)
        attacker->heard_round = theirs->round.index;
    if (attacker->intent !=
        SIM_ACCUSE) /* it counts as one that acknowledges: who does not is as good as not there */
        parrot(cluster, number, from, theirs, &NONE);
    if (attacker->intent != SIM_ACCUSE || ob_hash_equal(&wrong, &NONE))
        return;
    for (unsigned i = 0; i < 5; i++) {
        wrong.bytes[0]++;
        parrot(cluster, number, from, theirs, &wrong);
        parrot(cluster, number, from, theirs, &theirs->weights);
    }
}

void sim_attacker_act(struct sim_cluster *cluster, size_t number) {
    struct sim_attacker *attacker = cluster->nodes[number].attacker;
    uint8_t bytes[OB_SAMPLES_PER_ROUND_MAX];
    if (attacker->hostile) {
        act_hostile(cluster, number);
        return;
    }
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
    uint8_t version = ob_read_u8(&reader);
    if (version < OB_PROTOCOL_LOWEST || version > SIM_PROTOCOL_HIGHEST)
        return; /* garbled */
    if (kind == OB_MESSAGE_RECORD)
        sim_ledger_show(&cluster->ledger, reader.at, reader.left);
    else if (kind == OB_MESSAGE_RECORDS && ob_list_decode(reader, false, &run, &list) &&
             ob_hash_equal(&run.hash, &cluster->run.hash))
        while ((record = ob_list_next(&list, &bytes)) != NULL)
            sim_ledger_show(&cluster->ledger, record, bytes);
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

/* All of the asker's chain, and a hundred samples more. */
static void answer_falsely(struct sim_cluster *cluster, size_t number, size_t from) {
    uint8_t data[OB_SMALL_MESSAGE_BYTES_MAX];
    size_t machine = cluster->nodes[from].machine;
    struct ob_holds holds = {.run = cluster->run,
                             .machine = cluster->machines[machine].id,
                             .next = {sim_chain_end(&cluster->ledger.chains[machine]) + 100},
                             .head = {{1}}};
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
    struct ob_heartbeat heartbeat;
    uint32_t page;
    if (node->attacker->hostile && kind == OB_MESSAGE_HEARTBEAT && ob_heartbeat_decode(reader, &heartbeat) &&
        ob_machine_equal(&heartbeat.machine, &cluster->machines[cluster->nodes[from].machine].id)) {
        hear(cluster, number, from, &heartbeat);
        return;
    }
    if (kind == OB_MESSAGE_FRONTIER_ASK && ob_frontier_ask_decode(reader, &run, &page))
        answer_frontier(cluster, number, from, branch);
    else if (kind == OB_MESSAGE_RECORDS_ASK && ob_records_ask_decode(reader, &ask) &&
             ob_machine_equal(&ask.machine, own))
        answer_records(cluster, number, from, branch, &ask);
    else if (kind == OB_MESSAGE_HOLDS_ASK && ob_holds_ask_decode(reader, &run, &machine) &&
             ob_machine_equal(&machine, own))
        answer_holds(cluster, number, from, branch);
    else if (node->attacker->hostile && node->attacker->intent == SIM_FALSE && kind == OB_MESSAGE_HOLDS_ASK &&
             ob_holds_ask_decode(reader, &run, &machine) &&
             cluster->nodes[from].machine < cluster->ledger.machines)
        answer_falsely(cluster, number, from);
}
