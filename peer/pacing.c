#include "peer/pacing.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "peer/effects.h"
#include "peer/machines.h"
#include "peer/state.h"

#define QUIET_AT_LEAST_NS (5 * SECONDS)

static int compare_u64(const void *a, const void *b) {
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

static int compare_u32(const void *a, const void *b) {
    uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    return (left > right) - (left < right);
}

uint64_t ob_pacing_median_ns(const struct ob_peer *peer) {
    uint64_t sorted[DURATIONS];
    size_t kept = peer->pacing.durations_count < DURATIONS ? peer->pacing.durations_count : DURATIONS;
    if (kept == 0)
        return 0;
    memcpy(sorted, peer->pacing.durations, kept * sizeof sorted[0]);
    qsort(sorted, kept, sizeof sorted[0], compare_u64);
    return sorted[(kept - 1) / 2];
}

/* A round that already takes longer than the median says more than the median. */
static uint64_t quiet_after_ns(const struct ob_peer *peer) {
    uint64_t typical = ob_pacing_median_ns(peer);
    if (peer->rounds.current.running && peer->now_ns - peer->rounds.current.started_ns > typical)
        typical = peer->now_ns - peer->rounds.current.started_ns;
    return 3 * typical > QUIET_AT_LEAST_NS ? 3 * typical : QUIET_AT_LEAST_NS;
}

/* Rounds that it has finished: 0 without records. */
static uint64_t finished_rounds(const struct machine *machine) {
    return machine->chain.has_records ? (uint64_t)machine->chain.head_round + 1 : 0;
}

static bool within_staleness(const struct ob_peer *peer, const struct machine *machine, uint32_t round) {
    return finished_rounds(machine) + peer->options.max_staleness >= round;
}

/* Whoever could be in the round that we are in now may enter. */
static bool may_enter(const struct ob_peer *peer, const struct machine *machine) {
    uint32_t round = peer->rounds.current.running ? peer->rounds.current.round : peer->rounds.next;
    return (machine->chain.has_records || machine->heartbeat.heard) && within_staleness(peer, machine, round);
}

static bool is_quiet(const struct ob_peer *peer, const struct machine *machine, uint64_t after_ns) {
    return peer->now_ns - machine->pacing.last_record_ns >= after_ns;
}

static bool is_active(const struct ob_peer *peer, const struct machine *machine, uint64_t after_ns) {
    bool counts = machine->standing.certified && !machine->standing.revoked && !machine->standing.forked;
    return machine != peer->own && counts && !ob_machines_left(machine) && !machine->heartbeat.idle &&
           !is_quiet(peer, machine, after_ns);
}

static void enter(struct ob_peer *peer, struct machine *machine) {
    machine->pacing.paced = true;
    if (machine->pacing.quiet_told)
        ob_effects_tell(peer, OB_NOTICE_BACK, &machine->id, "back: waiting for its records again");
    machine->pacing.quiet_told = false;
}

static void leave(struct ob_peer *peer, struct machine *machine) {
    machine->pacing.paced = false;
    if (ob_machines_left(machine))
        return; /* LEFT was told */
    machine->pacing.quiet_told = true;
    ob_effects_tell(peer, OB_NOTICE_QUIET, &machine->id,
                    machine->heartbeat.idle ? "not training; no longer waited for"
                                            : "no new records; no longer waited for");
}

static void update_machine(struct ob_peer *peer, struct machine *machine, uint64_t after_ns) {
    bool active = is_active(peer, machine, after_ns);
    if (machine->pacing.paced && !active)
        leave(peer, machine);
    else if (!machine->pacing.paced && active && may_enter(peer, machine))
        enter(peer, machine);
}

/* Lower median of the head rounds of the machines that are active, or, with `all`, of all others. */
static bool median_head(struct ob_peer *peer, uint64_t after_ns, bool all, uint32_t *ret_round) {
    size_t count = 0;
    for (size_t i = 0; i < peer->machines.count; i++) {
        const struct machine *machine = peer->machines.order[i];
        if (machine->chain.has_records && machine != peer->own && (all || is_active(peer, machine, after_ns)))
            peer->pacing.heads[count++] = machine->chain.head_round;
    }
    if (count == 0)
        return false;
    qsort(peer->pacing.heads, count, sizeof peer->pacing.heads[0], compare_u32);
    *ret_round = peer->pacing.heads[(count - 1) / 2];
    return true;
}

static uint32_t choose_round(struct ob_peer *peer, uint64_t after_ns) {
    uint32_t median;
    if (!peer->own->chain.has_records && !peer->rounds.current.running) {
        if (median_head(peer, after_ns, false, &median) || median_head(peer, after_ns, true, &median))
            return median + 1;
        return 0;
    }
    /* While a round runs, later records of ours may come from others: of a twin, or that we had lost. */
    uint32_t next = (uint32_t)finished_rounds(peer->own);
    if (peer->rounds.current.running && peer->rounds.current.round >= next)
        next = peer->rounds.current.round + 1;
    if (median_head(peer, after_ns, false, &median) && median > next &&
        median - next > peer->options.max_staleness)
        return median;
    return next;
}

/* We jumped ahead: whoever is now beyond k rounds behind is not waited for until it has jumped as well. */
static void forget_far_ones(struct ob_peer *peer) {
    for (size_t i = 0; i < peer->machines.count; i++)
        if (peer->machines.order[i]->pacing.paced &&
            !within_staleness(peer, peer->machines.order[i], peer->rounds.next))
            peer->machines.order[i]->pacing.paced = false;
}

void ob_pacing_update(struct ob_peer *peer) {
    uint64_t after_ns = quiet_after_ns(peer);
    uint32_t before = peer->rounds.next;
    peer->rounds.next = choose_round(peer, after_ns);
    assert(!peer->own->chain.has_records || peer->rounds.next > peer->own->chain.head_round);
    if (peer->rounds.next > before)
        forget_far_ones(peer);
    for (size_t i = 0; i < peer->machines.count; i++)
        if (peer->machines.order[i] != peer->own)
            update_machine(peer, peer->machines.order[i], after_ns);
}

void ob_pacing_record(struct ob_peer *peer, struct machine *machine) {
    machine->pacing.last_record_ns = peer->now_ns;
    if (machine == peer->own)
        return;
    if (machine->chain.next > machine->heartbeat.next)
        machine->heartbeat.idle = false; /* it has started a round since it said otherwise */
    ob_pacing_heard(peer, machine);
}

void ob_pacing_heard(struct ob_peer *peer, struct machine *machine) {
    update_machine(peer, machine, quiet_after_ns(peer));
}

void ob_pacing_round_took(struct ob_peer *peer, uint64_t ns) {
    peer->pacing.durations[peer->pacing.durations_count++ % DURATIONS] = ns;
}

bool ob_pacing_may_start(struct ob_peer *peer) {
    const struct machine *last = peer->pacing.blocker; /* whom we waited for last: mostly we still do */
    if (last != NULL && last->pacing.paced && !within_staleness(peer, last, peer->rounds.next))
        return false;
    for (size_t i = 0; i < peer->machines.count; i++)
        if (peer->machines.order[i]->pacing.paced &&
            !within_staleness(peer, peer->machines.order[i], peer->rounds.next)) {
            peer->pacing.blocker = peer->machines.order[i];
            return false;
        }
    return true;
}

uint16_t ob_pacing_live(const struct ob_peer *peer) {
    size_t live = 1;
    for (size_t i = 0; i < peer->machines.count; i++)
        live += peer->machines.order[i]->pacing.paced;
    return live < peer->options.bounds.max_machines ? (uint16_t)live : peer->options.bounds.max_machines;
}
