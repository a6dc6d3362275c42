#include "peer/reconcile.h"

#include <assert.h>

#include "peer/effects.h"
#include "peer/frontier.h"
#include "peer/isolation.h"
#include "peer/machines.h"
#include "peer/pacing.h"
#include "peer/state.h"

#define FRONTIER_ASKS_A_TICK 8

/* When we stopped, says our log: its head was within the rounds that pacing allows. */
static bool was_live(const struct ob_peer *peer, const struct machine *machine) {
    const struct machine *own = peer->own;
    return machine != own && machine->chain.has_records && own->chain.has_records &&
           (uint64_t)machine->chain.head_round + peer->options.max_staleness + 1 >= own->chain.head_round;
}

void ob_reconcile_start(struct ob_peer *peer) {
    ob_life_move(peer, OB_PEER_RECONCILING);
    for (size_t i = 0; i < peer->machines.count; i++) {
        struct machine *machine = peer->machines.order[i];
        machine->pacing.last_record_ns = peer->now_ns;
        machine->rejoin.was_live = was_live(peer, machine);
        if (machine->contact.linked)
            ob_frontier_ask(peer, machine);
    }
    peer->reconcile.start_ns = peer->now_ns;
}

/* Nobody waits for the answer of a machine that said goodbye, unless it is there. */
static bool counts(const struct ob_peer *peer, const struct machine *machine) {
    bool away = ob_machines_left(machine) || machine->standing.revoked || machine->standing.forked;
    return machine != peer->own &&
           (machine->contact.linked ||
            ((machine->contact.expected || (machine->rejoin.was_live && machine->standing.reached)) &&
             !away));
}

/* As long as this holds of one machine, reconciling cannot end. */
static bool blocks(const struct ob_peer *peer, const struct machine *machine, bool waited) {
    return machine->rejoin.target > machine->chain.next ||
           (!waited && counts(peer, machine) && !machine->rejoin.answered);
}

/* Remembers one that blocks, so that most steps of a large swarm look at that one only. Its slot may be given
 * back meanwhile: each tick looks at all. */
static bool blocked(struct ob_peer *peer, bool waited) {
    if (peer->reconcile.blocking != NULL && blocks(peer, peer->reconcile.blocking, waited))
        return true;
    peer->reconcile.blocking = NULL;
    for (size_t i = 0; i < peer->machines.count && peer->reconcile.blocking == NULL; i++)
        if (blocks(peer, peer->machines.order[i], waited))
            peer->reconcile.blocking = peer->machines.order[i];
    return peer->reconcile.blocking != NULL;
}

struct answers {
    size_t wanted, given, all;
};

static struct answers answers(const struct ob_peer *peer) {
    struct answers answers = {0};
    for (size_t i = 0; i < peer->machines.count; i++) {
        const struct machine *machine = peer->machines.order[i];
        answers.wanted += counts(peer, machine);
        answers.given += counts(peer, machine) && machine->rejoin.answered;
        answers.all += machine->rejoin.answered;
    }
    return answers;
}

/* Machines that we have a way to were held up as we were: they have a while from now on until they are quiet.
 */
static void end(struct ob_peer *peer, const char *why) {
    for (size_t i = 0; i < peer->machines.count; i++)
        if (peer->machines.order[i]->contact.linked || peer->machines.order[i]->heartbeat.heard)
            peer->machines.order[i]->pacing.last_record_ns = peer->now_ns;
    ob_pacing_update(peer);
    ob_isolation_start(peer);
    ob_life_move(peer, OB_PEER_WAITING);
    ob_effects_tell(peer, OB_NOTICE_CAUGHT_UP, &peer->options.machine, "%s", why);
    if (peer->rounds.pause)
        ob_life_move(peer, OB_PEER_PAUSED);
}

/* They were cut when our certificate allowed fewer rounds; that it allows them again brings none back. */
static void end_or_halt(struct ob_peer *peer, const char *why) {
    uint64_t signed_below = peer->options.signed_below.index;
    if (peer->own->chain.next >= signed_below || peer->options.observer)
        end(peer, why);
    else
        ob_effects_halt(peer,
                        "our key signed samples up to %llu, but no peer holds those from %llu on: "
                        "no sample may be signed twice; create a new key with `onebyte keygen`",
                        (unsigned long long)signed_below - 1, (unsigned long long)peer->own->chain.next);
}

void ob_reconcile_check(struct ob_peer *peer) {
    if (peer->life != OB_PEER_RECONCILING)
        return;
    bool waited = peer->now_ns - peer->reconcile.start_ns >= peer->options.rejoin_wait_ns;
    bool own_open = peer->own->fetch.target > peer->own->chain.next;
    if (own_open || blocked(peer, waited))
        return;
    struct answers now = answers(peer);
    if (now.wanted > 0 && now.given == now.wanted)
        end_or_halt(peer, "caught up with all peers");
    else if (waited && now.all > 0)
        end_or_halt(peer, "not all peers answered in time; caught up with those that did");
    else if (peer->options.may_start_alone && now.all == 0 && (waited || now.wanted == 0))
        end_or_halt(peer, "no peer answered");
}

void ob_reconcile_tick(struct ob_peer *peer) {
    if (peer->life != OB_PEER_RECONCILING)
        return;
    peer->reconcile.blocking = NULL;
    unsigned asked = 0;
    for (size_t i = 0; i < peer->machines.count && asked < FRONTIER_ASKS_A_TICK; i++) {
        struct machine *machine = peer->machines.order[i];
        if (!machine->contact.linked || machine == peer->own || machine->rejoin.answered ||
            peer->now_ns - machine->frontier.asked_ns < FRONTIER_RETRY_NS)
            continue;
        ob_frontier_ask(peer, machine);
        asked++;
    }
    assert(asked <= FRONTIER_ASKS_A_TICK);
}
