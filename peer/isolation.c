#include "peer/isolation.h"

#include <stdlib.h>

#include "peer/effects.h"
#include "peer/history.h"
#include "peer/machines.h"
#include "peer/state.h"

static bool belongs(const struct machine *machine) {
    return machine->standing.certified && !machine->standing.revoked && !machine->standing.forked &&
           !ob_machines_left(machine);
}

/* Who was with us when we stopped is last live now. */
void ob_isolation_start(struct ob_peer *peer) {
    peer->isolation.from = peer->own->chain.next;
    for (size_t i = 0; i < peer->machines.count; i++) {
        struct machine *machine = peer->machines.order[i];
        machine->isolation.last_live = machine->rejoin.was_live;
        machine->isolation.lost_at = machine->isolation.last_live ? peer->own->chain.next : UINT64_MAX;
    }
}

void ob_isolation_acknowledge(struct ob_peer *peer, struct machine *machine, uint64_t next) {
    if (next > peer->own->chain.next)
        next = peer->own->chain.next; /* what it claims beyond is reconcile's and repair's affair */
    if (next <= machine->isolation.acknowledged)
        return;
    machine->isolation.acknowledged = next;
    machine->isolation.silences = 0;
}

static int descending(const void *a, const void *b) {
    uint64_t one = *(const uint64_t *)a, other = *(const uint64_t *)b;
    return (one < other) - (one > other);
}

static uint32_t own_rounds_after(const struct ob_peer *peer, uint64_t sample) {
    size_t kept = ob_history_kept(peer);
    uint32_t rounds = 0;
    while (rounds < kept && ob_history_back(peer, rounds + 1)->end > sample)
        rounds++;
    return rounds;
}

static void count(struct ob_peer *peer) {
    size_t others = 0;
    struct isolation *now = &peer->isolation;
    now->acknowledge = 1;
    for (size_t i = 0; i < peer->machines.count; i++) {
        struct machine *machine = peer->machines.order[i];
        struct machine_isolation *theirs = &machine->isolation;
        if (machine->pacing.paced) {
            theirs->last_live = true;
            theirs->lost_at = UINT64_MAX;
        } else if (theirs->last_live && theirs->lost_at == UINT64_MAX) {
            theirs->lost_at = peer->own->chain.next;
        }
        if (!theirs->last_live)
            continue;
        if (!belongs(machine)) {
            theirs->last_live = false;
            continue;
        }
        now->acknowledge += theirs->acknowledged == peer->own->chain.next;
        peer->isolation.positions[others++] = theirs->acknowledged;
    }
    qsort(peer->isolation.positions, others, sizeof peer->isolation.positions[0], descending);
    now->last_live = others + 1;
    size_t half = (now->last_live + 1) / 2; /* machines, we among them */
    now->position = half <= 1 ? peer->own->chain.next : peer->isolation.positions[half - 2];
    uint64_t from = now->position > peer->isolation.from ? now->position : peer->isolation.from;
    now->unacknowledged = own_rounds_after(peer, from);
}

/* True: somebody was forgotten, and the count is another one. */
static bool forget_lost(struct ob_peer *peer) {
    bool any = false;
    for (size_t i = 0; i < peer->machines.count; i++) {
        struct machine *machine = peer->machines.order[i];
        bool lost = machine->isolation.last_live && machine->isolation.lost_at < peer->isolation.position;
        machine->isolation.last_live = machine->isolation.last_live && !lost;
        any |= lost;
    }
    return any;
}

bool ob_isolation_holds(const struct ob_peer *peer) {
    uint32_t most = peer->options.isolation_rounds;
    return most > 0 && peer->isolation.unacknowledged >= most;
}

static void move(struct ob_peer *peer) {
    bool isolated = ob_isolation_holds(peer);
    if (isolated && peer->life == OB_PEER_WAITING) {
        ob_life_move(peer, OB_PEER_ISOLATED);
        ob_effects_tell(peer, OB_NOTICE_ISOLATED, &peer->own->id,
                        "fewer than half of the %zu machines last live hold our last %u rounds: paused until "
                        "they do (solo = yes overrides)",
                        peer->isolation.last_live, peer->isolation.unacknowledged);
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
