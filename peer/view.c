/* view - looking into a peer from outside: names, status, one machine at a time. */
#include <assert.h>

#include "peer/state.h"

const char *ob_peer_life_name(enum ob_peer_life life) {
    static const char *const NAMES[] = {
        [OB_PEER_RECOVERING] = "recovering",
        [OB_PEER_RECONCILING] = "reconciling",
        [OB_PEER_TRAINING] = "training",
        [OB_PEER_WAITING] = "waiting",
        [OB_PEER_PAUSED] = "paused",
        [OB_PEER_FINISHED] = "finished",
        [OB_PEER_ISOLATED] = "isolated",
        [OB_PEER_LEAVING] = "leaving",
        [OB_PEER_LEFT] = "left",
        [OB_PEER_HALTED] = "halted",
    };
    return (size_t)life < sizeof NAMES / sizeof NAMES[0] ? NAMES[life] : "unknown";
}

const char *ob_notice_name(enum ob_notice notice) {
    static const char *const NAMES[] = {
        [OB_NOTICE_JOINED] = "joined",     [OB_NOTICE_LEFT] = "left",
        [OB_NOTICE_QUIET] = "quiet",       [OB_NOTICE_BACK] = "back",
        [OB_NOTICE_GAP] = "gap",           [OB_NOTICE_CAUGHT_UP] = "caught up",
        [OB_NOTICE_REFUSED] = "refused",   [OB_NOTICE_FORK] = "fork",
        [OB_NOTICE_DISAGREE] = "disagree", [OB_NOTICE_RECOVERED_OWN] = "recovered own",
        [OB_NOTICE_FINISHED] = "finished", [OB_NOTICE_VERSION] = "version",
        [OB_NOTICE_CUT] = "cut",           [OB_NOTICE_ADMITTED] = "admitted",
        [OB_NOTICE_EXPELLED] = "expelled", [OB_NOTICE_ROTATED] = "rotated",
        [OB_NOTICE_ISOLATED] = "isolated", [OB_NOTICE_TWIN] = "twin",
        [OB_NOTICE_PROVEN] = "proven",     [OB_NOTICE_HEALED] = "healed",
    };
    return (size_t)notice < sizeof NAMES / sizeof NAMES[0] ? NAMES[notice] : "unknown";
}

static size_t certificates(const struct ob_peer *peer) {
    size_t count = 0;
    for (size_t i = 0; i < peer->count; i++)
        count += peer->order[i]->admitted;
    return count;
}

struct ob_peer_view ob_peer_view(const struct ob_peer *peer) {
    struct ob_peer_view view = {
        .life = peer->life,
        .round = {peer->round.running ? peer->round.round : peer->next_round},
        .next = {peer->own->next},
        .live = ob_pacing_live(peer),
        .machines = peer->count,
        .log_digest = ob_machines_log_digest(peer),
        .control_digest = ob_control_table_digest(peer),
        .counters = peer->counters,
        .median_round_ns = ob_pacing_median_ns(peer),
        .certified = peer->own->certified,
        .certificates = certificates(peer),
        .acknowledge = peer->isolation.acknowledge,
        .last_live = peer->isolation.last_live,
        .unacknowledged = peer->isolation.unacknowledged,
        .samples_per_s = peer->samples_per_s,
        .disputed = peer->dispute.open,
        .named = peer->named.known ? peer->named.below : 0,
    };
    const struct weights_digest *named = view.named > 0 ? ob_named_find(peer, &peer->named.log) : NULL;
    if (view.named > 0)
        view.named_log = peer->named.log;
    if (named != NULL)
        view.named_weights = named->weights;
    for (size_t i = 0; i < peer->count; i++) {
        const struct machine *machine = peer->order[i];
        view.samples_held += machine->next;
        view.samples_known += machine->target > machine->next ? machine->target : machine->next;
    }
    double missing = (double)(view.samples_known - view.samples_held);
    view.catch_up_s = missing == 0 ? 0 : peer->samples_per_s > 0 ? missing / peer->samples_per_s : -1;
    return view;
}

struct ob_peer_machine ob_peer_machine(const struct ob_peer *peer, size_t i) {
    assert(i < peer->count);
    const struct machine *machine = peer->order[i];
    struct ob_certificate certificate = {0};
    (void)ob_admission_certificate(peer, &machine->id, &certificate);
    struct ob_peer_machine view = {
        .machine = machine->id,
        .next = {machine->next},
        .head = machine->head,
        .head_round = {machine->head_round},
        .has_records = machine->has_records,
        .paced = machine->paced,
        .linked = machine->linked,
        .left = ob_machines_left(machine),
        .last_record_ns = machine->last_record_ns,
        .last_heard_ns = machine->last_heard_ns,
        .reported_next = {machine->reported_next},
        .reported_log = machine->reported_log,
        .reported_weights = machine->reported_weights,
        .compared = machine->compared,
        .agrees = machine->compared && machine->agrees,
        .admitted = machine->admitted,
        .revoked = machine->revoked,
        .forked = machine->forked,
        .expiry_s = certificate.expiry_s,
        .cut = {machine->cut},
    };
    memcpy(view.name, certificate.name, sizeof view.name);
    return view;
}
