#include "peer/dispute.h"

#include "peer/effects.h"
#include "peer/named.h"
#include "peer/pacing.h"
#include "peer/state.h"

#define ALARM_REST    64 /* times what a rebuild took */
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
        said->accuses = false;
        peer->counters.agreements++;
        return;
    }
    peer->counters.disagreements++;
    if (is_over(peer))
        return;
    bool listened = peer->now_ns >= said->deaf_until_ns;
    ob_effects_tell(peer, OB_NOTICE_DISAGREE, &machine->id,
                    listened ? "its weights differ from ours for the same records: verifying ours "
                               "against the base model and the log before continuing"
                             : "its weights differ from ours for the same records; it was wrong "
                               "before: continuing");
    if (!listened)
        return;
    said->accuses = true;
    if (!peer->dispute.open)
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

void ob_dispute_resolved(struct ob_peer *peer, const struct ob_event *event) {
    if (!peer->dispute.open)
        return;
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
    peer->dispute.open = false;
    ob_pacing_update(peer);
}
