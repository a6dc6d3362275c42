#include <assert.h>

#include "peer/state.h"
#include "record/hash.h"

static size_t position_of(const struct ob_peer *peer, const struct ob_machine_id *id) {
    size_t low = 0, high = peer->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (ob_machine_compare(&peer->order[middle]->id, id) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct machine *ob_machines_find(const struct ob_peer *peer, const struct ob_machine_id *id) {
    size_t position = position_of(peer, id);
    if (position == peer->count || !ob_machine_equal(&peer->order[position]->id, id))
        return NULL;
    return peer->order[position];
}

static struct machine *free_slot(struct ob_peer *peer) {
    if (peer->spare_count > 0)
        return peer->spare[--peer->spare_count];
    if (peer->fresh < peer->capacity)
        return &peer->slots[peer->fresh++];
    return NULL;
}

static struct machine *insert(struct ob_peer *peer, const struct ob_machine_id *id, struct machine *slot) {
    assert(peer->count < peer->capacity);
    size_t position = position_of(peer, id);
    memmove(&peer->order[position + 1], &peer->order[position],
            (peer->count - position) * sizeof(struct machine *));
    peer->order[position] = slot;
    peer->count++;
    *slot = (struct machine){.id = *id, .cut = UINT64_MAX, .last_record_ns = peer->now_ns};
    return slot;
}

bool ob_machines_only_claimed(const struct ob_peer *peer, const struct machine *machine) {
    return machine != peer->own && !machine->has_records && !machine->expected && !machine->linked &&
           machine->spoke_ns == 0 && !machine->goodbye && machine->asks_open == 0;
}

void ob_machines_give_back(struct ob_peer *peer, struct machine *machine) {
    assert(ob_machines_only_claimed(peer, machine));
    ob_repair_close(peer, machine);
    size_t position = position_of(peer, &machine->id);
    assert(position < peer->count && peer->order[position] == machine);
    memmove(&peer->order[position], &peer->order[position + 1],
            (peer->count - position - 1) * sizeof(struct machine *));
    peer->count--;
    peer->spare[peer->spare_count++] = machine;
}

static void make_way(struct ob_peer *peer) {
    for (size_t i = 0; i < peer->count; i++)
        if (ob_machines_only_claimed(peer, peer->order[i])) {
            ob_machines_give_back(peer, peer->order[i]);
            return;
        }
}

struct machine *ob_machines_take_claimed(struct ob_peer *peer, const struct ob_machine_id *id) {
    struct machine *machine = ob_machines_find(peer, id);
    if (machine != NULL)
        return machine;
    struct machine *slot = free_slot(peer);
    return slot == NULL ? NULL : insert(peer, id, slot);
}

struct machine *ob_machines_take(struct ob_peer *peer, const struct ob_machine_id *id) {
    struct machine *machine = ob_machines_find(peer, id);
    if (machine != NULL)
        return machine;
    if (peer->count == peer->capacity)
        make_way(peer);
    machine = ob_machines_take_claimed(peer, id);
    if (machine == NULL) {
        peer->counters.refused++;
        if (peer->told_full_ns == 0 || peer->now_ns - peer->told_full_ns >= TELL_EVERY_NS) {
            peer->told_full_ns = peer->now_ns;
            ob_effects_tell(peer, OB_NOTICE_REFUSED, id,
                            "the table of machines is full (%zu): another machine cannot be taken in",
                            peer->capacity);
        }
    }
    return machine;
}

bool ob_machines_left(const struct machine *machine) {
    return machine->goodbye && machine->goodbye_next >= machine->next;
}

/* BLAKE2b-256("onebyte/log" ‖ for each machine with records, sorted by key: key ‖ le64(next) ‖ head) */
struct ob_hash ob_machines_log_digest(const struct ob_peer *peer) {
    if (peer->digests->log_known)
        return peer->digests->log;
    struct ob_hasher hasher;
    ob_hasher_init(&hasher);
    ob_hasher_add(&hasher, "onebyte/log", 11);
    for (size_t i = 0; i < peer->count; i++) {
        const struct machine *machine = peer->order[i];
        if (!machine->has_records)
            continue;
        ob_hasher_add(&hasher, machine->id.key, OB_KEY_BYTES);
        ob_hasher_add_u64(&hasher, machine->next);
        ob_hasher_add(&hasher, machine->head.bytes, OB_HASH_BYTES);
    }
    peer->digests->log = ob_hasher_end(&hasher);
    peer->digests->log_known = true;
    return peer->digests->log;
}
