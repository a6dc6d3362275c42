#include "peer/pacing.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "peer/effects.h"
#include "peer/machines.h"
#include "peer/patience.h"
#include "peer/reached.h"
#include "peer/state.h"

#define QUIET_AT_LEAST_NS  (5 * SECONDS)
#define FORGET_AT_LEAST_NS (30 * SECONDS) /* what we waited and worked, of late */

static int compare_u64(const void *a, const void *b) {
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

/* The lower median of our last rounds. */
static uint64_t median_of(const struct pacing *pacing) {
    uint64_t sorted[DURATIONS];
    size_t kept = pacing->durations_count < DURATIONS ? pacing->durations_count : DURATIONS;
    assert(kept > 0);
    memcpy(sorted, pacing->durations, kept * sizeof sorted[0]);
    qsort(sorted, kept, sizeof sorted[0], compare_u64);
    return sorted[(kept - 1) / 2];
}

uint64_t ob_pacing_median_ns(const struct ob_peer *peer) {
    return peer->pacing.median_ns;
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
    return (machine->chain.has_records || machine->heartbeat.heard) &&
           within_staleness(peer, machine, round) && !ob_patience_rests(peer, machine);
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
    if (ob_machines_left(machine) || finished_rounds(machine) >= peer->options.bounds.max_rounds)
        return; /* LEFT was told; or it has done all rounds, and nothing is missing */
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

/* ---- who makes us wait ---- */

/* Whom a round of ours waits for; NULL: nobody. Mostly it is the same as before. */
static struct machine *blocker(const struct ob_peer *peer) {
    struct machine *last = peer->pacing.blocker;
    if (last != NULL && last->pacing.paced && !within_staleness(peer, last, peer->rounds.next))
        return last;
    for (size_t i = 0; i < peer->machines.count; i++)
        if (peer->machines.order[i]->pacing.paced &&
            !within_staleness(peer, peer->machines.order[i], peer->rounds.next))
            return peer->machines.order[i];
    return NULL;
}

struct machine *ob_pacing_waits_for(const struct ob_peer *peer) {
    return peer->life == OB_PEER_WAITING ? blocker(peer) : NULL;
}

static void leave_slow(struct ob_peer *peer, struct machine *machine) {
    double waited = machine->pacing.waited_ns, worked = peer->pacing.worked_ns;
    machine->pacing.paced = false;
    machine->pacing.quiet_told = true;
    ob_patience_rest(peer, machine);
    ob_effects_tell(peer, OB_NOTICE_SLOW, &machine->id,
                    "slow: %.0f of the last %.0f s were spent waiting for it; no longer waited for",
                    waited * 1e-9, (waited + worked) * 1e-9);
}

/* Whoever is behind us, and behind most of the others, for too much of the time. */
static void lose_patience(struct ob_peer *peer, uint64_t after_ns) {
    struct machine *slow = ob_pacing_waits_for(peer);
    uint64_t forget_ns = 16 * ob_pacing_median_ns(peer);
    ob_patience_account(peer, slow, forget_ns > FORGET_AT_LEAST_NS ? forget_ns : FORGET_AT_LEAST_NS);
    if (slow == NULL)
        return;
    size_t others = 0, ahead = 1;
    for (size_t i = 0; i < peer->machines.count; i++) {
        const struct machine *machine = peer->machines.order[i];
        if (!machine->pacing.paced || machine == slow)
            continue;
        others++;
        ahead += finished_rounds(machine) > finished_rounds(slow) + peer->options.max_staleness;
    }
    if (ob_patience_used_up(peer, slow, after_ns, others, ahead))
        leave_slow(peer, slow);
}

/* ---- which round is next ---- */

/* Whose rounds count when we ask how far the others are: of all who belong, those that are active, and those last
 * live, who may have fallen silent. */
static bool counts(const struct ob_peer *peer, const struct machine *machine, uint64_t after_ns, bool all) {
    bool belongs = machine->standing.certified && !machine->standing.revoked && !machine->standing.forked;
    if (!machine->chain.has_records || machine == peer->own || !belongs)
        return false;
    return all || is_active(peer, machine, after_ns) ||
           (machine->isolation.last_live && !ob_machines_left(machine));
}

/* No further than what it could have done, full rounds from its first one on. */
static uint32_t could_have_done(const struct ob_peer *peer, const struct machine *machine) {
    uint64_t rounds = machine->chain.next / peer->options.bounds.samples_per_round;
    return rounds < machine->chain.head_round ? (uint32_t)rounds : machine->chain.head_round;
}

struct far_ones {
    size_t count;
    bool careful; /* by their samples */
    bool all;     /* the quiet ones too */
};

static struct far_ones gather(struct ob_peer *peer, uint64_t after_ns, struct far_ones which) {
    which.count = 0;
    for (size_t i = 0; i < peer->machines.count; i++) {
        const struct machine *machine = peer->machines.order[i];
        if (counts(peer, machine, after_ns, which.all))
            peer->pacing.heads[which.count++] =
                which.careful ? could_have_done(peer, machine) : machine->chain.head_round;
    }
    return which;
}

/* Where a newcomer begins: after the lower median of the others; after a single one only by what it could have done. */
static bool newcomers_round(struct ob_peer *peer, uint64_t after_ns, bool all, uint32_t *ret_round) {
    size_t count = gather(peer, after_ns, (struct far_ones){.all = all}).count;
    uint32_t round;
    if (ob_reached_by(peer->pacing.heads, count, ob_reached_majority(count), &round)) {
        *ret_round = round + 1;
        return true;
    }
    count = gather(peer, after_ns, (struct far_ones){.all = all, .careful = true}).count;
    return ob_reached_by(peer->pacing.heads, count, ob_reached_half(count), ret_round);
}

/* Rounds are skipped when enough others are too far ahead for them to wait for us. */
static uint32_t catch_up(struct ob_peer *peer, uint64_t after_ns, uint32_t next) {
    uint32_t round, k = peer->options.max_staleness;
    size_t others = gather(peer, after_ns, (struct far_ones){0}).count;
    if (ob_reached_by(peer->pacing.heads, others, ob_reached_majority(others + 1), &round) && round > next &&
        round - next > k)
        return round;
    others = gather(peer, after_ns, (struct far_ones){.careful = true}).count;
    if (ob_reached_by(peer->pacing.heads, others, ob_reached_half(others + 1), &round) && round > next &&
        round - next > k)
        return next + 1;
    return next;
}

static uint32_t choose_round(struct ob_peer *peer, uint64_t after_ns) {
    uint32_t round;
    if (!peer->own->chain.has_records && !peer->rounds.current.running) {
        if (newcomers_round(peer, after_ns, false, &round) || newcomers_round(peer, after_ns, true, &round))
            return round;
        return 0;
    }
    /* While a round runs, later records of ours may come from others: of a twin, or that we had lost. */
    uint32_t next = (uint32_t)finished_rounds(peer->own);
    if (peer->rounds.current.running && peer->rounds.current.round >= next)
        next = peer->rounds.current.round + 1;
    return catch_up(peer, after_ns, next);
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
    lose_patience(peer, after_ns);
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
    peer->pacing.median_ns = median_of(&peer->pacing);
}

bool ob_pacing_may_start(struct ob_peer *peer) {
    peer->pacing.blocker = blocker(peer);
    return peer->pacing.blocker == NULL;
}

uint16_t ob_pacing_live(const struct ob_peer *peer) {
    size_t live = 1;
    for (size_t i = 0; i < peer->machines.count; i++)
        live += peer->machines.order[i]->pacing.paced;
    return live < peer->options.bounds.max_machines ? (uint16_t)live : peer->options.bounds.max_machines;
}
