/* isolation - do others still hear us? Two halves that both train far while they are cut off from each other
 * add up badly; so a machine that is alone with a minority pauses after a while.
 *
 * Last live are we and the machines that we wait for (pacing), and those that we waited for until they fell
 * silent: these count on until half of all, they included, hold a record that we signed afterwards. Goodbyes,
 * cuts and lost certificates leave the count at once. A machine acknowledges what it says it holds of our
 * chain: a neighbour in frontiers and answers to HOLDS_ASK, any other in signed answers that are handed on
 * (holds.c), asked for when it acknowledges less than what a quarter of isolation_rounds ago was all. The
 * acknowledged position is the largest
 * one that at least half of the last live hold; rounds after it (of this start) are unacknowledged, and when
 * there are isolation_rounds of them no further one starts until that changes. Source: docs/design.md,
 * "Isolation". */
#include <assert.h>
#include <stdlib.h>

#include "peer/state.h"

static bool belongs(const struct machine *machine) {
    return machine->certified && !machine->revoked && !machine->forked && !ob_machines_left(machine);
}

/* Who was with us when we stopped is last live now. */
void ob_isolation_start(struct ob_peer *peer) {
    peer->isolation_from = peer->own->next;
    for (size_t i = 0; i < peer->count; i++) {
        struct machine *machine = peer->order[i];
        machine->last_live = machine->was_live;
        machine->lost_at = machine->last_live ? peer->own->next : UINT64_MAX;
    }
}

void ob_isolation_acknowledge(struct ob_peer *peer, struct machine *machine, uint64_t next) {
    if (next > peer->own->next)
        next = peer->own->next; /* what it claims beyond is reconcile's and repair's affair */
    if (next <= machine->acknowledged)
        return;
    machine->acknowledged = next;
    machine->held_silences = 0;
}

static int descending(const void *a, const void *b) {
    uint64_t one = *(const uint64_t *)a, other = *(const uint64_t *)b;
    return (one < other) - (one > other);
}

static uint32_t own_rounds_after(const struct ob_peer *peer, uint64_t sample) {
    size_t kept = peer->own_count < OWN_HISTORY ? peer->own_count : OWN_HISTORY;
    uint32_t rounds = 0;
    for (size_t back = 1; back <= kept; back++) {
        if (peer->own_history[(peer->own_count - back) % OWN_HISTORY].end <= sample)
            break;
        rounds++;
    }
    return rounds;
}

static void count(struct ob_peer *peer) {
    size_t others = 0;
    struct isolation *now = &peer->isolation;
    now->acknowledge = 1;
    for (size_t i = 0; i < peer->count; i++) {
        struct machine *machine = peer->order[i];
        if (machine->paced) {
            machine->last_live = true;
            machine->lost_at = UINT64_MAX;
        } else if (machine->last_live && machine->lost_at == UINT64_MAX) {
            machine->lost_at = peer->own->next;
        }
        if (!machine->last_live)
            continue;
        if (!belongs(machine)) {
            machine->last_live = false;
            continue;
        }
        now->acknowledge += machine->acknowledged == peer->own->next;
        peer->positions[others++] = machine->acknowledged;
    }
    qsort(peer->positions, others, sizeof peer->positions[0], descending);
    now->last_live = others + 1;
    size_t half = (now->last_live + 1) / 2; /* machines, we among them */
    now->position = half <= 1 ? peer->own->next : peer->positions[half - 2];
    uint64_t from = now->position > peer->isolation_from ? now->position : peer->isolation_from;
    now->unacknowledged = own_rounds_after(peer, from);
}

/* True: somebody was forgotten, and the count is another one. */
static bool forget_lost(struct ob_peer *peer) {
    bool any = false;
    for (size_t i = 0; i < peer->count; i++) {
        struct machine *machine = peer->order[i];
        bool lost = machine->last_live && machine->lost_at < peer->isolation.position;
        machine->last_live = machine->last_live && !lost;
        any |= lost;
    }
    return any;
}

static void ask_neighbours(struct ob_peer *peer) {
    unsigned asked = 0;
    for (size_t step = 0; step < peer->count && asked < HOLDS_ASKS_A_TICK; step++) {
        struct machine *machine = peer->order[(peer->holds_cursor + step) % peer->count];
        if (!machine->last_live || !machine->linked || machine->acknowledged == peer->own->next ||
            peer->now_ns - machine->holds_asked_ns < HOLDS_EVERY_NS)
            continue;
        ob_holds_ask(peer, machine);
        if (++asked == HOLDS_ASKS_A_TICK)
            peer->holds_cursor = (peer->holds_cursor + step + 1) % peer->count;
    }
}

/* The end of our chain a quarter of isolation_rounds ago: what is acknowledged up to there is good for now.
 */
static uint64_t good_enough(const struct ob_peer *peer) {
    size_t back = peer->options.isolation_rounds / 4 + 1;
    if (back > peer->own_count || back > OWN_HISTORY)
        return peer->isolation_from;
    return peer->own_history[(peer->own_count - back) % OWN_HISTORY].end;
}

static void ask_far_ones(struct ob_peer *peer) {
    uint64_t enough = peer->life == OB_PEER_ISOLATED ? peer->own->next : good_enough(peer);
    unsigned asked = 0;
    for (size_t step = 0; step < peer->count && asked < HELD_ASKS_A_TICK; step++) {
        struct machine *machine = peer->order[(peer->held_cursor + step) % peer->count];
        if (!machine->last_live || machine->linked || machine->acknowledged >= enough ||
            (machine->held_asked_ns != 0 &&
             peer->now_ns - machine->held_asked_ns < HELD_EVERY_NS << machine->held_silences))
            continue;
        ob_held_ask(peer, machine);
        if (++asked == HELD_ASKS_A_TICK)
            peer->held_cursor = (peer->held_cursor + step + 1) % peer->count;
    }
}

bool ob_isolation_holds(const struct ob_peer *peer) {
    uint32_t most = peer->options.isolation_rounds;
    return most > 0 && peer->isolation.unacknowledged >= most;
}

static void move(struct ob_peer *peer) {
    bool isolated = ob_isolation_holds(peer);
    if (isolated && peer->life == OB_PEER_WAITING) {
        ob_life_move(peer, OB_PEER_ISOLATED);
        ob_effects_tell(
            peer, OB_NOTICE_ISOLATED, &peer->own->id,
            "our last %u rounds are held by fewer than half of the %zu machines last live: paused until "
            "they hear us (solo = yes overrides)",
            peer->isolation.unacknowledged, peer->isolation.last_live);
    } else if (!isolated && peer->life == OB_PEER_ISOLATED) {
        ob_life_move(peer, OB_PEER_WAITING);
        ob_effects_tell(peer, OB_NOTICE_BACK, &peer->own->id,
                        "half of the machines last live hold our records again");
    }
}

/* Counts again, when something may have changed. */
void ob_isolation_update(struct ob_peer *peer) {
    if (peer->life == OB_PEER_RECOVERING || peer->life == OB_PEER_RECONCILING)
        return;
    count(peer);
    if (forget_lost(peer))
        count(peer);
    move(peer);
}

void ob_isolation_tick(struct ob_peer *peer) {
    ob_isolation_update(peer);
    if (peer->life == OB_PEER_RECOVERING || peer->options.isolation_rounds == 0 || peer->options.observer)
        return;
    ask_neighbours(peer);
    ask_far_ones(peer);
}
