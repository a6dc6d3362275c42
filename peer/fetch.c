#include "peer/fetch.h"

#include <assert.h>

#include "peer/admission.h"
#include "peer/asks.h"
#include "peer/effects.h"
#include "peer/machines.h"
#include "peer/state.h"

#define ASK_TRIES         6             /* asks without progress before a claim is dropped … */
#define ASK_TRIES_DOUBTED 2             /* when its claimant sent badly signed records … */
#define CLAIM_REST_NS     (5 * SECONDS) /* … and not believed again for this long */
#define SPREAD_FROM       4             /* asks open at a claimant from which on others are asked as well */
#define REACHABLE_NS      (5 * SECONDS) /* since its last message */

/* ---- on the wire ---- */

size_t ob_records_ask_encode(const struct ob_records_ask *ask, uint8_t *ret_data) {
    struct ob_writer writer =
        ob_message_start(OB_MESSAGE_RECORDS_ASK, &ask->run, ret_data, OB_SMALL_MESSAGE_BYTES_MAX);
    ob_write_bytes(&writer, ask->machine.key, OB_KEY_BYTES);
    ob_write_u64(&writer, ask->first.index);
    ob_write_u16(&writer, ask->count);
    return writer.used;
}

bool ob_records_ask_decode(struct ob_reader reader, struct ob_records_ask *ret_ask) {
    struct ob_records_ask ask;
    ob_read_bytes(&reader, ask.run.hash.bytes, OB_HASH_BYTES);
    ob_read_bytes(&reader, ask.machine.key, OB_KEY_BYTES);
    ask.first.index = ob_read_u64(&reader);
    ask.count = ob_read_u16(&reader);
    if (!ob_message_read(&reader) || ask.first.index > OB_SAMPLE_END)
        return false;
    *ret_ask = ask;
    return true;
}

/* ---- asking ---- */

static bool missing(const struct machine *machine) {
    return machine->fetch.target > machine->chain.next;
}

static bool reachable(const struct ob_peer *peer, const struct machine *machine) {
    return machine->contact.linked && machine != peer->own && machine->contact.spoke_ns != 0 &&
           peer->now_ns - machine->contact.spoke_ns < REACHABLE_NS;
}

static bool doubted(const struct ob_peer *peer, const struct machine *source,
                    const struct ob_machine_id *of) {
    return ob_doubted(&source->doubts, of, peer->now_ns);
}

static bool may_ask(const struct ob_peer *peer, const struct machine *of, const struct machine *machine) {
    return reachable(peer, of) && !doubted(peer, of, &machine->id);
}

/* A machine is back: what it could not deliver is believed again. */
void ob_fetch_link(struct ob_peer *peer, struct machine *machine) {
    for (size_t i = 0; i < peer->machines.count; i++) {
        struct machine *other = peer->machines.order[i];
        if (other->fetch.refuted == machine)
            other->fetch.refuted = NULL;
        if (other->fetch.claimant == machine || other == machine)
            other->fetch.failures = 0;
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
    assert(machine->fetch.asked == NULL && of != peer->own);
    if (peer->fetch.busy || !ob_asks_room(peer, of))
        return; /* the next tick tries again */
    if (!send_ask(peer, machine, machine->chain.next, 0, of))
        return;
    ob_asks_open(peer, machine, of);
    if (!peer->fetch.gap_told &&
        (peer->fetch.gap_told_ns == 0 || peer->now_ns - peer->fetch.gap_told_ns >= TELL_EVERY_NS)) {
        peer->fetch.gap_told = true;
        peer->fetch.gap_told_ns = peer->now_ns;
        ob_effects_tell(peer, OB_NOTICE_GAP, &machine->id, "fetching missing records from sample %llu",
                        (unsigned long long)machine->chain.next);
    }
}

void ob_fetch_want(struct ob_peer *peer, struct machine *machine, uint64_t target, struct machine *claimant) {
    struct machine_fetch *fetch = &machine->fetch;
    assert(target <= OB_SAMPLE_END);
    if (target > machine->standing.cut)
        target = machine->standing.cut;
    if (fetch->complete || !ob_admission_certified(peer, machine))
        return;
    bool rests = (peer->now_ns < fetch->rest_until_ns && claimant == fetch->refuted) ||
                 doubted(peer, claimant, &machine->id);
    if (target <= machine->chain.next || rests || claimant == peer->own)
        return;
    if (target > fetch->target || fetch->claimant == NULL || !may_ask(peer, fetch->claimant, machine))
        fetch->claimant = claimant;
    if (target > fetch->target)
        fetch->target = target;
    if (fetch->asked == NULL)
        ask(peer, machine, claimant); /* if it has room for it; the next tick spreads what is left */
}

void ob_fetch_ask_fork(struct ob_peer *peer, struct machine *machine, uint64_t first, struct machine *of) {
    if (machine->fork.asked_ns != 0 && peer->now_ns - machine->fork.asked_ns < FORK_ASK_EVERY_NS)
        return;
    machine->fork.asked_ns = peer->now_ns;
    (void)send_ask(peer, machine, first, 1, of);
}

void ob_fetch_ask_one(struct ob_peer *peer, const struct machine *machine, uint64_t sample,
                      const struct machine *of) {
    (void)send_ask(peer, machine, sample, 1, of);
}

static struct machine *another(struct ob_peer *peer, const struct machine *machine,
                               const struct machine *not_this) {
    for (size_t step = 0; step < peer->machines.count; step++) {
        struct machine *other =
            peer->machines.order[(peer->fetch.other_cursor + step) % peer->machines.count];
        if (other == not_this || !may_ask(peer, other, machine))
            continue;
        peer->fetch.other_cursor = (peer->fetch.other_cursor + step + 1) % peer->machines.count;
        return other;
    }
    return NULL;
}

/* Whoever has the fewest asks open, from the cursor on. */
static struct machine *least_busy(struct ob_peer *peer, const struct machine *machine) {
    struct machine *best = NULL;
    for (size_t step = 0; step < peer->machines.count; step++) {
        struct machine *other =
            peer->machines.order[(peer->fetch.other_cursor + step) % peer->machines.count];
        if (other->rejoin.answered && (best == NULL || other->fetch.open < best->fetch.open) &&
            may_ask(peer, other, machine))
            best = other;
    }
    if (peer->machines.count > 0)
        peer->fetch.other_cursor = (peer->fetch.other_cursor + 1) % peer->machines.count;
    return best;
}

/* First the claimant, or, when it has much to do already, whoever has least: who holds less says so at once.
 * Then the claimant, the machine itself and the others in turn, of those that were heard lately. NULL: nobody
 * is there whom we do not doubt. */
static struct machine *whom_to_ask(struct ob_peer *peer, struct machine *machine) {
    struct machine_fetch *fetch = &machine->fetch;
    struct machine *claimant = fetch->claimant;
    if (claimant != NULL && doubted(peer, claimant, &machine->id))
        claimant = NULL;
    if (fetch->failures == 0 && (claimant == NULL || claimant->fetch.open >= SPREAD_FROM)) {
        struct machine *other = least_busy(peer, machine);
        if (other != NULL)
            return other;
    }
    if (fetch->failures == 1 && claimant != NULL && claimant != fetch->asked_last &&
        reachable(peer, claimant))
        return claimant;
    if (fetch->failures % 3 == 0 && claimant != NULL && reachable(peer, claimant))
        return claimant;
    if (fetch->failures % 3 == 1 && may_ask(peer, machine, machine))
        return machine;
    struct machine *other = another(peer, machine, claimant);
    return other != NULL ? other : claimant;
}

static void give_up(struct ob_peer *peer, struct machine *machine) {
    struct machine_fetch *fetch = &machine->fetch;
    fetch->target = machine->chain.next;
    if (machine->rejoin.target > machine->chain.next)
        machine->rejoin.target = machine->chain.next;
    fetch->failures = 0;
    fetch->rest_until_ns = peer->now_ns + CLAIM_REST_NS;
    fetch->refuted = fetch->claimant;
    if (fetch->claimant == NULL)
        return;
    if (machine == peer->own)
        fetch->claimant->rejoin.own_claim_refused = true;
    ob_effects_refuse(peer, fetch->claimant, "claims records that no peer delivers");
}

static void ask_again(struct ob_peer *peer, struct machine *machine) {
    assert(machine->fetch.asked == NULL);
    bool in_doubt = machine->fetch.claimant != NULL && doubted(peer, machine->fetch.claimant, &machine->id);
    if (machine->fetch.failures >= (in_doubt ? ASK_TRIES_DOUBTED : ASK_TRIES)) {
        give_up(peer, machine);
        return;
    }
    struct machine *of = whom_to_ask(peer, machine);
    if (of != NULL)
        ask(peer, machine, of);
    else if (in_doubt)
        give_up(peer, machine); /* those who are not in doubt say so when they hold more */
}

static void ask_failed(struct ob_peer *peer, struct machine *machine) {
    ob_asks_close(peer, machine);
    machine->fetch.failures++;
    if (missing(machine))
        ask_again(peer, machine);
}

void ob_fetch_none(struct ob_peer *peer, struct machine *machine, const struct machine *sender,
                   uint64_t next) {
    if (machine->fetch.asked == sender && next <= machine->chain.next && missing(machine))
        ask_failed(peer, machine);
}

void ob_fetch_drop_link(struct ob_peer *peer, struct machine *machine) {
    for (size_t i = 0; machine->fetch.open > 0 && i < peer->machines.count; i++)
        if (peer->machines.order[i]->fetch.asked == machine)
            ob_asks_close(peer, peer->machines.order[i]);
    assert(machine->fetch.open == 0);
}

void ob_fetch_tick(struct ob_peer *peer) {
    bool any_missing = false;
    size_t start = peer->machines.count == 0 ? 0 : peer->fetch.cursor % peer->machines.count;
    for (size_t step = 0; step < peer->machines.count; step++) {
        struct machine *machine = peer->machines.order[(start + step) % peer->machines.count];
        if (machine->fetch.asked != NULL && peer->now_ns - machine->fetch.asked_ns >= ASK_TIMEOUT_NS)
            ask_failed(peer, machine);
        else if (missing(machine) && machine->fetch.asked == NULL && !peer->fetch.busy &&
                 peer->fetch.open < ASKS_MAX)
            ask_again(peer, machine);
        any_missing = any_missing || missing(machine);
    }
    peer->fetch.cursor = start + ASKS_MAX;
    for (size_t i = peer->machines.count; i > 0; i--) {
        struct machine *machine = peer->machines.order[i - 1];
        if (!missing(machine) && machine->fetch.asked == NULL && ob_machines_only_claimed(peer, machine))
            ob_machines_give_back(peer, machine);
    }
    if (peer->fetch.gap_told && !any_missing) {
        peer->fetch.gap_told = false;
        ob_effects_tell(peer, OB_NOTICE_CAUGHT_UP, &peer->options.machine, "no records are missing");
    }
}

/* Who has delivered goes on, unless it has much to do and another one has little. */
static struct machine *next_to_ask(struct ob_peer *peer, struct machine *sender,
                                   const struct machine *machine) {
    if (sender->fetch.open + 1 < SPREAD_FROM)
        return sender;
    struct machine *other = least_busy(peer, machine);
    return other != NULL && other->fetch.open + 1 < sender->fetch.open ? other : sender;
}

/* One answer was taken in: close its ask and, when more is missing, ask on at once. */
void ob_fetch_answered(struct ob_peer *peer, struct machine *sender, struct machine *machine, bool progress) {
    if (machine->fetch.asked != sender)
        return;
    if ((!progress || doubted(peer, sender, &machine->id)) && missing(machine)) {
        ask_failed(peer, machine);
        return;
    }
    ob_asks_close(peer, machine);
    if (missing(machine))
        ask(peer, machine, next_to_ask(peer, sender, machine));
}
