#include "peer/dispute.h"

#include "peer/effects.h"
#include "peer/named.h"
#include "peer/pacing.h"
#include "peer/state.h"

#define ALARM_REST    64 /* times what a rebuild took: one accuser … */
#define RESTS         16 /* … and all of them, from the second one on that found nothing */
#define DOUBLINGS_MAX 10

static bool is_zero(const struct ob_hash *hash) {
    static const struct ob_hash ZERO;
    return ob_hash_equal(hash, &ZERO);
}

static void begin(struct ob_peer *peer) {
    peer->dispute.open = true;
    peer->dispute.since_ns = peer->now_ns;
    struct ob_effect *effect = ob_effects_add(peer, OB_EFFECT_REBUILD);
    effect->machine = peer->options.machine;
    peer->counters.rebuilds++;
}

static bool is_over(const struct ob_peer *peer) {
    return peer->life == OB_PEER_LEFT || peer->life == OB_PEER_HALTED || peer->life == OB_PEER_LEAVING;
}

/* Some time after checks that found nothing, or at once when most of those who can be compared with say so. */
static bool its_turn(const struct ob_peer *peer) {
    size_t compared = 0, accuse = 0;
    for (size_t i = 0; i < peer->machines.count; i++) {
        compared += peer->machines.order[i]->dispute.compared;
        accuse += peer->machines.order[i]->dispute.accuses;
    }
    return peer->now_ns >= peer->dispute.rest_until_ns || 2 * accuse > compared;
}

static void tell(struct ob_peer *peer, struct machine *machine, bool listened) {
    struct machine_dispute *said = &machine->dispute;
    if (said->told_ns != 0 && peer->now_ns - said->told_ns < TELL_EVERY_NS)
        return;
    said->told_ns = peer->now_ns;
    ob_effects_tell(peer, OB_NOTICE_DISAGREE, &machine->id,
                    listened ? "its weights differ from ours for the same records: verifying ours "
                               "against the base model and the log before continuing"
                             : "its weights differ from ours for the same records; it was wrong "
                               "before: continuing");
}

static void accuse(struct ob_peer *peer, struct machine *machine) {
    bool listened = peer->now_ns >= machine->dispute.deaf_until_ns;
    tell(peer, machine, listened);
    if (!listened)
        return;
    machine->dispute.accuses = true;
    peer->dispute.accused = true;
    ob_dispute_tick(peer);
}

void ob_dispute_compare(struct ob_peer *peer, struct machine *machine) {
    const struct machine_heartbeat *report = &machine->heartbeat;
    struct machine_dispute *said = &machine->dispute;
    const struct weights_digest *ours =
        is_zero(&report->weights) ? NULL : ob_named_find(peer, &report->weights_log);
    if (ours == NULL) {
        said->compared = false;
        return;
    }
    bool again = said->compared && ob_hash_equal(&said->ours, &ours->weights) &&
                 ob_hash_equal(&said->theirs, &report->weights);
    if (again)
        return;
    said->compared = true;
    said->ours = ours->weights;
    said->theirs = report->weights;
    said->agrees = ob_hash_equal(&ours->weights, &report->weights);
    if (said->agrees) {
        peer->counters.agreements++; /* what it said before is looked into all the same */
        return;
    }
    peer->counters.disagreements++;
    if (!is_over(peer) && !said->accuses)
        accuse(peer, machine);
}

void ob_dispute_tick(struct ob_peer *peer) {
    if (!peer->dispute.open && peer->dispute.accused && !is_over(peer) && its_turn(peer))
        begin(peer);
}

void ob_dispute_compare_all(struct ob_peer *peer) {
    for (size_t i = 0; i < peer->machines.count && ob_effects_room(peer); i++)
        if (peer->machines.order[i] != peer->own)
            ob_dispute_compare(peer, peer->machines.order[i]);
}

void ob_dispute_raise(struct ob_peer *peer) {
    if (!peer->dispute.open && !is_over(peer))
        begin(peer);
}

static void acquit(struct ob_peer *peer, struct machine *machine) {
    struct machine_dispute *said = &machine->dispute;
    uint64_t took = peer->now_ns - peer->dispute.since_ns;
    unsigned doublings = said->false_alarms < DOUBLINGS_MAX ? said->false_alarms : DOUBLINGS_MAX;
    said->false_alarms++;
    said->told_ns = 0; /* from now on it is another sentence */
    said->deaf_until_ns = peer->now_ns + ((ALARM_REST * (took + SECONDS)) << doublings);
    ob_effects_tell(peer, OB_NOTICE_PROVEN, &machine->id,
                    "our weights match the base model and the log: its weights are wrong");
}

/* Nothing that was said about weights that were wrong holds any more. */
static void forget(struct ob_peer *peer) {
    ob_named_forget(peer);
    for (size_t i = 0; i < peer->machines.count; i++)
        peer->machines.order[i]->dispute.compared = false;
}

/* Many accusers, one after the other, take no more than a small part of our time. */
static void rest(struct ob_peer *peer) {
    struct dispute *dispute = &peer->dispute;
    uint64_t took = peer->now_ns - dispute->since_ns;
    if (peer->now_ns - dispute->resolved_ns > ALARM_REST * (took + SECONDS))
        dispute->in_vain = 0;
    dispute->rest_until_ns = peer->now_ns + RESTS * (took + SECONDS) * dispute->in_vain;
    dispute->in_vain += dispute->in_vain < RESTS;
}

void ob_dispute_resolved(struct ob_peer *peer, const struct ob_event *event) {
    if (!peer->dispute.open)
        return;
    bool accused = peer->dispute.accused;
    peer->dispute.accused = false;
    for (size_t i = 0; i < peer->machines.count; i++) {
        struct machine *machine = peer->machines.order[i];
        if (machine->dispute.accuses && !event->healed && ob_effects_room(peer))
            acquit(peer, machine);
        machine->dispute.accuses = false;
    }
    if (event->healed) {
        peer->counters.heals++;
        forget(peer);
        ob_effects_tell(peer, OB_NOTICE_HEALED, &peer->own->id,
                        "our weights did not match the base model and the log; they do now");
    }
    if (accused && !event->healed)
        rest(peer);
    peer->dispute.resolved_ns = peer->now_ns;
    peer->dispute.open = false;
    ob_pacing_update(peer);
}
