/* reconcile - before anything is signed after a start: what do others hold of our chain and of all others?
 *
 * Ends when every machine that is expected, linked, or was live when we stopped and has an address has told
 * its frontier and all that they claimed is here; or after rejoin_wait with at least one answer and all that
 * was claimed; or without any answer, alone, when that is allowed. What is claimed and never delivered is
 * dropped by repair.c, so that this ends. */
#include <assert.h>

#include "peer/state.h"

/* When we stopped, says our log: its head was within the rounds that pacing allows. */
static bool was_live(const struct ob_peer *peer, const struct machine *machine) {
    const struct machine *own = peer->own;
    return machine != own && machine->has_records && own->has_records &&
           (uint64_t)machine->head_round + peer->options.max_staleness + 1 >= own->head_round;
}

void ob_reconcile_start(struct ob_peer *peer) {
    ob_life_move(peer, OB_PEER_RECONCILING);
    for (size_t i = 0; i < peer->count; i++) {
        struct machine *machine = peer->order[i];
        machine->last_record_ns = peer->now_ns;
        machine->was_live = was_live(peer, machine);
        if (machine->linked)
            ob_frontier_ask(peer, machine);
    }
    peer->start_ns = peer->now_ns;
}

/* Nobody waits for the answer of a machine that said goodbye, unless it is there. */
static bool counts(const struct ob_peer *peer, const struct machine *machine) {
    bool away = ob_machines_left(machine) || machine->revoked || machine->forked;
    return machine != peer->own &&
           (machine->linked || ((machine->expected || (machine->was_live && machine->reached)) && !away));
}

/* As long as this holds of one machine, reconciling cannot end. */
static bool blocks(const struct ob_peer *peer, const struct machine *machine, bool waited) {
    return machine->rejoin_target > machine->next || (!waited && counts(peer, machine) && !machine->answered);
}

/* Remembers one that blocks, so that most steps of a large swarm look at that one only. Its slot may be given
 * back meanwhile: each tick looks at all. */
static bool blocked(struct ob_peer *peer, bool waited) {
    if (peer->blocking != NULL && blocks(peer, peer->blocking, waited))
        return true;
    peer->blocking = NULL;
    for (size_t i = 0; i < peer->count && peer->blocking == NULL; i++)
        if (blocks(peer, peer->order[i], waited))
            peer->blocking = peer->order[i];
    return peer->blocking != NULL;
}

struct answers {
    size_t wanted, given, all;
};

static struct answers answers(const struct ob_peer *peer) {
    struct answers answers = {0};
    for (size_t i = 0; i < peer->count; i++) {
        const struct machine *machine = peer->order[i];
        answers.wanted += counts(peer, machine);
        answers.given += counts(peer, machine) && machine->answered;
        answers.all += machine->answered;
    }
    return answers;
}

/* Machines that we have a way to were held up as we were: they have a while from now on until they are quiet.
 */
static void end(struct ob_peer *peer, const char *why) {
    for (size_t i = 0; i < peer->count; i++)
        if (peer->order[i]->linked || peer->order[i]->heard)
            peer->order[i]->last_record_ns = peer->now_ns;
    ob_pacing_update(peer);
    ob_isolation_start(peer);
    ob_life_move(peer, OB_PEER_WAITING);
    ob_effects_tell(peer, OB_NOTICE_CAUGHT_UP, &peer->options.machine, "%s", why);
    if (peer->pause)
        ob_life_move(peer, OB_PEER_PAUSED);
}

/* They were cut when our certificate allowed fewer rounds; that it allows them again brings none back. */
static void end_or_halt(struct ob_peer *peer, const char *why) {
    uint64_t signed_below = peer->options.signed_below.index;
    if (peer->own->next >= signed_below || peer->options.observer)
        end(peer, why);
    else
        ob_effects_halt(
            peer,
            "our key has signed samples up to %llu, and nobody holds those from %llu on any more: "
            "none may be signed twice; this machine needs a new key",
            (unsigned long long)signed_below - 1, (unsigned long long)peer->own->next);
}

void ob_reconcile_check(struct ob_peer *peer) {
    if (peer->life != OB_PEER_RECONCILING)
        return;
    bool waited = peer->now_ns - peer->start_ns >= peer->options.rejoin_wait_ns;
    bool own_open = peer->own->target > peer->own->next;
    if (own_open || blocked(peer, waited))
        return;
    struct answers now = answers(peer);
    if (now.wanted > 0 && now.given == now.wanted)
        end_or_halt(peer, "all peers have told what they hold, and we hold it too");
    else if (waited && now.all > 0)
        end_or_halt(peer, "not all peers answered in time; what the others hold is here");
    else if (peer->options.may_start_alone && now.all == 0 && (waited || now.wanted == 0))
        end_or_halt(peer, "nobody answered: starting alone");
}

void ob_reconcile_tick(struct ob_peer *peer) {
    if (peer->life != OB_PEER_RECONCILING)
        return;
    peer->blocking = NULL;
    unsigned asked = 0;
    for (size_t i = 0; i < peer->count && asked < FRONTIER_ASKS_A_TICK; i++) {
        struct machine *machine = peer->order[i];
        if (!machine->linked || machine == peer->own || machine->answered ||
            peer->now_ns - machine->frontier_asked_ns < FRONTIER_RETRY_NS)
            continue;
        ob_frontier_ask(peer, machine);
        asked++;
    }
    assert(asked <= FRONTIER_ASKS_A_TICK);
}
