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
    };
    return (size_t)notice < sizeof NAMES / sizeof NAMES[0] ? NAMES[notice] : "unknown";
}

struct ob_peer_view ob_peer_view(const struct ob_peer *peer) {
    return (struct ob_peer_view){
        .life = peer->life,
        .round = {peer->round.running ? peer->round.round : peer->next_round},
        .next = {peer->own->next},
        .live = ob_pacing_live(peer),
        .machines = peer->count,
        .log_digest = ob_machines_log_digest(peer),
        .control_digest = ob_control_table_digest(peer),
        .counters = peer->counters,
        .median_round_ns = ob_pacing_median_ns(peer),
    };
}

struct ob_peer_machine ob_peer_machine(const struct ob_peer *peer, size_t i) {
    assert(i < peer->count);
    const struct machine *machine = peer->order[i];
    return (struct ob_peer_machine){
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
    };
}
