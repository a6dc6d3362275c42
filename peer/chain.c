/* chain - decides what a record is to its machine's chain: the next one, a duplicate, beyond a gap, a fork.
 * Source: docs/design.md, "Chains, evidence, cuts". A signature is checked before anything is believed. */
#include <assert.h>

#include "peer/state.h"
#include "record/hash.h"

struct arrival {
    struct ob_record record;
    struct ob_hash hash;
    bool signature_good;
};

const struct own_entry *ob_chain_own_entry(const struct ob_peer *peer, uint64_t sample) {
    size_t kept = peer->own_count < OWN_HISTORY ? peer->own_count : OWN_HISTORY;
    for (size_t back = 1; back <= kept; back++) {
        const struct own_entry *entry = &peer->own_history[(peer->own_count - back) % OWN_HISTORY];
        if (sample >= entry->end)
            return NULL;
        if (sample >= entry->first)
            return entry;
    }
    return NULL;
}

bool ob_chain_own_at(const struct ob_peer *peer, uint64_t sample, struct own_entry *ret_entry) {
    const struct own_entry *entry = ob_chain_own_entry(peer, sample);
    if (entry != NULL) {
        *ret_entry = *entry;
        return true;
    }
    return ob_chain_at(peer, peer->own, sample, ret_entry);
}

bool ob_chain_at(const struct ob_peer *peer, const struct machine *machine, uint64_t sample,
                 struct own_entry *ret_entry) {
    uint8_t data[OB_RECORD_BYTES_MAX];
    struct ob_record record;
    size_t bytes = sample < machine->next ? ob_cut_find(peer, machine, sample, data) : 0;
    if (bytes == 0 || ob_record_decode(data, bytes, &peer->options.bounds, &record, NULL) != OB_OK)
        return false;
    *ret_entry = (struct own_entry){record.first.index, record.first.index + record.n,
                                    ob_record_hash(&peer->options.run, &record)};
    return true;
}

bool ob_chain_extends(const struct machine *machine, const struct ob_record *record) {
    if (record->first.index != machine->next || !ob_hash_equal(&record->prev, &machine->head))
        return false;
    return !machine->has_records || record->round.index > machine->head_round;
}

void ob_chain_extend(struct ob_peer *peer, struct machine *machine, const struct ob_record *record,
                     const struct ob_hash *hash) {
    assert(ob_chain_extends(machine, record));
    ob_named_cross(peer, machine, record->round.index);
    ob_named_taken(peer, record->round.index);
    machine->has_records = true;
    machine->head_first = record->first.index;
    machine->next = record->first.index + record->n;
    machine->head = *hash;
    machine->head_round = record->round.index;
    machine->failures = 0;
    ob_digest_touch(&peer->digests->log, &machine->id);
    if (machine == peer->own) {
        struct own_entry *entry = &peer->own_history[peer->own_count++ % OWN_HISTORY];
        *entry = (struct own_entry){machine->head_first, machine->next, *hash};
        if (peer->next_round <= machine->head_round)
            peer->next_round = machine->head_round + 1;
    }
    assert(machine->next > machine->head_first);
}

/* Evidence if it can be had; and we stop in any case. */
static void own_fork(struct ob_peer *peer, const struct ob_record *theirs) {
    (void)ob_fork_at(peer, peer->own, theirs);
    if (peer->life != OB_PEER_HALTED)
        ob_effects_halt(
            peer,
            "a record signed with our key holds other bytes for our sample %llu: the key was used twice "
            "(a copied or restored machine); this machine needs a new key",
            (unsigned long long)theirs->first.index);
}

/* A signed record that cannot be of the chain that we hold. */
static void forked(struct ob_peer *peer, struct machine *sender, struct machine *machine,
                   const struct ob_record *theirs) {
    if (machine == peer->own)
        own_fork(peer, theirs);
    else if (!ob_fork_at(peer, machine, theirs))
        ob_fork_search(peer, machine, sender);
}

static enum chain_verdict bad_signature(struct ob_peer *peer, struct machine *sender) {
    peer->counters.bad_signatures++;
    ob_effects_refuse(peer, sender, "a record with a bad signature (or of another run)");
    return CHAIN_BAD;
}

static bool differs_from_ours(const struct ob_peer *peer, const struct machine *sender,
                              const struct machine *machine, const struct arrival *arrival) {
    uint64_t first = arrival->record.first.index;
    struct own_entry entry;
    if (machine == peer->own)
        return ob_chain_own_at(peer, first, &entry) &&
               (entry.first != first || !ob_hash_equal(&entry.hash, &arrival->hash));
    if (first == machine->head_first)
        return !ob_hash_equal(&arrival->hash, &machine->head);
    if (first > machine->head_first || first + arrival->record.n > machine->next)
        return true; /* it begins within our head record, or ends behind it */
    return sender == machine && ob_chain_at(peer, machine, first, &entry) &&
           (entry.first != first || !ob_hash_equal(&entry.hash, &arrival->hash));
}

/* A record of samples that we hold: the same record, or one that must not exist. Of records before the head
 * those are looked at that are our own, that reach beyond what we hold, or that come from their signer: it
 * alone may show a chain that is shorter than what everybody holds; what others hold, their heads tell. */
static enum chain_verdict known_samples(struct ob_peer *peer, struct machine *sender, struct machine *machine,
                                        const struct arrival *arrival) {
    if (!differs_from_ours(peer, sender, machine, arrival)) {
        peer->counters.duplicates++;
        return CHAIN_DUPLICATE;
    }
    if (!arrival->signature_good)
        return bad_signature(peer, sender);
    forked(peer, sender, machine, &arrival->record);
    return CHAIN_REFUSED;
}

/* first == next, and yet it does not extend: another head before it, or a round that does not rise. */
static enum chain_verdict misfit(struct ob_peer *peer, struct machine *sender, struct machine *machine,
                                 const struct ob_record *record) {
    if (ob_hash_equal(&record->prev, &machine->head)) {
        ob_effects_refuse(peer, sender, "a record whose round %u does not rise above %u", record->round.index,
                          machine->head_round);
        return CHAIN_REFUSED;
    }
    peer->counters.refused++;
    forked(peer, sender, machine, record);
    return CHAIN_REFUSED;
}

/* Only a machine whose signature was good gets here. */
static enum chain_verdict take(struct ob_peer *peer, struct machine *sender, struct machine *machine,
                               const struct arrival *arrival) {
    bool own = machine == peer->own;
    uint64_t before = machine->next;
    ob_chain_extend(peer, machine, &arrival->record, &arrival->hash);
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
                        "our own samples %llu to %llu came back from others: going on after them",
                        (unsigned long long)before, (unsigned long long)machine->next - 1);
    else
        ob_heartbeat_joined(peer, machine);
    ob_held_learn_way(machine, sender, true);
    if (machine->asked != NULL && machine->next >= machine->target)
        ob_repair_close(peer, machine);
    ob_pacing_record(peer, machine);
    return CHAIN_TAKEN;
}

static enum chain_verdict new_samples(struct ob_peer *peer, struct machine *sender, struct machine *machine,
                                      const struct arrival *arrival) {
    const struct ob_record *record = &arrival->record;
    uint64_t end = record->first.index + record->n;
    if (!ob_admission_certified(peer, machine) || record->first.index >= machine->cut) {
        peer->counters.uncounted++;
        return CHAIN_REFUSED;
    }
    if (record->first.index > machine->next) {
        peer->counters.out_of_order++;
        ob_repair_want(peer, machine, end, sender);
        return CHAIN_GAP;
    }
    if (!ob_chain_extends(machine, record))
        return misfit(peer, sender, machine, record);
    if (!ob_cut_allows(machine, record)) {
        ob_cut_complete(peer, machine);
        return CHAIN_REFUSED;
    }
    return take(peer, sender, machine, arrival);
}

enum chain_verdict ob_chain_receive(struct ob_peer *peer, struct machine *sender, const void *data,
                                    size_t bytes) {
    struct arrival arrival;
    struct ob_error error;
    if (ob_record_decode(data, bytes, &peer->options.bounds, &arrival.record, &error) != OB_OK) {
        ob_effects_refuse(peer, sender, "%s", error.text);
        return CHAIN_BAD;
    }
    const struct ob_record *record = &arrival.record;
    struct machine *machine = ob_machines_find(peer, &record->machine);
    uint8_t body[OB_RECORD_BODY_BYTES_MAX];
    size_t body_bytes = ob_record_body(&peer->options.run, record, body);
    arrival.hash = ob_hash_of(body, body_bytes);
    bool known = machine != NULL && record->first.index < machine->next;
    if (known && ob_hash_equal(&arrival.hash, &machine->head)) {
        ob_held_learn_way(machine, sender, false);
        peer->counters.duplicates++;
        return CHAIN_DUPLICATE;
    }
    const struct ob_peer_crypto *crypto = &peer->options.crypto;
    bool needs_signature = !known || machine == peer->own || machine == sender ||
                           record->first.index >= machine->head_first ||
                           record->first.index + record->n > machine->next;
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
    return machine == NULL ? CHAIN_REFUSED : new_samples(peer, sender, machine, &arrival);
}
