/* repair - asks for the records that are missing of each chain, one ask at a time for each, and serves
 * others.
 *
 * Whoever says that a chain goes further becomes its claimant and is asked first; an ask that brings nothing
 * in ASK_TIMEOUT_NS goes to another machine with a link. After ASK_TRIES without progress the claim is
 * dropped and rests, so that a false claim costs little and blocks nothing for good. Who answers with badly
 * signed records is in doubt (doubt.c): not asked, and not believed. */
#include <assert.h>

#include "peer/state.h"

static bool missing(const struct machine *machine) {
    return machine->target > machine->next;
}

static bool reachable(const struct ob_peer *peer, const struct machine *machine) {
    return machine->linked && machine != peer->own && machine->spoke_ns != 0 &&
           peer->now_ns - machine->spoke_ns < REACHABLE_NS;
}

static bool may_ask(const struct ob_peer *peer, const struct machine *of, const struct machine *machine) {
    return reachable(peer, of) && !ob_doubted(peer, of, &machine->id);
}

void ob_repair_close(struct ob_peer *peer, struct machine *machine) {
    if (machine->asked == NULL)
        return;
    assert(machine->asked->asks_open > 0 && peer->asks_open > 0);
    machine->asked->asks_open--;
    peer->asks_open--;
    machine->asked = NULL;
}

/* A machine is back: what it could not deliver is believed again. */
void ob_repair_link(struct ob_peer *peer, struct machine *machine) {
    for (size_t i = 0; i < peer->count; i++) {
        struct machine *other = peer->order[i];
        if (other->refuted == machine)
            other->refuted = NULL;
        if (other->claimant == machine || other == machine)
            other->failures = 0;
    }
}

static bool send_ask(struct ob_peer *peer, const struct machine *machine, uint64_t first, uint16_t count,
                     const struct machine *of) {
    uint8_t *data = ob_effects_scratch(peer, OB_SMALL_MESSAGE_BYTES_MAX);
    if (data == NULL)
        return false;
    struct ob_records_ask ask = {
        .run = peer->options.run, .machine = machine->id, .first = {first}, .count = count};
    ob_effects_send(peer, of, data, ob_records_ask_encode(&ask, data));
    peer->counters.fetches++;
    return true;
}

static void ask(struct ob_peer *peer, struct machine *machine, struct machine *of) {
    assert(machine->asked == NULL && of != peer->own);
    if (peer->busy || peer->asks_open >= ASKS_MAX || of->asks_open >= ASKS_PER_PEER_MAX)
        return; /* the next tick tries again */
    if (!send_ask(peer, machine, machine->next, 0, of))
        return;
    machine->asked = machine->asked_last = of;
    machine->asked_ns = peer->now_ns;
    of->asks_open++;
    peer->asks_open++;
    if (!peer->gap_told && (peer->gap_told_ns == 0 || peer->now_ns - peer->gap_told_ns >= TELL_EVERY_NS)) {
        peer->gap_told = true;
        peer->gap_told_ns = peer->now_ns;
        ob_effects_tell(peer, OB_NOTICE_GAP, &machine->id, "fetching missing records from sample %llu on",
                        (unsigned long long)machine->next);
    }
}

void ob_repair_want(struct ob_peer *peer, struct machine *machine, uint64_t target,
                    struct machine *claimant) {
    assert(target <= OB_SAMPLE_END);
    if (target > machine->cut)
        target = machine->cut;
    if (machine->complete || !ob_admission_certified(peer, machine))
        return;
    bool rests = (peer->now_ns < machine->rest_until_ns && claimant == machine->refuted) ||
                 ob_doubted(peer, claimant, &machine->id);
    if (target <= machine->next || rests || claimant == peer->own)
        return;
    if (target > machine->target || machine->claimant == NULL || !may_ask(peer, machine->claimant, machine))
        machine->claimant = claimant;
    if (target > machine->target)
        machine->target = target;
    if (machine->asked == NULL)
        ask(peer, machine, claimant); /* if it has room for it; the next tick spreads what is left */
}

void ob_repair_ask_fork(struct ob_peer *peer, struct machine *machine, uint64_t first, struct machine *of) {
    if (machine->fork_asked_ns != 0 && peer->now_ns - machine->fork_asked_ns < FORK_ASK_EVERY_NS)
        return;
    machine->fork_asked_ns = peer->now_ns;
    (void)send_ask(peer, machine, first, 1, of);
}

void ob_repair_ask_one(struct ob_peer *peer, const struct machine *machine, uint64_t sample,
                       const struct machine *of) {
    (void)send_ask(peer, machine, sample, 1, of);
}

static struct machine *another(struct ob_peer *peer, const struct machine *machine,
                               const struct machine *not_this) {
    for (size_t step = 0; step < peer->count; step++) {
        struct machine *other = peer->order[(peer->other_cursor + step) % peer->count];
        if (other == not_this || !may_ask(peer, other, machine))
            continue;
        peer->other_cursor = (peer->other_cursor + step + 1) % peer->count;
        return other;
    }
    return NULL;
}

/* Whoever has the fewest asks open, from the cursor on. */
static struct machine *least_busy(struct ob_peer *peer, const struct machine *machine) {
    struct machine *best = NULL;
    for (size_t step = 0; step < peer->count; step++) {
        struct machine *other = peer->order[(peer->other_cursor + step) % peer->count];
        if (other->answered && (best == NULL || other->asks_open < best->asks_open) &&
            may_ask(peer, other, machine))
            best = other;
    }
    if (peer->count > 0)
        peer->other_cursor = (peer->other_cursor + 1) % peer->count;
    return best;
}

/* First the claimant, or, when it has much to do already, whoever has least: who holds less says so at once.
 * Then the claimant, the machine itself and the others in turn, of those that were heard lately. NULL: nobody
 * is there whom we do not doubt. */
static struct machine *whom_to_ask(struct ob_peer *peer, struct machine *machine) {
    struct machine *claimant = machine->claimant;
    if (claimant != NULL && ob_doubted(peer, claimant, &machine->id))
        claimant = NULL;
    if (machine->failures == 0 && (claimant == NULL || claimant->asks_open >= SPREAD_FROM)) {
        struct machine *other = least_busy(peer, machine);
        if (other != NULL)
            return other;
    }
    if (machine->failures == 1 && claimant != NULL && claimant != machine->asked_last &&
        reachable(peer, claimant))
        return claimant;
    if (machine->failures % 3 == 0 && claimant != NULL && reachable(peer, claimant))
        return claimant;
    if (machine->failures % 3 == 1 && may_ask(peer, machine, machine))
        return machine;
    struct machine *other = another(peer, machine, claimant);
    return other != NULL ? other : claimant;
}

static void give_up(struct ob_peer *peer, struct machine *machine) {
    machine->target = machine->next;
    if (machine->rejoin_target > machine->next)
        machine->rejoin_target = machine->next;
    machine->failures = 0;
    machine->rest_until_ns = peer->now_ns + CLAIM_REST_NS;
    machine->refuted = machine->claimant;
    if (machine->claimant == NULL)
        return;
    if (machine == peer->own)
        machine->claimant->own_claim_refused = true;
    ob_effects_refuse(peer, machine->claimant, "it claims records that nobody delivers");
}

static void ask_again(struct ob_peer *peer, struct machine *machine) {
    assert(machine->asked == NULL);
    bool doubted = machine->claimant != NULL && ob_doubted(peer, machine->claimant, &machine->id);
    if (machine->failures >= (doubted ? ASK_TRIES_DOUBTED : ASK_TRIES)) {
        give_up(peer, machine);
        return;
    }
    struct machine *of = whom_to_ask(peer, machine);
    if (of != NULL)
        ask(peer, machine, of);
    else if (doubted)
        give_up(peer, machine); /* those who are not in doubt say so when they hold more */
}

static void ask_failed(struct ob_peer *peer, struct machine *machine) {
    ob_repair_close(peer, machine);
    machine->failures++;
    if (missing(machine))
        ask_again(peer, machine);
}

void ob_repair_none(struct ob_peer *peer, struct machine *machine, const struct machine *sender,
                    uint64_t next) {
    if (machine->asked == sender && next <= machine->next && missing(machine))
        ask_failed(peer, machine);
}

void ob_repair_drop_link(struct ob_peer *peer, struct machine *machine) {
    for (size_t i = 0; machine->asks_open > 0 && i < peer->count; i++)
        if (peer->order[i]->asked == machine)
            ob_repair_close(peer, peer->order[i]);
    assert(machine->asks_open == 0);
}

void ob_repair_tick(struct ob_peer *peer) {
    bool any_missing = false;
    size_t start = peer->count == 0 ? 0 : peer->repair_cursor % peer->count;
    for (size_t step = 0; step < peer->count; step++) {
        struct machine *machine = peer->order[(start + step) % peer->count];
        if (machine->asked != NULL && peer->now_ns - machine->asked_ns >= ASK_TIMEOUT_NS)
            ask_failed(peer, machine);
        else if (missing(machine) && machine->asked == NULL && !peer->busy && peer->asks_open < ASKS_MAX)
            ask_again(peer, machine);
        any_missing = any_missing || missing(machine);
    }
    peer->repair_cursor = start + ASKS_MAX;
    for (size_t i = peer->count; i > 0; i--) {
        struct machine *machine = peer->order[i - 1];
        if (!missing(machine) && machine->asked == NULL && ob_machines_only_claimed(peer, machine))
            ob_machines_give_back(peer, machine);
    }
    if (peer->gap_told && !any_missing) {
        peer->gap_told = false;
        ob_effects_tell(peer, OB_NOTICE_CAUGHT_UP, &peer->options.machine, "nothing is missing any more");
    }
}

/* Who has delivered goes on, unless it has much to do and another one has little. */
static struct machine *next_to_ask(struct ob_peer *peer, struct machine *sender,
                                   const struct machine *machine) {
    if (sender->asks_open + 1 < SPREAD_FROM)
        return sender;
    struct machine *other = least_busy(peer, machine);
    return other != NULL && other->asks_open + 1 < sender->asks_open ? other : sender;
}

/* One answer was taken in: close its ask and, when more is missing, ask on at once. */
static void answered(struct ob_peer *peer, struct machine *sender, struct machine *machine, bool progress) {
    if (machine->asked != sender)
        return;
    if ((!progress || ob_doubted(peer, sender, &machine->id)) && missing(machine)) {
        ask_failed(peer, machine);
        return;
    }
    ob_repair_close(peer, machine);
    if (missing(machine))
        ask(peer, machine, next_to_ask(peer, sender, machine));
}

/* What a message of fetched records says about its sender. */
static void judge(struct ob_peer *peer, struct machine *sender, const struct ob_machine_id *of, bool bad,
                  bool progress) {
    if (bad)
        ob_doubt_bad(peer, sender, of);
    else if (progress)
        ob_doubt_good(sender, of);
}

/* The records of one message are those of one machine (what SERVE sends); of another one they are taken as
 * well, but close no ask. */
void ob_repair_records(struct ob_peer *peer, struct machine *sender, struct ob_reader body) {
    struct ob_run_id run;
    struct ob_list list;
    if (!ob_list_decode(body, false, &run, &list)) {
        ob_effects_refuse(peer, sender, "a malformed message of records");
        return;
    }
    if (!ob_hash_equal(&run.hash, &peer->options.run.hash)) {
        ob_effects_refuse(peer, sender, "records of another run");
        return;
    }
    struct ob_machine_id first = {{0}};
    bool any = false, progress = false, bad = false;
    while (peer->life != OB_PEER_HALTED && ob_effects_room(peer)) {
        size_t bytes;
        const uint8_t *record = ob_list_next(&list, &bytes);
        if (record == NULL)
            break;
        if (ob_fork_answer(peer, sender, record, bytes))
            continue;
        if (!any && bytes >= OB_KEY_BYTES)
            memcpy(first.key, record, OB_KEY_BYTES);
        any = true;
        enum chain_verdict verdict = ob_chain_receive(peer, sender, record, bytes);
        bad = bad || verdict == CHAIN_BAD;
        if (verdict != CHAIN_TAKEN)
            continue;
        progress = true;
        ob_relay_taken(peer, record, bytes);
    }
    if (any && sender != peer->own)
        judge(peer, sender, &first, bad, progress);
    struct machine *machine = any ? ob_machines_find(peer, &first) : NULL;
    if (machine != NULL && peer->life != OB_PEER_HALTED)
        answered(peer, sender, machine, progress);
}

void ob_repair_serve(struct ob_peer *peer, struct machine *sender, struct ob_reader body) {
    struct ob_records_ask ask;
    if (!ob_records_ask_decode(body, &ask)) {
        ob_effects_refuse(peer, sender, "a malformed question for records");
        return;
    }
    if (!ob_hash_equal(&ask.run.hash, &peer->options.run.hash)) {
        ob_effects_refuse(peer, sender, "a question for records of another run");
        return;
    }
    const struct machine *machine = ob_machines_find(peer, &ask.machine);
    if (machine == peer->own)
        ob_isolation_acknowledge(peer, sender, ask.first.index);
    if (machine == NULL || ask.first.index >= machine->next) {
        ob_holds_send(peer, sender, &ask.machine); /* it will ask somebody else */
        return;
    }
    struct ob_effect *serve = ob_effects_add(peer, OB_EFFECT_SERVE);
    serve->machine = sender->id;
    serve->subject = ask.machine;
    serve->first = ask.first;
    serve->n = ask.count;
    serve->bytes = OB_MESSAGE_MAX;
}
