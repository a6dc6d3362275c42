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
    bool open = peer->options.open;
    *slot = (struct machine){.id = *id,
                             .cut = UINT64_MAX,
                             .last_round = OB_CONTROL_NEVER,
                             .certified = open,
                             .admitted = open,
                             .told_admitted = open,
                             .last_record_ns = peer->now_ns};
    ob_admission_stale(peer, slot);
    return slot;
}

bool ob_machines_only_claimed(const struct ob_peer *peer, const struct machine *machine) {
    bool belongs = !peer->options.open && (machine->certified || machine->told_admitted);
    bool in_table = machine->stale || machine->goodbye || machine->forked || machine->revoked || belongs;
    return machine != peer->own && !machine->has_records && !machine->expected && !machine->linked &&
           machine->spoke_ns == 0 && !in_table && machine->asks_open == 0;
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
    if (machine == NULL)
        ob_effects_full(peer, id, "the table of machines is full");
    return machine;
}

bool ob_machines_left(const struct machine *machine) {
    return machine->goodbye && machine->goodbye_next >= machine->next;
}

/* BLAKE2b-256(for each machine with records, sorted by key: key ‖ le64(next) ‖ head) */
static struct ob_hash hash_leaf_below(const struct ob_peer *peer, uint8_t first_byte, uint32_t below) {
    struct ob_hasher hasher;
    bool any = false;
    ob_hasher_init(&hasher);
    for (size_t i = position_of(peer, &(struct ob_machine_id){{first_byte}}); i < peer->count; i++) {
        const struct machine *machine = peer->order[i];
        if (machine->id.key[0] != first_byte)
            break;
        uint64_t next;
        struct ob_hash head;
        if (!ob_named_end(machine, below, &next, &head) || next == 0)
            continue;
        any = true;
        ob_hasher_add(&hasher, machine->id.key, OB_KEY_BYTES);
        ob_hasher_add_u64(&hasher, next);
        ob_hasher_add(&hasher, head.bytes, OB_HASH_BYTES);
    }
    return any ? ob_hasher_end(&hasher) : (struct ob_hash){{0}};
}

static struct ob_hash hash_leaf(const struct ob_peer *peer, uint8_t first_byte) {
    return hash_leaf_below(peer, first_byte, OB_ROUNDS_ALL);
}

static struct ob_hash hash_named_leaf(const struct ob_peer *peer, uint8_t first_byte) {
    return hash_leaf_below(peer, first_byte, peer->named.below);
}

struct ob_hash ob_machines_log_digest(const struct ob_peer *peer) {
    return ob_digest_root(&peer->digests->log, "onebyte/log/two/", hash_leaf, peer);
}

struct ob_hash ob_machines_log_digest_below(const struct ob_peer *peer) {
    ob_digest_touch_all(&peer->digests->named);
    return ob_digest_root(&peer->digests->named, "onebyte/log/two/", hash_named_leaf, peer);
}
