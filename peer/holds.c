#include "peer/holds.h"

#include <assert.h>

#include "peer/effects.h"
#include "peer/fetch.h"
#include "peer/frontier.h"
#include "peer/history.h"
#include "peer/isolation.h"
#include "peer/machines.h"
#include "peer/state.h"
#include "peer/way.h"

#define ASK_EVERY_NS (500 * MILLISECONDS) /* between two questions to one machine */
#define ASKS_A_TICK  8
#define FAR_EVERY_NS (1 * SECONDS) /* the same to one without a link; twice that after each silence … */
#define SILENCES_MAX 4             /* … so often */
#define FAR_A_TICK   4
#define HELD_HOPS    32

static_assert(sizeof OB_HELD_LABEL - 1 == 16, "the label's length is part of the format");

/* ---- on the wire ---- */

size_t ob_holds_ask_encode(const struct ob_run_id *run, const struct ob_machine_id *machine,
                           uint8_t *ret_data) {
    struct ob_writer writer =
        ob_message_start(OB_MESSAGE_HOLDS_ASK, run, ret_data, OB_SMALL_MESSAGE_BYTES_MAX);
    ob_write_bytes(&writer, machine->key, OB_KEY_BYTES);
    return writer.used;
}

bool ob_holds_ask_decode(struct ob_reader reader, struct ob_run_id *ret_run,
                         struct ob_machine_id *ret_machine) {
    struct ob_run_id run;
    struct ob_machine_id machine;
    ob_read_bytes(&reader, run.hash.bytes, OB_HASH_BYTES);
    ob_read_bytes(&reader, machine.key, OB_KEY_BYTES);
    if (!ob_message_read(&reader))
        return false;
    *ret_run = run;
    *ret_machine = machine;
    return true;
}

size_t ob_holds_encode(const struct ob_holds *holds, uint8_t *ret_data) {
    struct ob_writer writer =
        ob_message_start(OB_MESSAGE_HOLDS, &holds->run, ret_data, OB_SMALL_MESSAGE_BYTES_MAX);
    ob_write_bytes(&writer, holds->machine.key, OB_KEY_BYTES);
    ob_write_u64(&writer, holds->next.index);
    ob_write_bytes(&writer, holds->head.bytes, OB_HASH_BYTES);
    return writer.used;
}

bool ob_holds_decode(struct ob_reader reader, struct ob_holds *ret_holds) {
    struct ob_holds holds;
    ob_read_bytes(&reader, holds.run.hash.bytes, OB_HASH_BYTES);
    ob_read_bytes(&reader, holds.machine.key, OB_KEY_BYTES);
    holds.next.index = ob_read_u64(&reader);
    ob_read_bytes(&reader, holds.head.bytes, OB_HASH_BYTES);
    if (!ob_message_read(&reader) || holds.next.index > OB_SAMPLE_END)
        return false;
    *ret_holds = holds;
    return true;
}

size_t ob_held_ask_encode(const struct ob_held_ask *ask, uint8_t *ret_data) {
    struct ob_writer writer =
        ob_message_start(OB_MESSAGE_HELD_ASK, &ask->run, ret_data, OB_SMALL_MESSAGE_BYTES_MAX);
    ob_write_bytes(&writer, ask->asker.key, OB_KEY_BYTES);
    ob_write_bytes(&writer, ask->machine.key, OB_KEY_BYTES);
    ob_write_u8(&writer, ask->attempt);
    ob_write_u8(&writer, ask->hops);
    return writer.used;
}

bool ob_held_ask_decode(struct ob_reader reader, struct ob_held_ask *ret_ask) {
    struct ob_held_ask ask;
    ob_read_bytes(&reader, ask.run.hash.bytes, OB_HASH_BYTES);
    ob_read_bytes(&reader, ask.asker.key, OB_KEY_BYTES);
    ob_read_bytes(&reader, ask.machine.key, OB_KEY_BYTES);
    ask.attempt = ob_read_u8(&reader);
    ask.hops = ob_read_u8(&reader);
    if (!ob_message_read(&reader))
        return false;
    *ret_ask = ask;
    return true;
}

size_t ob_held_body(const struct ob_held *held, uint8_t *ret_body) {
    struct ob_writer writer = ob_writer_init(ret_body, OB_HELD_BODY_BYTES);
    ob_write_bytes(&writer, OB_HELD_LABEL, sizeof OB_HELD_LABEL - 1);
    ob_write_bytes(&writer, held->run.hash.bytes, OB_HASH_BYTES);
    ob_write_bytes(&writer, held->asker.key, OB_KEY_BYTES);
    ob_write_bytes(&writer, held->machine.key, OB_KEY_BYTES);
    ob_write_u64(&writer, held->next.index);
    assert(!writer.failed && writer.used == OB_HELD_BODY_BYTES);
    return writer.used;
}

size_t ob_held_encode(const struct ob_held *held, uint8_t *ret_data) {
    struct ob_writer writer =
        ob_message_start(OB_MESSAGE_HELD, &held->run, ret_data, OB_SMALL_MESSAGE_BYTES_MAX);
    ob_write_bytes(&writer, held->asker.key, OB_KEY_BYTES);
    ob_write_bytes(&writer, held->machine.key, OB_KEY_BYTES);
    ob_write_u8(&writer, held->attempt);
    ob_write_u8(&writer, held->hops);
    ob_write_u64(&writer, held->next.index);
    ob_write_bytes(&writer, held->signature, 64);
    return writer.used;
}

bool ob_held_decode(struct ob_reader reader, struct ob_held *ret_held) {
    struct ob_held held;
    ob_read_bytes(&reader, held.run.hash.bytes, OB_HASH_BYTES);
    ob_read_bytes(&reader, held.asker.key, OB_KEY_BYTES);
    ob_read_bytes(&reader, held.machine.key, OB_KEY_BYTES);
    held.attempt = ob_read_u8(&reader);
    held.hops = ob_read_u8(&reader);
    held.next.index = ob_read_u64(&reader);
    held.signature = ob_read_view(&reader, 64);
    if (!ob_message_read(&reader) || held.next.index > OB_SAMPLE_END)
        return false;
    *ret_held = held;
    return true;
}

/* ---- between neighbours ---- */

void ob_holds_send(struct ob_peer *peer, const struct machine *to, const struct ob_machine_id *id) {
    const struct machine *machine = ob_machines_find(peer, id);
    uint8_t *data = ob_effects_scratch(peer, OB_SMALL_MESSAGE_BYTES_MAX);
    if (data == NULL)
        return;
    struct ob_holds holds = {.run = peer->options.run, .machine = *id};
    if (machine != NULL) {
        holds.next.index = machine->chain.next;
        holds.head = machine->chain.head;
    }
    ob_effects_send(peer, to, data, ob_holds_encode(&holds, data));
}

void ob_receive_holds_ask(struct ob_peer *peer, struct machine *sender, struct ob_reader body) {
    struct ob_run_id run;
    struct ob_machine_id id;
    if (!ob_holds_ask_decode(body, &run, &id))
        ob_effects_refuse(peer, sender, "a malformed question about a chain's end");
    else if (!ob_hash_equal(&run.hash, &peer->options.run.hash))
        ob_effects_refuse(peer, sender, "a question about a chain of another run");
    else
        ob_holds_send(peer, sender, &id);
}

void ob_receive_holds(struct ob_peer *peer, struct machine *sender, struct ob_reader body) {
    struct ob_holds holds;
    if (!ob_holds_decode(body, &holds)) {
        ob_effects_refuse(peer, sender, "a malformed answer about a chain's end");
        return;
    }
    if (!ob_hash_equal(&holds.run.hash, &peer->options.run.hash)) {
        ob_effects_refuse(peer, sender, "an answer about a chain of another run");
        return;
    }
    struct machine *machine = ob_machines_find(peer, &holds.machine);
    if (machine == NULL)
        return;
    if (holds.next.index > 0)
        ob_frontier_claim(
            peer, sender,
            &(struct ob_frontier_entry){.machine = holds.machine, .next = holds.next, .head = holds.head});
    else
        ob_fetch_none(peer, machine, sender, 0);
    if (holds.next.index > 0 && holds.next.index <= machine->chain.next)
        ob_fetch_none(peer, machine, sender, holds.next.index);
}

static void send_ask(struct ob_peer *peer, const struct machine *to, const struct ob_held_ask *ask) {
    uint8_t *data = ob_effects_scratch(peer, OB_SMALL_MESSAGE_BYTES_MAX);
    if (data != NULL)
        ob_effects_send(peer, to, data, ob_held_ask_encode(ask, data));
}

static void send_held(struct ob_peer *peer, const struct machine *to, const struct ob_held *held) {
    uint8_t *data = ob_effects_scratch(peer, OB_SMALL_MESSAGE_BYTES_MAX);
    if (data != NULL)
        ob_effects_send(peer, to, data, ob_held_encode(held, data));
}

/* ---- asking ---- */

static void ask_neighbour(struct ob_peer *peer, struct machine *of) {
    uint8_t *data = ob_effects_scratch(peer, OB_SMALL_MESSAGE_BYTES_MAX);
    if (data == NULL)
        return;
    of->holds.asked_ns = peer->now_ns;
    ob_effects_send(peer, of, data, ob_holds_ask_encode(&peer->options.run, &peer->own->id, data));
}

static void ask_far_one(struct ob_peer *peer, struct machine *of) {
    assert(of != peer->own);
    uint8_t attempt = of->holds.attempt++;
    const struct machine *to = ob_way_to(peer, of, NULL, attempt);
    of->holds.far_asked_ns = peer->now_ns;
    if (of->isolation.silences < SILENCES_MAX)
        of->isolation.silences++;
    if (to != NULL)
        send_ask(peer, to,
                 &(struct ob_held_ask){.run = peer->options.run,
                                       .asker = peer->own->id,
                                       .machine = of->id,
                                       .attempt = attempt,
                                       .hops = HELD_HOPS});
}

static void ask_neighbours(struct ob_peer *peer) {
    unsigned asked = 0;
    for (size_t step = 0; step < peer->machines.count && asked < ASKS_A_TICK; step++) {
        struct machine *machine = peer->machines.order[(peer->holds.cursor + step) % peer->machines.count];
        if (!machine->isolation.last_live || !machine->contact.linked ||
            machine->isolation.acknowledged == peer->own->chain.next ||
            peer->now_ns - machine->holds.asked_ns < ASK_EVERY_NS)
            continue;
        ask_neighbour(peer, machine);
        if (++asked == ASKS_A_TICK)
            peer->holds.cursor = (peer->holds.cursor + step + 1) % peer->machines.count;
    }
}

/* The end of our chain a quarter of isolation_rounds ago: what is acknowledged up to there is good for now.
 */
static uint64_t good_enough(const struct ob_peer *peer) {
    size_t back = peer->options.isolation_rounds / 4 + 1;
    if (back > ob_history_kept(peer))
        return peer->isolation.from;
    return ob_history_back(peer, back)->end;
}

static void ask_far_ones(struct ob_peer *peer) {
    uint64_t enough = peer->life == OB_PEER_ISOLATED ? peer->own->chain.next : good_enough(peer);
    unsigned asked = 0;
    for (size_t step = 0; step < peer->machines.count && asked < FAR_A_TICK; step++) {
        struct machine *machine =
            peer->machines.order[(peer->holds.far_cursor + step) % peer->machines.count];
        if (!machine->isolation.last_live || machine->contact.linked ||
            machine->isolation.acknowledged >= enough ||
            (machine->holds.far_asked_ns != 0 &&
             peer->now_ns - machine->holds.far_asked_ns < FAR_EVERY_NS << machine->isolation.silences))
            continue;
        ask_far_one(peer, machine);
        if (++asked == FAR_A_TICK)
            peer->holds.far_cursor = (peer->holds.far_cursor + step + 1) % peer->machines.count;
    }
}

void ob_holds_tick(struct ob_peer *peer) {
    if (peer->life == OB_PEER_RECOVERING || peer->options.isolation_rounds == 0 || peer->options.observer)
        return;
    ask_neighbours(peer);
    ask_far_ones(peer);
}

/* ---- between machines without a link ---- */

static void answer(struct ob_peer *peer, struct machine *sender, const struct ob_held_ask *ask) {
    struct machine *asker = ob_machines_find(peer, &ask->asker);
    if (asker == NULL || !asker->chain.has_records)
        return; /* nothing is held of it, and no way back is known */
    const struct machine *to = ob_way_back(peer, asker, NULL, ask->attempt);
    uint8_t body[OB_HELD_BODY_BYTES], signature[64];
    struct ob_held held = {.run = ask->run,
                           .asker = ask->asker,
                           .machine = peer->own->id,
                           .attempt = ask->attempt,
                           .hops = HELD_HOPS,
                           .next = {asker->chain.next},
                           .signature = signature};
    if (!ob_way_hands_on(peer, sender))
        return;
    peer->options.crypto.sign(peer->options.crypto.context, body, ob_held_body(&held, body), signature);
    send_held(peer, to != NULL ? to : sender, &held);
}

void ob_receive_held_ask(struct ob_peer *peer, struct machine *sender, struct ob_reader body) {
    struct ob_held_ask ask;
    if (!ob_held_ask_decode(body, &ask)) {
        ob_effects_refuse(peer, sender, "a malformed forwarded question");
        return;
    }
    if (!ob_hash_equal(&ask.run.hash, &peer->options.run.hash)) {
        ob_effects_refuse(peer, sender, "a question of another run");
        return;
    }
    struct machine *machine = ob_machines_find(peer, &ask.machine);
    ob_way_learn_back(peer, ob_machines_find(peer, &ask.asker), sender);
    if (machine == peer->own) {
        answer(peer, sender, &ask);
        return;
    }
    const struct machine *to = machine == NULL ? NULL : ob_way_to(peer, machine, sender, ask.attempt);
    if (to == NULL || ask.hops == 0 || ask.hops > HELD_HOPS || !ob_way_hands_on(peer, sender))
        return;
    ask.hops--;
    send_ask(peer, to, &ask);
}

/* Signed by whom it claims to be of: an acknowledgement as good as one over a link. */
static void take(struct ob_peer *peer, struct machine *sender, const struct ob_held *held) {
    struct machine *machine = ob_machines_find(peer, &held->machine);
    const struct ob_peer_crypto *crypto = &peer->options.crypto;
    uint8_t body[OB_HELD_BODY_BYTES];
    if (machine == NULL || machine == peer->own || held->next.index <= machine->isolation.acknowledged)
        return;
    if (!crypto->verify(crypto->context, &held->machine, body, ob_held_body(held, body), held->signature)) {
        peer->counters.bad_signatures++;
        ob_effects_refuse(peer, sender, "a forwarded answer with a bad signature");
        return;
    }
    ob_isolation_acknowledge(peer, machine, held->next.index);
}

void ob_receive_held(struct ob_peer *peer, struct machine *sender, struct ob_reader body) {
    struct ob_held held;
    if (!ob_held_decode(body, &held)) {
        ob_effects_refuse(peer, sender, "a malformed forwarded answer");
        return;
    }
    if (!ob_hash_equal(&held.run.hash, &peer->options.run.hash)) {
        ob_effects_refuse(peer, sender, "an answer of another run");
        return;
    }
    struct machine *asker = ob_machines_find(peer, &held.asker);
    if (asker == peer->own) {
        take(peer, sender, &held);
        return;
    }
    const struct machine *to = asker == NULL ? NULL : ob_way_back(peer, asker, sender, held.attempt);
    if (to == NULL || held.hops == 0 || held.hops > HELD_HOPS || !ob_way_hands_on(peer, sender))
        return;
    held.hops--;
    send_held(peer, to, &held);
}
