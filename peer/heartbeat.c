#include "peer/heartbeat.h"

#include <assert.h>

#include "peer/control_exchange.h"
#include "peer/dispute.h"
#include "peer/effects.h"
#include "peer/fetch.h"
#include "peer/frontier.h"
#include "peer/isolation.h"
#include "peer/log.h"
#include "peer/machines.h"
#include "peer/named.h"
#include "peer/pacing.h"
#include "peer/state.h"
#include "peer/twin.h"

#define FRONTIER_EVERY_NS (500 * MILLISECONDS)     /* between two frontier asks, to one peer and in all */
#define ANSWER_EVERY_NS   (HEARTBEAT_EVERY_NS / 2) /* what one machine that disagrees is sent */

static_assert(sizeof OB_HEARTBEAT_LABEL - 1 == 16, "the label's length is part of the format");
static_assert(OB_HEARTBEAT_BYTES <= OB_SMALL_MESSAGE_BYTES_MAX, "small messages");
static_assert(OB_HEARTBEAT_BYTES <= TWIN_MESSAGE_BYTES, "the newest one of each machine is kept");

/* ---- on the wire ---- */

static void write_heartbeat(struct ob_writer *writer, const struct ob_heartbeat *heartbeat) {
    ob_write_bytes(writer, heartbeat->run.hash.bytes, OB_HASH_BYTES);
    ob_write_bytes(writer, heartbeat->machine.key, OB_KEY_BYTES);
    ob_write_u64(writer, heartbeat->instance);
    ob_write_u64(writer, heartbeat->sequence);
    ob_write_u64(writer, heartbeat->twin);
    ob_write_u8(writer, heartbeat->trains ? 1 : 0);
    ob_write_u64(writer, heartbeat->next.index);
    ob_write_u32(writer, heartbeat->round.index);
    ob_write_bytes(writer, heartbeat->log.bytes, OB_HASH_BYTES);
    ob_write_bytes(writer, heartbeat->control.bytes, OB_HASH_BYTES);
    ob_write_bytes(writer, heartbeat->weights.bytes, OB_HASH_BYTES);
    ob_write_bytes(writer, heartbeat->weights_log.bytes, OB_HASH_BYTES);
}

size_t ob_heartbeat_body(const struct ob_heartbeat *heartbeat, uint8_t *ret_body) {
    struct ob_writer writer = ob_writer_init(ret_body, OB_HEARTBEAT_BODY_BYTES);
    ob_write_bytes(&writer, OB_HEARTBEAT_LABEL, sizeof OB_HEARTBEAT_LABEL - 1);
    write_heartbeat(&writer, heartbeat);
    assert(!writer.failed && writer.used == OB_HEARTBEAT_BODY_BYTES);
    return writer.used;
}

size_t ob_heartbeat_encode(const struct ob_heartbeat *heartbeat, uint8_t *ret_data) {
    struct ob_writer writer = ob_writer_init(ret_data, OB_HEARTBEAT_BYTES);
    ob_write_u8(&writer, OB_MESSAGE_HEARTBEAT);
    ob_write_u8(&writer, OB_PROTOCOL_VERSION);
    write_heartbeat(&writer, heartbeat);
    ob_write_bytes(&writer, heartbeat->signature, 64);
    assert(!writer.failed && writer.used == OB_HEARTBEAT_BYTES);
    return writer.used;
}

bool ob_heartbeat_decode(struct ob_reader reader, struct ob_heartbeat *ret_heartbeat) {
    struct ob_heartbeat heartbeat = {0};
    ob_read_bytes(&reader, heartbeat.run.hash.bytes, OB_HASH_BYTES);
    ob_read_bytes(&reader, heartbeat.machine.key, OB_KEY_BYTES);
    heartbeat.instance = ob_read_u64(&reader);
    heartbeat.sequence = ob_read_u64(&reader);
    heartbeat.twin = ob_read_u64(&reader);
    uint8_t flags = ob_read_u8(&reader);
    heartbeat.next.index = ob_read_u64(&reader);
    heartbeat.round.index = ob_read_u32(&reader);
    ob_read_bytes(&reader, heartbeat.log.bytes, OB_HASH_BYTES);
    ob_read_bytes(&reader, heartbeat.control.bytes, OB_HASH_BYTES);
    ob_read_bytes(&reader, heartbeat.weights.bytes, OB_HASH_BYTES);
    ob_read_bytes(&reader, heartbeat.weights_log.bytes, OB_HASH_BYTES);
    heartbeat.signature = ob_read_view(&reader, 64);
    if (!ob_message_read(&reader) || flags > 1 || heartbeat.next.index > OB_SAMPLE_END)
        return false;
    heartbeat.trains = flags == 1;
    *ret_heartbeat = heartbeat;
    return true;
}

/* ---- saying ---- */

static bool trains(const struct ob_peer *peer) {
    if (peer->options.observer || peer->rounds.pause || peer->rounds.leaving || peer->dispute.open ||
        peer->own_fork.suspected)
        return false;
    return peer->life == OB_PEER_RECONCILING || peer->life == OB_PEER_TRAINING ||
           peer->life == OB_PEER_WAITING;
}

/* `digest`: of our weights, what it says of them; NULL: nothing. The same bytes may be published and sent within one
 * step. */
static size_t build(struct ob_peer *peer, const struct weights_digest *digest, uint8_t *data) {
    struct ob_heartbeat heartbeat = {
        .run = peer->options.run,
        .machine = peer->options.machine,
        .instance = peer->options.instance,
        .sequence = ++peer->heartbeat.sequence,
        .twin = peer->twin.other,
        .trains = trains(peer),
        .next = {peer->own->chain.next},
        .round = {peer->rounds.current.running ? peer->rounds.current.round : peer->rounds.next},
        .log = ob_log_digest(peer),
        .control = ob_control_table_digest(&peer->control),
    };
    if (digest != NULL) {
        heartbeat.weights = digest->weights;
        heartbeat.weights_log = digest->log;
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
    ob_effects_publish(peer, data, build(peer, ob_named_last(peer), data));
    peer->heartbeat.sent_ns = peer->now_ns;
}

static void send_with(struct ob_peer *peer, const struct machine *to, const struct weights_digest *digest) {
    uint8_t *data = ob_effects_scratch(peer, OB_SMALL_MESSAGE_BYTES_MAX);
    if (data != NULL && to != peer->own)
        ob_effects_send(peer, to, data, build(peer, digest, data));
}

void ob_heartbeat_send(struct ob_peer *peer, const struct machine *to) {
    send_with(peer, to, ob_named_last(peer));
}

/* Either of two that disagree may be wrong, so both have to know. Our heartbeats are of later records by now, perhaps, of
 * which it has no digest: a slow machine makes its own when we are further. */
static void answer_dispute(struct ob_peer *peer, struct machine *sender) {
    struct machine_dispute *said = &sender->dispute;
    const struct weights_digest *ours = ob_named_find(peer, &sender->heartbeat.weights_log);
    if (!said->compared || said->agrees || ours == NULL ||
        ob_hash_equal(&ours->log, &ob_named_last(peer)->log) ||
        (said->answered_ns != 0 && peer->now_ns - said->answered_ns < ANSWER_EVERY_NS))
        return;
    said->answered_ns = peer->now_ns;
    send_with(peer, sender, ours);
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
    struct machine_frontier *frontier = &sender->frontier;
    struct ob_hash own = ob_log_digest(peer);
    sender->heartbeat.log = heartbeat->log;
    if (ob_hash_equal(&heartbeat->log, &own)) {
        sender->heartbeat.log_differs = 0;
        sender->rejoin.answered = true;
        frontier->open = false;
        frontier->ask_at_once = false;
        ob_isolation_acknowledge(peer, sender, peer->own->chain.next);
        return;
    }
    sender->heartbeat.log_differs++;
    uint64_t wait = frontier->open ? FRONTIER_RETRY_NS : FRONTIER_EVERY_NS;
    if (frontier->asked_ns != 0 && peer->now_ns - frontier->asked_ns < wait)
        return;
    bool reconciling = peer->life == OB_PEER_RECONCILING && !sender->rejoin.answered;
    bool lasting = sender->heartbeat.log_differs >= 2 &&
                   (peer->frontier.asked_ns == 0 || peer->now_ns - peer->frontier.asked_ns >= wait);
    if (reconciling || lasting || frontier->ask_at_once) {
        frontier->open = false; /* from its first page */
        peer->frontier.asked_ns = peer->now_ns;
        ob_frontier_ask(peer, sender);
    }
}

static void take_report(struct ob_peer *peer, struct machine *sender, const struct ob_heartbeat *heartbeat) {
    struct machine_heartbeat *report = &sender->heartbeat;
    uint64_t before = report->next, before_ns = report->heard_ns;
    report->instance = heartbeat->instance;
    report->sequence = heartbeat->sequence;
    report->next = heartbeat->next.index;
    report->idle = !heartbeat->trains;
    if (!report->heard && !sender->chain.has_records)
        sender->pacing.last_record_ns = peer->now_ns; /* a newcomer has a while until its first record */
    bool overdue =
        report->heard && before > sender->chain.next && peer->now_ns - before_ns >= HEARTBEAT_EVERY_NS / 2;
    report->heard = true;
    report->heard_ns = peer->now_ns;
    if (overdue)
        ob_fetch_want(peer, sender, report->next, sender);
}

static struct ob_twin_said said_of(const struct ob_heartbeat *heartbeat, uint8_t *data) {
    return (struct ob_twin_said){.instance = heartbeat->instance,
                                 .sequence = heartbeat->sequence,
                                 .twin = heartbeat->twin,
                                 .data = data,
                                 .bytes = ob_heartbeat_encode(heartbeat, data)};
}

void ob_receive_heartbeat(struct ob_peer *peer, struct machine *sender, struct ob_reader body) {
    struct ob_heartbeat heartbeat;
    if (!ob_heartbeat_decode(body, &heartbeat)) {
        ob_effects_refuse(peer, sender, "a malformed heartbeat");
        return;
    }
    bool of_own_key = ob_machine_equal(&heartbeat.machine, &peer->own->id);
    if (!of_own_key && !ob_machine_equal(&heartbeat.machine, &sender->id) &&
        ob_hash_equal(&heartbeat.run.hash, &peer->options.run.hash))
        return; /* handed on, for its own machine */
    if (peer->life == OB_PEER_HALTED && !of_own_key)
        return;
    if (refused(peer, sender, &heartbeat))
        return;
    uint8_t data[OB_HEARTBEAT_BYTES];
    struct ob_twin_said said = said_of(&heartbeat, data);
    if (of_own_key) {
        if (ob_twin_hear_own(peer, &said))
            ob_heartbeat_publish(peer); /* names the other, so that it stops as well */
        return;
    }
    ob_twin_heard(peer, sender, &said);
    if (sender->heartbeat.heard && heartbeat.instance == sender->heartbeat.instance &&
        heartbeat.sequence <= sender->heartbeat.sequence)
        return; /* a copy, or overtaken by a later one */
    take_report(peer, sender, &heartbeat);
    ob_machines_joined(peer, sender);
    ob_pacing_heard(peer, sender);
    compare_logs(peer, sender, &heartbeat);
    sender->heartbeat.weights = heartbeat.weights;
    sender->heartbeat.weights_log = heartbeat.weights_log;
    ob_dispute_compare(peer, sender);
    answer_dispute(peer, sender);
    struct ob_hash control = ob_control_table_digest(&peer->control);
    if (!ob_hash_equal(&heartbeat.control, &control))
        ob_control_ask(peer, sender);
}
