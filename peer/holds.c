/* holds - how much of a chain does somebody hold? Between two machines with a link, HOLDS_ASK and HOLDS;
 * between others, HELD_ASK and HELD, which those between them hand on.
 *
 * The way. A record reaches a machine from a neighbour that held it before; so from neighbour to neighbour,
 * each time to the one that told us of the target's newest record first, a question comes to the target. Its
 * answer comes back by the asker's records in the same way. Every other attempt takes, at each peer, the one
 * that told us second, in case the first one hears nobody or swallows what it should hand on.
 *
 * Bounds. A message is handed on to one machine, never back, at most HELD_HOPS times, HELD_ON_BURST of one
 * neighbour in HELD_ON_EVERY_NS; what is lost is asked again. The answer is signed by who holds the chain, so
 * that those between need no trust; an old one says less than a newer one and does no harm. */
#include <assert.h>

#include "peer/state.h"

void ob_holds_ask(struct ob_peer *peer, struct machine *of) {
    uint8_t *data = ob_effects_scratch(peer, OB_SMALL_MESSAGE_BYTES_MAX);
    if (data == NULL)
        return;
    of->holds_asked_ns = peer->now_ns;
    ob_effects_send(peer, of, data, ob_holds_ask_encode(&peer->options.run, &peer->own->id, data));
}

void ob_holds_send(struct ob_peer *peer, const struct machine *to, const struct ob_machine_id *id) {
    const struct machine *machine = ob_machines_find(peer, id);
    uint8_t *data = ob_effects_scratch(peer, OB_SMALL_MESSAGE_BYTES_MAX);
    if (data == NULL)
        return;
    struct ob_holds holds = {.run = peer->options.run, .machine = *id};
    if (machine != NULL) {
        holds.next.index = machine->next;
        holds.head = machine->head;
    }
    ob_effects_send(peer, to, data, ob_holds_encode(&holds, data));
}

void ob_holds_serve(struct ob_peer *peer, struct machine *sender, struct ob_reader body) {
    struct ob_run_id run;
    struct ob_machine_id id;
    if (!ob_holds_ask_decode(body, &run, &id))
        ob_effects_refuse(peer, sender, "a malformed question for how far we hold a chain");
    else if (!ob_hash_equal(&run.hash, &peer->options.run.hash))
        ob_effects_refuse(peer, sender, "a question about a chain of another run");
    else
        ob_holds_send(peer, sender, &id);
}

void ob_holds_receive(struct ob_peer *peer, struct machine *sender, struct ob_reader body) {
    struct ob_holds holds;
    if (!ob_holds_decode(body, &holds)) {
        ob_effects_refuse(peer, sender, "a malformed answer to how far it holds a chain");
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
        ob_repair_none(peer, machine, sender, 0);
    if (holds.next.index > 0 && holds.next.index <= machine->next)
        ob_repair_none(peer, machine, sender, holds.next.index);
}

/* ---- between machines without a link ---- */

void ob_held_learn_way(struct machine *machine, struct machine *sender, bool first) {
    if (first && machine->via != sender) {
        machine->via_other = machine->via;
        machine->via = sender;
    } else if (!first && machine->via != sender) {
        machine->via_other = sender;
    }
}

static bool usable(const struct ob_peer *peer, const struct machine *neighbour,
                   const struct machine *not_back) {
    return neighbour != NULL && neighbour->linked && neighbour != peer->own && neighbour != not_back;
}

/* NULL: no way is known. */
static struct machine *way_to(const struct ob_peer *peer, struct machine *machine, const struct machine *from,
                              uint8_t attempt) {
    struct machine *one = machine->via, *other = machine->via_other;
    if (usable(peer, machine, from))
        return machine;
    if (attempt % 2 == 1 && usable(peer, other, from))
        return other;
    return usable(peer, one, from) ? one : usable(peer, other, from) ? other : NULL;
}

/* For a neighbour; false: it is too much for now. */
static bool hands_on(const struct ob_peer *peer, struct machine *sender) {
    if (peer->now_ns - sender->handed_on_ns >= HELD_ON_EVERY_NS) {
        sender->handed_on_ns = peer->now_ns;
        sender->handed_on = 0;
    }
    return sender->handed_on++ < HELD_ON_BURST;
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

void ob_held_ask(struct ob_peer *peer, struct machine *of) {
    assert(of != peer->own);
    uint8_t attempt = (uint8_t)of->held_silences;
    const struct machine *to = way_to(peer, of, NULL, attempt);
    of->held_asked_ns = peer->now_ns;
    if (of->held_silences < HELD_SILENCES_MAX)
        of->held_silences++;
    if (to != NULL)
        send_ask(peer, to,
                 &(struct ob_held_ask){.run = peer->options.run,
                                       .asker = peer->own->id,
                                       .machine = of->id,
                                       .attempt = attempt,
                                       .hops = HELD_HOPS});
}

static void answer(struct ob_peer *peer, struct machine *sender, const struct ob_held_ask *ask) {
    struct machine *asker = ob_machines_find(peer, &ask->asker);
    if (asker == NULL || !asker->has_records)
        return; /* nothing is held of it, and no way back is known */
    const struct machine *to = way_to(peer, asker, NULL, ask->attempt);
    uint8_t body[OB_HELD_BODY_BYTES], signature[64];
    struct ob_held held = {.run = ask->run,
                           .asker = ask->asker,
                           .machine = peer->own->id,
                           .attempt = ask->attempt,
                           .hops = HELD_HOPS,
                           .next = {asker->next},
                           .signature = signature};
    if (!hands_on(peer, sender))
        return;
    peer->options.crypto.sign(peer->options.crypto.context, body, ob_held_body(&held, body), signature);
    send_held(peer, to != NULL ? to : sender, &held);
}

void ob_held_ask_receive(struct ob_peer *peer, struct machine *sender, struct ob_reader body) {
    struct ob_held_ask ask;
    if (!ob_held_ask_decode(body, &ask)) {
        ob_effects_refuse(peer, sender, "a malformed question that is handed on");
        return;
    }
    if (!ob_hash_equal(&ask.run.hash, &peer->options.run.hash)) {
        ob_effects_refuse(peer, sender, "a question of another run");
        return;
    }
    struct machine *machine = ob_machines_find(peer, &ask.machine);
    if (machine == peer->own) {
        answer(peer, sender, &ask);
        return;
    }
    const struct machine *to = machine == NULL ? NULL : way_to(peer, machine, sender, ask.attempt);
    if (to == NULL || ask.hops == 0 || ask.hops > HELD_HOPS || !hands_on(peer, sender))
        return;
    ask.hops--;
    send_ask(peer, to, &ask);
}

/* Signed by whom it claims to be of: an acknowledgement as good as one over a link. */
static void take(struct ob_peer *peer, struct machine *sender, const struct ob_held *held) {
    struct machine *machine = ob_machines_find(peer, &held->machine);
    const struct ob_peer_crypto *crypto = &peer->options.crypto;
    uint8_t body[OB_HELD_BODY_BYTES];
    if (machine == NULL || machine == peer->own || held->next.index <= machine->acknowledged)
        return;
    if (!crypto->verify(crypto->context, &held->machine, body, ob_held_body(held, body), held->signature)) {
        peer->counters.bad_signatures++;
        ob_effects_refuse(peer, sender, "an answer that was handed on, with a bad signature");
        return;
    }
    ob_isolation_acknowledge(peer, machine, held->next.index);
}

void ob_held_receive(struct ob_peer *peer, struct machine *sender, struct ob_reader body) {
    struct ob_held held;
    if (!ob_held_decode(body, &held)) {
        ob_effects_refuse(peer, sender, "a malformed answer that is handed on");
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
    const struct machine *to = asker == NULL ? NULL : way_to(peer, asker, sender, held.attempt);
    if (to == NULL || held.hops == 0 || held.hops > HELD_HOPS || !hands_on(peer, sender))
        return;
    held.hops--;
    send_held(peer, to, &held);
}
