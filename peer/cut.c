/* cut - records of a machine that do not count: those above its cut, of rounds after its certificate's last
 * one, and all of them without a certificate. They are neither applied nor stored nor fetched; those that are
 * in the log when a cut arrives are taken out again, exactly. */
#include <assert.h>

#include "peer/state.h"

size_t ob_cut_find(const struct ob_peer *peer, const struct machine *machine, uint64_t sample,
                   uint8_t *ret_data) {
    for (size_t i = peer->effects_count; i > 0; i--) {
        const struct ob_effect *effect = &peer->effects[i - 1];
        const struct ob_record *record = &effect->record;
        if ((effect->kind == OB_EFFECT_PERSIST || effect->kind == OB_EFFECT_PERSIST_OWN) &&
            ob_machine_equal(&effect->machine, &machine->id) && record->first.index <= sample &&
            sample < record->first.index + record->n)
            return ob_record_encode(record, ret_data);
    }
    const struct ob_peer_store *store = &peer->options.store;
    size_t bytes = store->find == NULL
                       ? 0
                       : store->find(store->context, &machine->id, (struct ob_sample){sample}, ret_data);
    assert(bytes <= OB_RECORD_BYTES_MAX);
    return bytes;
}

bool ob_cut_allows(const struct machine *machine, const struct ob_record *record) {
    return machine->certified && record->first.index + record->n <= machine->cut &&
           record->round.index <= machine->last_round;
}

/* The record that ends at or before `bound`, as the chain's new head; false: none, the chain ends at 0. A
 * record that cannot be read ends it at 0 as well: what counts of it is fetched again. */
static bool head_below(const struct ob_peer *peer, const struct machine *machine, uint64_t bound,
                       uint8_t *data, struct ob_record *ret_head) {
    while (bound > 0) {
        size_t bytes = ob_cut_find(peer, machine, bound - 1, data);
        struct ob_record record;
        if (bytes == 0 || ob_record_decode(data, bytes, &peer->options.bounds, &record, NULL) != OB_OK ||
            record.first.index >= bound)
            return false;
        if (record.first.index + record.n <= bound && record.round.index <= machine->last_round) {
            *ret_head = record;
            return true;
        }
        bound = record.first.index;
    }
    return false;
}

static void drop_own_history(struct ob_peer *peer) {
    while (peer->own_count > 0 &&
           peer->own_history[(peer->own_count - 1) % OWN_HISTORY].end > peer->own->next)
        peer->own_count--;
}

static void set_head(struct ob_peer *peer, struct machine *machine, const struct ob_record *head) {
    machine->has_records = head != NULL;
    machine->next = machine->head_first = 0;
    machine->head_round = 0;
    machine->head = (struct ob_hash){{0}};
    if (head != NULL) {
        machine->head_first = head->first.index;
        machine->next = head->first.index + head->n;
        machine->head_round = head->round.index;
        machine->head = ob_record_hash(&peer->options.run, head);
    }
    ob_digest_touch(&peer->digests->log, &machine->id);
    ob_named_cut(peer, machine);
}

/* What was wanted of it ends; what still counts is claimed again by those who hold it. */
static void stop_fetching(struct ob_peer *peer, struct machine *machine) {
    ob_repair_close(peer, machine);
    machine->target = machine->next;
    if (machine->rejoin_target > machine->next)
        machine->rejoin_target = machine->next;
}

void ob_cut_enforce(struct ob_peer *peer, struct machine *machine) {
    uint8_t data[OB_RECORD_BYTES_MAX];
    struct ob_record head;
    uint64_t bound = machine->certified ? machine->cut : 0, before = machine->next;
    if (machine->target > bound)
        stop_fetching(peer, machine);
    if (!machine->has_records || (machine->next <= bound && machine->head_round <= machine->last_round))
        return;
    if (bound > machine->next)
        bound = machine->next;
    set_head(peer, machine, head_below(peer, machine, bound, data, &head) ? &head : NULL);
    assert(machine->next < before && machine->next <= bound);
    stop_fetching(peer, machine);
    machine->paced = false; /* until it is heard with what counts of it */
    struct ob_effect *unapply = ob_effects_add(peer, OB_EFFECT_UNAPPLY);
    unapply->machine = machine->id;
    unapply->first.index = machine->next;
    ob_effects_tell(peer, OB_NOTICE_CUT, &machine->id,
                    "its samples from %llu on count no more: %llu are taken out",
                    (unsigned long long)machine->next, (unsigned long long)(before - machine->next));
    if (machine != peer->own)
        return;
    drop_own_history(peer);
    if (peer->life != OB_PEER_HALTED) /* what was signed once must not be signed again */
        ob_effects_halt(
            peer, "records of ours count no more (our certificate changed); this machine needs a new key");
}

void ob_cut_complete(struct ob_peer *peer, struct machine *machine) {
    machine->complete = true;
    peer->counters.uncounted++;
    stop_fetching(peer, machine);
}
