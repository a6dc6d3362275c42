#include "peer/fork.h"

#include "peer/control.h"
#include "peer/effects.h"
#include "peer/fetch.h"
#include "peer/history.h"
#include "peer/machines.h"
#include "peer/state.h"

#define FORK_TRIES    4              /* lost answers of one search */
#define OWN_SEARCH_NS (10 * SECONDS) /* for where our own chain forked, at most */

static struct fork_search *search_of(struct ob_peer *peer, const struct machine *machine) {
    for (size_t i = 0; i < FORKS_MAX; i++)
        if (peer->forks[i].machine == machine)
            return &peer->forks[i];
    return NULL;
}

static void ask_middle(struct ob_peer *peer, struct fork_search *search) {
    search->asked = search->low + (search->high - search->low) / 2;
    search->asked_ns = peer->now_ns;
    ob_fetch_ask_one(peer, search->machine, search->asked, search->with);
}

void ob_fork_search(struct ob_peer *peer, struct machine *machine, struct machine *with) {
    if (with == peer->own || !machine->chain.has_records)
        return;
    struct fork_search *search = search_of(peer, machine);
    if (search != NULL && peer->now_ns - search->begun_ns < FORK_ASK_EVERY_NS)
        return;
    if (search == NULL)
        search = search_of(peer, NULL);
    if (search == NULL)
        return; /* when one of those that run is done, the contradiction is still there */
    *search = (struct fork_search){
        .machine = machine, .with = with, .high = machine->chain.head_first, .begun_ns = peer->now_ns};
    ask_middle(peer, search);
}

static void give_up(struct fork_search *search) {
    *search = (struct fork_search){0};
}

static void found(struct ob_peer *peer, struct machine *machine, const struct ob_record *ours,
                  const struct ob_record *theirs) {
    ob_effects_tell(peer, OB_NOTICE_FORK, &machine->id,
                    "signed two different records for sample %llu: its chain forked",
                    (unsigned long long)theirs->first.index);
    ob_control_own_evidence(peer, ours, theirs);
}

/* Both records hold the sample that was asked for. */
static void compare(struct ob_peer *peer, struct fork_search *search, const struct ob_record *ours,
                    const struct ob_record *theirs) {
    struct ob_hash our_hash = ob_record_hash(&peer->options.run, ours);
    struct ob_hash their_hash = ob_record_hash(&peer->options.run, theirs);
    if (ob_hash_equal(&our_hash, &their_hash)) {
        search->low = ours->first.index + ours->n;
    } else if (ob_hash_equal(&ours->prev, &theirs->prev)) {
        struct machine *machine = search->machine;
        give_up(search);
        found(peer, machine, ours, theirs);
        return;
    } else {
        search->high = ours->first.index < theirs->first.index ? ours->first.index : theirs->first.index;
    }
    if (search->low <= search->high)
        ask_middle(peer, search);
    else
        give_up(search); /* the two answers cannot both be of one chain */
}

static bool good_signature(const struct ob_peer *peer, const struct ob_record *record) {
    uint8_t body[OB_RECORD_BODY_BYTES_MAX];
    size_t bytes = ob_record_body(&peer->options.run, record, body);
    return peer->options.crypto.verify(peer->options.crypto.context, &record->machine, body, bytes,
                                       record->signature);
}

static bool holds(const struct ob_record *record, uint64_t sample) {
    return record->first.index <= sample && sample < record->first.index + record->n;
}

bool ob_fork_answer(struct ob_peer *peer, struct machine *sender, const void *data, size_t bytes) {
    struct ob_record theirs, ours;
    uint8_t own_data[OB_RECORD_BYTES_MAX];
    if (ob_record_decode(data, bytes, &peer->options.bounds, &theirs, NULL) != OB_OK)
        return false;
    struct machine *machine = ob_machines_find(peer, &theirs.machine);
    struct fork_search *search = machine == NULL ? NULL : search_of(peer, machine);
    if (search == NULL || search->with != sender || !holds(&theirs, search->asked))
        return false;
    if (!good_signature(peer, &theirs)) {
        peer->counters.bad_signatures++;
        ob_effects_refuse(peer, sender, "a record with a bad signature (or of another run)");
        give_up(search);
        return true;
    }
    size_t own_bytes = ob_history_find(peer, machine, search->asked, own_data);
    if (search->asked >= machine->chain.next || own_bytes == 0 ||
        ob_record_decode(own_data, own_bytes, &peer->options.bounds, &ours, NULL) != OB_OK ||
        !holds(&ours, search->asked))
        give_up(search);
    else
        compare(peer, search, &ours, &theirs);
    return true;
}

bool ob_fork_at(struct ob_peer *peer, struct machine *machine, const struct ob_record *theirs) {
    struct ob_record ours;
    uint8_t data[OB_RECORD_BYTES_MAX];
    size_t bytes = ob_history_find(peer, machine, theirs->first.index, data);
    if (bytes == 0 || ob_record_decode(data, bytes, &peer->options.bounds, &ours, NULL) != OB_OK ||
        !ob_hash_equal(&ours.prev, &theirs->prev))
        return false;
    struct ob_hash our_hash = ob_record_hash(&peer->options.run, &ours);
    struct ob_hash their_hash = ob_record_hash(&peer->options.run, theirs);
    if (ob_hash_equal(&our_hash, &their_hash))
        return false;
    found(peer, machine, &ours, theirs);
    return true;
}

static void halt(struct ob_peer *peer) {
    peer->own_fork.suspected = false;
    if (peer->life != OB_PEER_HALTED)
        ob_effects_halt(
            peer,
            "a record signed with our key carries different bytes for sample %llu: the key was used twice "
            "(the machine was copied or restored); create a new key with `onebyte keygen`",
            (unsigned long long)peer->own_fork.sample);
}

void ob_fork_own(struct ob_peer *peer, struct machine *sender, const struct ob_record *theirs) {
    if (peer->own_fork.suspected || ob_fork_at(peer, peer->own, theirs) || peer->life == OB_PEER_HALTED) {
        if (!peer->own_fork.suspected && peer->life != OB_PEER_HALTED) /* evidence that does not count here */
            halt(peer);
        return;
    }
    peer->own_fork =
        (struct own_fork){.suspected = true, .sample = theirs->first.index, .since_ns = peer->now_ns};
    ob_fork_search(peer, peer->own, sender);
    if (search_of(peer, peer->own) == NULL)
        halt(peer);
}

/* The search for our own fork is over, or takes too long: evidence has halted us, or nothing was found. */
static void end_own(struct ob_peer *peer) {
    if (peer->own_fork.suspected &&
        (search_of(peer, peer->own) == NULL || peer->now_ns - peer->own_fork.since_ns >= OWN_SEARCH_NS))
        halt(peer);
}

void ob_fork_tick(struct ob_peer *peer) {
    for (size_t i = 0; i < FORKS_MAX; i++) {
        struct fork_search *search = &peer->forks[i];
        if (search->machine == NULL || peer->now_ns - search->asked_ns < ASK_TIMEOUT_NS)
            continue;
        if (++search->lost == FORK_TRIES || search->high >= search->machine->chain.next)
            give_up(search);
        else
            ask_middle(peer, search);
    }
    end_own(peer);
}
