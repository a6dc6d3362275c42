/* heartbeat - what a machine says of itself every second, and what follows from what others say. */
#include <assert.h>

#include "peer/state.h"

static bool hash_is_zero(const struct ob_hash *hash) {
    static const struct ob_hash ZERO = {{0}};
    return ob_hash_equal(hash, &ZERO);
}

static bool trains(const struct ob_peer *peer) {
    if (peer->options.observer || peer->pause || peer->leaving)
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
    if (!ob_machine_equal(&heartbeat->machine, &sender->id) ||
        heartbeat->round.index > peer->options.bounds.max_rounds) {
        ob_effects_refuse(peer, sender, "a heartbeat that is not its own or beyond the run's rounds");
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

static void compare_weights(struct ob_peer *peer, struct machine *sender,
                            const struct ob_heartbeat *heartbeat) {
    sender->reported_weights = heartbeat->weights;
    if (hash_is_zero(&heartbeat->weights) || ob_hash_equal(&sender->disagreed, &heartbeat->weights))
        return;
    size_t kept = peer->weights_count < WEIGHTS_HISTORY ? peer->weights_count : WEIGHTS_HISTORY;
    for (size_t i = 0; i < kept; i++) {
        if (!ob_hash_equal(&peer->weights[i].log, &heartbeat->weights_log) ||
            ob_hash_equal(&peer->weights[i].weights, &heartbeat->weights))
            continue;
        sender->disagreed = heartbeat->weights;
        ob_effects_tell(peer, OB_NOTICE_DISAGREE, &sender->id,
                        "its weights differ from ours although the logs are equal");
        return;
    }
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

void ob_heartbeat_receive(struct ob_peer *peer, struct machine *sender, struct ob_reader body) {
    struct ob_heartbeat heartbeat;
    if (!ob_heartbeat_decode(body, &heartbeat)) {
        ob_effects_refuse(peer, sender, "a malformed heartbeat");
        return;
    }
    if (refused(peer, sender, &heartbeat))
        return;
    if (sender == peer->own) {
        if (heartbeat.instance != peer->options.instance)
            ob_effects_halt(peer, "another daemon runs with our key: stop it, or give one of them a new key");
        return;
    }
    if (sender->heard && heartbeat.instance == sender->instance && heartbeat.sequence <= sender->sequence)
        return; /* a copy, or overtaken by a later one */
    take_report(peer, sender, &heartbeat);
    ob_heartbeat_joined(peer, sender);
    ob_pacing_heard(peer, sender);
    compare_logs(peer, sender, &heartbeat);
    compare_weights(peer, sender, &heartbeat);
    struct ob_hash control = ob_control_table_digest(peer);
    if (!ob_hash_equal(&heartbeat.control, &control))
        ob_control_table_ask(peer, sender);
}
