/* dispute - what follows when two peers hold the same records and say different things about their weights.
 *
 * Two digests do not say who is wrong. Each says so, starts no further round (one that runs is thrown away
 * when it is done), and has its weights made again from base and log (OB_EFFECT_REBUILD). Where they differ
 * from its memory the memory was wrong and is right now; where they do not, the other one is wrong, and we go
 * on: our weights are proven, and no majority is needed. The same rebuild follows when the caller's memory
 * check finds something (OB_EVENT_DISPUTE).
 *
 * A member that lies could stop others for as long as a rebuild takes. Who turned out to be wrong is
 * therefore not listened to for ALARM_REST times as long, and twice as long each time. */
#include <assert.h>

#include "peer/state.h"

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

void ob_dispute_compare(struct ob_peer *peer, struct machine *machine) {
    const struct weights_digest *ours =
        is_zero(&machine->reported_weights) ? NULL : ob_named_find(peer, &machine->reported_weights_log);
    if (ours == NULL) {
        machine->compared = false;
        return;
    }
    bool again = machine->compared && ob_hash_equal(&machine->compared_ours, &ours->weights) &&
                 ob_hash_equal(&machine->compared_theirs, &machine->reported_weights);
    if (again)
        return;
    machine->compared = true;
    machine->compared_ours = ours->weights;
    machine->compared_theirs = machine->reported_weights;
    machine->agrees = ob_hash_equal(&ours->weights, &machine->reported_weights);
    if (machine->agrees) {
        machine->accuses = false;
        peer->counters.agreements++;
        return;
    }
    peer->counters.disagreements++;
    if (is_over(peer))
        return;
    bool listened = peer->now_ns >= machine->deaf_until_ns;
    ob_effects_tell(peer, OB_NOTICE_DISAGREE, &machine->id,
                    listened ? "its weights differ from ours although the records are the same: ours are "
                               "held against base and log before we go on"
                             : "its weights differ from ours although the records are the same; it was wrong "
                               "before: we go on");
    if (!listened)
        return;
    machine->accuses = true;
    if (!peer->dispute.open)
        begin(peer);
}

void ob_dispute_compare_all(struct ob_peer *peer) {
    for (size_t i = 0; i < peer->count && ob_effects_room(peer); i++)
        if (peer->order[i] != peer->own)
            ob_dispute_compare(peer, peer->order[i]);
}

void ob_dispute_raise(struct ob_peer *peer) {
    if (!peer->dispute.open && !is_over(peer))
        begin(peer);
}

static void acquit(struct ob_peer *peer, struct machine *machine) {
    uint64_t took = peer->now_ns - peer->dispute.since_ns;
    unsigned doublings = machine->false_alarms < DOUBLINGS_MAX ? machine->false_alarms : DOUBLINGS_MAX;
    machine->false_alarms++;
    machine->deaf_until_ns = peer->now_ns + ((ALARM_REST * (took + SECONDS)) << doublings);
    ob_effects_tell(peer, OB_NOTICE_PROVEN, &machine->id,
                    "our weights are what base and log make them: its weights are wrong");
}

/* Nothing that was said about weights that were wrong holds any more. */
static void forget(struct ob_peer *peer) {
    peer->weights_count = 0;
    peer->whole_version = 0;
    peer->named.touched = peer->named.below > 0;
    peer->digest.rest_until_ns = 0;
    for (size_t i = 0; i < peer->count; i++)
        peer->order[i]->compared = false;
}

void ob_dispute_resolved(struct ob_peer *peer, const struct ob_event *event) {
    if (!peer->dispute.open)
        return;
    for (size_t i = 0; i < peer->count; i++) {
        struct machine *machine = peer->order[i];
        if (machine->accuses && !event->healed && ob_effects_room(peer))
            acquit(peer, machine);
        machine->accuses = false;
    }
    if (event->healed) {
        peer->counters.heals++;
        forget(peer);
        ob_effects_tell(peer, OB_NOTICE_HEALED, &peer->own->id,
                        "our weights were not what base and log make them; now they are");
    }
    peer->dispute.open = false;
    ob_pacing_update(peer);
}
