/* holds - how much of a chain does somebody hold? Between two machines with a link, HOLDS_ASK and HOLDS;
 * between others, HELD_ASK and HELD, which those between them hand on.
 *
 * The way. A record reaches a machine from a neighbour that held it before; so from neighbour to neighbour,
 * each time to the one that told us of the target's newest record first, a question comes to the target. Its
 * answer goes back as the question came. Whoever is on the way may hear nobody, or swallow what it should
 * hand on, and a machine that is isolated signs nothing, so that what its last record showed is no way any
 * more: of four attempts one takes, at each peer, the one that told us second, and one any neighbour; of two
 * answers one goes by the asker's records.
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

static struct machine *any_neighbour(struct ob_peer *peer, const struct machine *from) {
    for (size_t step = 0; step < peer->count; step++) {
        struct machine *neighbour = peer->order[++peer->walk_cursor % peer->count];
        if (usable(peer, neighbour, from))
            return neighbour;
    }
    return NULL;
}

static struct machine *first_usable(struct ob_peer *peer, struct machine *const ways[static 3],
                                    const struct machine *from) {
    for (size_t i = 0; i < 3; i++)
        if (usable(peer, ways[i], from))
            return ways[i];
    return any_neighbour(peer, from);
}

/* Towards whom a question is about. NULL: we have no other neighbour. */
static struct machine *way_to(struct ob_peer *peer, struct machine *machine, const struct machine *from,
                              uint8_t attempt) {
    if (usable(peer, machine, from))
        return machine;
    if (attempt % 4 == 3)
        return any_neighbour(peer, from);
    struct machine *one = machine->via, *other = machine->via_other;
    if (attempt % 4 == 1)
        return first_usable(peer, (struct machine *[]){other, one, machine->via_question}, from);
    return first_usable(peer, (struct machine *[]){one, other, machine->via_question}, from);
}

/* To the asker: as its question came, or against its records. */
static struct machine *way_back(struct ob_peer *peer, struct machine *asker, const struct machine *from,
                                uint8_t attempt) {
    if (usable(peer, asker, from))
        return asker;
    if (attempt % 2 == 0)
        return first_usable(peer, (struct machine *[]){asker->via_question, asker->via, asker->via_other},
                            from);
    return first_usable(peer, (struct machine *[]){asker->via, asker->via_question, asker->via_other}, from);
}

/* Nothing that is signed says so: every other attempt does without it. */
static void learn_way_back(const struct ob_peer *peer, struct machine *asker, struct machine *sender) {
    if (asker == NULL || asker == peer->own ||
        (asker->via_question_ns != 0 && peer->now_ns - asker->via_question_ns < HELD_WAY_NS))
        return; /* the first copy of a question came by the shortest way, and not in a circle */
    asker->via_question = sender;
    asker->via_question_ns = peer->now_ns;
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
    uint8_t attempt = of->held_attempt++;
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
    const struct machine *to = way_back(peer, asker, NULL, ask->attempt);
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
    learn_way_back(peer, ob_machines_find(peer, &ask.asker), sender);
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
    const struct machine *to = asker == NULL ? NULL : way_back(peer, asker, sender, held.attempt);
    if (to == NULL || held.hops == 0 || held.hops > HELD_HOPS || !hands_on(peer, sender))
        return;
    held.hops--;
    send_held(peer, to, &held);
}
