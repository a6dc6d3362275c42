#include "peer/arrival.h"

#include "peer/admission.h"
#include "peer/asks.h"
#include "peer/cut.h"
#include "peer/effects.h"
#include "peer/fetch.h"
#include "peer/fork.h"
#include "peer/history.h"
#include "peer/log.h"
#include "peer/machines.h"
#include "peer/pacing.h"
#include "peer/state.h"
#include "peer/way.h"
#include "record/hash.h"

struct arriving {
    struct ob_record record;
    struct ob_hash hash;
    bool signature_good;
};

/* A signed record that cannot be of the chain that we hold. */
static void forked(struct ob_peer *peer, struct machine *sender, struct machine *machine,
                   const struct ob_record *theirs) {
    if (machine == peer->own)
        ob_fork_own(peer, sender, theirs);
    else if (!ob_fork_at(peer, machine, theirs))
        ob_fork_search(peer, machine, sender);
}

static enum arrival bad_signature(struct ob_peer *peer, struct machine *sender) {
    peer->counters.bad_signatures++;
    ob_effects_refuse(peer, sender, "a record with a bad signature (or of another run)");
    return ARRIVAL_BAD;
}

static bool differs_from_ours(const struct ob_peer *peer, const struct machine *sender,
                              const struct machine *machine, const struct arriving *arrival) {
    uint64_t first = arrival->record.first.index;
    struct own_entry entry;
    if (machine == peer->own)
        return ob_history_own_at(peer, first, &entry) &&
               (entry.first != first || !ob_hash_equal(&entry.hash, &arrival->hash));
    if (first == machine->chain.head_first)
        return !ob_hash_equal(&arrival->hash, &machine->chain.head);
    if (first > machine->chain.head_first || first + arrival->record.n > machine->chain.next)
        return true; /* it begins within our head record, or ends behind it */
    return sender == machine && ob_history_at(peer, machine, first, &entry) &&
           (entry.first != first || !ob_hash_equal(&entry.hash, &arrival->hash));
}

/* A record of samples that we hold: the same record, or one that must not exist. Of records before the head
 * those are looked at that are our own, that reach beyond what we hold, or that come from their signer: it
 * alone may show a chain that is shorter than what everybody holds; what others hold, their heads tell. */
static enum arrival known_samples(struct ob_peer *peer, struct machine *sender, struct machine *machine,
                                  const struct arriving *arrival) {
    if (!differs_from_ours(peer, sender, machine, arrival)) {
        peer->counters.duplicates++;
        return ARRIVAL_DUPLICATE;
    }
    if (!arrival->signature_good)
        return bad_signature(peer, sender);
    forked(peer, sender, machine, &arrival->record);
    return ARRIVAL_REFUSED;
}

/* first == next, and yet it does not extend: another head before it, or a round that does not rise. */
static enum arrival misfit(struct ob_peer *peer, struct machine *sender, struct machine *machine,
                           const struct ob_record *record) {
    if (ob_hash_equal(&record->prev, &machine->chain.head)) {
        ob_effects_refuse(peer, sender, "record's round %u is not above %u", record->round.index,
                          machine->chain.head_round);
        return ARRIVAL_REFUSED;
    }
    peer->counters.refused++;
    forked(peer, sender, machine, record);
    return ARRIVAL_REFUSED;
}

/* Only a machine whose signature was good gets here. */
static enum arrival take(struct ob_peer *peer, struct machine *sender, struct machine *machine,
                         const struct arriving *arrival) {
    bool own = machine == peer->own;
    uint64_t before = machine->chain.next;
    ob_log_extend(peer, machine, &arrival->record, &arrival->hash);
    peer->counters.records_accepted++;
    peer->counters.samples_accepted += arrival->record.n;
    struct ob_effect *persist = ob_effects_add(peer, own ? OB_EFFECT_PERSIST_OWN : OB_EFFECT_PERSIST);
    persist->record = arrival->record;
    persist->machine = machine->id;
    struct ob_effect *apply = ob_effects_add(peer, OB_EFFECT_APPLY);
    apply->record = arrival->record;
    apply->machine = machine->id;
    if (own)
        ob_effects_tell(peer, OB_NOTICE_RECOVERED_OWN, &machine->id,
                        "recovered our own samples %llu to %llu from other peers", (unsigned long long)before,
                        (unsigned long long)machine->chain.next - 1);
    else
        ob_machines_joined(peer, machine);
    ob_way_learn(machine, sender, true);
    if (machine->fetch.asked != NULL && machine->chain.next >= machine->fetch.target)
        ob_asks_close(peer, machine);
    ob_pacing_record(peer, machine);
    return ARRIVAL_TAKEN;
}

static enum arrival new_samples(struct ob_peer *peer, struct machine *sender, struct machine *machine,
                                const struct arriving *arrival) {
    const struct ob_record *record = &arrival->record;
    uint64_t end = record->first.index + record->n;
    if (!ob_admission_certified(peer, machine) || record->first.index >= machine->standing.cut) {
        peer->counters.uncounted++;
        return ARRIVAL_REFUSED;
    }
    if (record->first.index > machine->chain.next) {
        peer->counters.out_of_order++;
        ob_fetch_want(peer, machine, end, sender);
        return ARRIVAL_GAP;
    }
    if (!ob_chain_extends(&machine->chain, record))
        return misfit(peer, sender, machine, record);
    if (!ob_cut_allows(machine, record)) {
        ob_cut_complete(peer, machine);
        return ARRIVAL_REFUSED;
    }
    return take(peer, sender, machine, arrival);
}

enum arrival ob_arrival(struct ob_peer *peer, struct machine *sender, const void *data, size_t bytes) {
    struct arriving arrival;
    struct ob_error error;
    if (ob_record_decode(data, bytes, &peer->options.bounds, &arrival.record, &error) != OB_OK) {
        ob_effects_refuse(peer, sender, "%s", error.text);
        return ARRIVAL_BAD;
    }
    const struct ob_record *record = &arrival.record;
    struct machine *machine = ob_machines_find(peer, &record->machine);
    uint8_t body[OB_RECORD_BODY_BYTES_MAX];
    size_t body_bytes = ob_record_body(&peer->options.run, record, body);
    arrival.hash = ob_hash_of(body, body_bytes);
    bool known = machine != NULL && record->first.index < machine->chain.next;
    if (known && ob_hash_equal(&arrival.hash, &machine->chain.head)) {
        ob_way_learn(machine, sender, false);
        peer->counters.duplicates++;
        return ARRIVAL_DUPLICATE;
    }
    const struct ob_peer_crypto *crypto = &peer->options.crypto;
    bool needs_signature = !known || machine == peer->own || machine == sender ||
                           record->first.index >= machine->chain.head_first ||
                           record->first.index + record->n > machine->chain.next;
    arrival.signature_good = needs_signature && crypto->verify(crypto->context, &record->machine, body,
                                                               body_bytes, record->signature);
    if (known)
        return known_samples(peer, sender, machine, &arrival);
    if (!arrival.signature_good)
        return bad_signature(peer, sender);
    if (machine == NULL && peer->options.open)
        machine = ob_machines_take(peer, &record->machine);
    if (machine == NULL)
        peer->counters.uncounted++; /* without a certificate; it is fetched when there is one */
    return machine == NULL ? ARRIVAL_REFUSED : new_samples(peer, sender, machine, &arrival);
}
