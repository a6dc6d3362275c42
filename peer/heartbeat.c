/* heartbeat - what a machine says of itself every second, and what follows from what others say. */
#include <assert.h>

#include "peer/state.h"

static bool trains(const struct ob_peer *peer) {
    if (peer->options.observer || peer->pause || peer->leaving || peer->dispute.open)
        return false;
    return peer->life == OB_PEER_RECONCILING || peer->life == OB_PEER_TRAINING ||
           peer->life == OB_PEER_WAITING;
}

/* The same bytes may be published and sent within one step. */
static size_t build(struct ob_peer *peer, uint8_t *data) {
    struct ob_heartbeat heartbeat = {
        .run = peer->options.run,
        .machine = peer->options.machine,
        .instance = peer->options.instance,
        .sequence = ++peer->heartbeat_sequence,
        .twin = peer->twin,
        .trains = trains(peer),
        .next = {peer->own->next},
        .round = {peer->round.running ? peer->round.round : peer->next_round},
        .log = ob_machines_log_digest(peer),
        .control = ob_control_table_digest(peer),
    };
    if (peer->weights_count > 0) {
        const struct weights_digest *last = &peer->weights[(peer->weights_count - 1) % WEIGHTS_HISTORY];
        heartbeat.weights = last->weights;
        heartbeat.weights_log = last->log;
    }
    uint8_t body[OB_HEARTBEAT_BODY_BYTES], signature[64];
    size_t body_bytes = ob_heartbeat_body(&heartbeat, body);
    peer->options.crypto.sign(peer->options.crypto.context, body, body_bytes, signature);
    heartbeat.signature = signature;
    return ob_heartbeat_encode(&heartbeat, data);
}

void ob_heartbeat_publish(struct ob_peer *peer) {
    uint8_t *data = ob_effects_scratch(peer, OB_SMALL_MESSAGE_BYTES_MAX);
    if (data == NULL)
        return;
    ob_effects_publish(peer, data, build(peer, data));
    peer->heartbeat_ns = peer->now_ns;
}

void ob_heartbeat_send(struct ob_peer *peer, const struct machine *to) {
    uint8_t *data = ob_effects_scratch(peer, OB_SMALL_MESSAGE_BYTES_MAX);
    if (data != NULL && to != peer->own)
        ob_effects_send(peer, to, data, build(peer, data));
}

void ob_heartbeat_joined(struct ob_peer *peer, struct machine *machine) {
    if (machine->joined || machine == peer->own)
        return;
    machine->joined = true;
    ob_effects_tell(peer, OB_NOTICE_JOINED, &machine->id, "heard for the first time since we started");
}

static bool refused(struct ob_peer *peer, struct machine *sender, const struct ob_heartbeat *heartbeat) {
    const struct ob_peer_crypto *crypto = &peer->options.crypto;
    if (!ob_hash_equal(&heartbeat->run.hash, &peer->options.run.hash)) {
        ob_effects_refuse(peer, sender, "a heartbeat of another run");
        return true;
    }
    if (heartbeat->round.index > peer->options.bounds.max_rounds) {
        ob_effects_refuse(peer, sender, "a heartbeat beyond the run's rounds");
        return true;
    }
    uint8_t body[OB_HEARTBEAT_BODY_BYTES];
    size_t bytes = ob_heartbeat_body(heartbeat, body);
    if (!crypto->verify(crypto->context, &heartbeat->machine, body, bytes, heartbeat->signature)) {
        peer->counters.bad_signatures++;
        ob_effects_refuse(peer, sender, "a heartbeat with a bad signature");
        return true;
    }
    return false;
}

/* A difference that lasts is worth a frontier; one that is gone at the next heartbeat was on its way. */
static void compare_logs(struct ob_peer *peer, struct machine *sender, const struct ob_heartbeat *heartbeat) {
    struct ob_hash own = ob_machines_log_digest(peer);
    sender->reported_log = heartbeat->log;
    if (ob_hash_equal(&heartbeat->log, &own)) {
        sender->log_differs = 0;
        sender->answered = true;
        sender->frontier_open = false;
        sender->ask_at_once = false;
        ob_isolation_acknowledge(peer, sender, peer->own->next);
        return;
    }
    sender->log_differs++;
    uint64_t wait = sender->frontier_open ? FRONTIER_RETRY_NS : FRONTIER_EVERY_NS;
    if (sender->frontier_asked_ns != 0 && peer->now_ns - sender->frontier_asked_ns < wait)
        return;
    bool reconciling = peer->life == OB_PEER_RECONCILING && !sender->answered;
    bool lasting =
        sender->log_differs >= 2 && (peer->frontier_ns == 0 || peer->now_ns - peer->frontier_ns >= wait);
    if (reconciling || lasting || sender->ask_at_once) {
        sender->frontier_open = false; /* from its first page */
        peer->frontier_ns = peer->now_ns;
        ob_frontier_ask(peer, sender);
    }
}

static void take_report(struct ob_peer *peer, struct machine *sender, const struct ob_heartbeat *heartbeat) {
    uint64_t before = sender->reported_next, before_ns = sender->last_heard_ns;
    sender->instance = heartbeat->instance;
    sender->sequence = heartbeat->sequence;
    sender->reported_next = heartbeat->next.index;
    sender->idle = !heartbeat->trains;
    if (!sender->heard && !sender->has_records)
        sender->last_record_ns = peer->now_ns; /* a newcomer has a while until its first record */
    bool overdue =
        sender->heard && before > sender->next && peer->now_ns - before_ns >= HEARTBEAT_EVERY_NS / 2;
    sender->heard = true;
    sender->last_heard_ns = peer->now_ns;
    if (overdue)
        ob_repair_want(peer, sender, sender->reported_next, sender);
}

/* ---- one key, two daemons ---- */

/* Instances rise from start to start: a higher one than ours is of a later start, and one that names ours as
 * its twin has heard us. An older one proves nothing: it may be an echo of our own past. */
static void hear_own_key(struct ob_peer *peer, const struct ob_heartbeat *heartbeat) {
    uint64_t ours = peer->options.instance;
    if (heartbeat->instance == ours || (heartbeat->instance < ours && heartbeat->twin != ours))
        return;
    peer->twin = heartbeat->instance;
    ob_effects_tell(peer, OB_NOTICE_TWIN, &peer->own->id, "another daemon runs with our key");
    ob_effects_halt(peer, "another daemon runs with our key: stop it, or give one of them a new key");
    ob_heartbeat_publish(peer); /* names the other, so that it stops as well */
}

/* Two hosts with one key may have no way to each other: whoever hears both hands on what makes them stop. */
static void hand_on(struct ob_peer *peer, struct machine *sender, const struct ob_heartbeat *heartbeat) {
    if (sender->twin_ns != 0 && peer->now_ns - sender->twin_ns < TWIN_EVERY_NS)
        return;
    uint8_t *data = ob_effects_scratch(peer, OB_SMALL_MESSAGE_BYTES_MAX);
    if (data == NULL)
        return;
    sender->twin_ns = peer->now_ns;
    ob_effects_publish(peer, data, ob_heartbeat_encode(heartbeat, data));
}

static void look_for_twin(struct ob_peer *peer, struct machine *sender,
                          const struct ob_heartbeat *heartbeat) {
    bool changed = sender->heard && heartbeat->instance != sender->instance;
    bool back = changed && heartbeat->instance == sender->instance_before; /* a start goes only forwards */
    if (back && (sender->twin_told_ns == 0 || peer->now_ns - sender->twin_told_ns >= TELL_EVERY_NS)) {
        sender->twin_told_ns = peer->now_ns;
        ob_effects_tell(peer, OB_NOTICE_TWIN, &sender->id, "two daemons run with its key");
    }
    if ((back && heartbeat->instance > sender->instance) || heartbeat->twin != 0)
        hand_on(peer, sender, heartbeat);
    if (changed)
        sender->instance_before = sender->instance;
}

void ob_heartbeat_receive(struct ob_peer *peer, struct machine *sender, struct ob_reader body) {
    struct ob_heartbeat heartbeat;
    if (!ob_heartbeat_decode(body, &heartbeat)) {
        ob_effects_refuse(peer, sender, "a malformed heartbeat");
        return;
    }
    bool of_own_key = ob_machine_equal(&heartbeat.machine, &peer->own->id);
    if (!of_own_key && !ob_machine_equal(&heartbeat.machine, &sender->id) &&
        ob_hash_equal(&heartbeat.run.hash, &peer->options.run.hash))
        return; /* handed on, for its own machine */
    if (refused(peer, sender, &heartbeat))
        return;
    if (of_own_key) {
        hear_own_key(peer, &heartbeat);
        return;
    }
    look_for_twin(peer, sender, &heartbeat);
    if (sender->heard && heartbeat.instance == sender->instance && heartbeat.sequence <= sender->sequence)
        return; /* a copy, or overtaken by a later one */
    take_report(peer, sender, &heartbeat);
    ob_heartbeat_joined(peer, sender);
    ob_pacing_heard(peer, sender);
    compare_logs(peer, sender, &heartbeat);
    sender->reported_weights = heartbeat.weights;
    sender->reported_weights_log = heartbeat.weights_log;
    ob_dispute_compare(peer, sender);
    struct ob_hash control = ob_control_table_digest(peer);
    if (!ob_hash_equal(&heartbeat.control, &control))
        ob_control_ask(peer, sender);
}
