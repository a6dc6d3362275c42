#include "peer/history.h"

#include <assert.h>

#include "peer/state.h"

void ob_history_add(struct ob_peer *peer, uint64_t first, uint64_t end, const struct ob_hash *hash) {
    peer->history.entries[peer->history.count++ % OWN_HISTORY] = (struct own_entry){first, end, *hash};
}

void ob_history_cut(struct ob_peer *peer) {
    while (peer->history.count > 0 && ob_history_back(peer, 1)->end > peer->own->chain.next)
        peer->history.count--;
}

size_t ob_history_kept(const struct ob_peer *peer) {
    return peer->history.count < OWN_HISTORY ? peer->history.count : OWN_HISTORY;
}

const struct own_entry *ob_history_back(const struct ob_peer *peer, size_t back) {
    assert(back >= 1 && back <= peer->history.count);
    return &peer->history.entries[(peer->history.count - back) % OWN_HISTORY];
}

static const struct own_entry *own_entry(const struct ob_peer *peer, uint64_t sample) {
    size_t kept = ob_history_kept(peer);
    for (size_t back = 1; back <= kept; back++) {
        const struct own_entry *entry = ob_history_back(peer, back);
        if (sample >= entry->end)
            return NULL;
        if (sample >= entry->first)
            return entry;
    }
    return NULL;
}

size_t ob_history_find(const struct ob_peer *peer, const struct machine *machine, uint64_t sample,
                       uint8_t *ret_data) {
    for (size_t i = peer->effects.count; i > 0; i--) {
        const struct ob_effect *effect = &peer->effects.items[i - 1];
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

bool ob_history_at(const struct ob_peer *peer, const struct machine *machine, uint64_t sample,
                   struct own_entry *ret_entry) {
    uint8_t data[OB_RECORD_BYTES_MAX];
    struct ob_record record;
    size_t bytes = sample < machine->chain.next ? ob_history_find(peer, machine, sample, data) : 0;
    if (bytes == 0 || ob_record_decode(data, bytes, &peer->options.bounds, &record, NULL) != OB_OK)
        return false;
    *ret_entry = (struct own_entry){record.first.index, record.first.index + record.n,
                                    ob_record_hash(&peer->options.run, &record)};
    return true;
}

bool ob_history_own_at(const struct ob_peer *peer, uint64_t sample, struct own_entry *ret_entry) {
    const struct own_entry *entry = own_entry(peer, sample);
    if (entry == NULL)
        return ob_history_at(peer, peer->own, sample, ret_entry);
    *ret_entry = *entry;
    return true;
}
