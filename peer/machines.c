#include "peer/machines.h"

#include <assert.h>
#include <string.h>

#include "peer/asks.h"
#include "peer/effects.h"
#include "peer/state.h"

static size_t position_of(const struct ob_peer *peer, const struct ob_machine_id *id) {
    size_t low = 0, high = peer->machines.count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (ob_machine_compare(&peer->machines.order[middle]->id, id) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct machine *ob_machines_find(const struct ob_peer *peer, const struct ob_machine_id *id) {
    size_t position = position_of(peer, id);
    if (position == peer->machines.count || !ob_machine_equal(&peer->machines.order[position]->id, id))
        return NULL;
    return peer->machines.order[position];
}

size_t ob_machines_first(const struct ob_peer *peer, uint8_t first_byte) {
    return position_of(peer, &(struct ob_machine_id){{first_byte}});
}

static struct machine *free_slot(struct ob_peer *peer) {
    if (peer->machines.spare_count > 0)
        return peer->machines.spare[--peer->machines.spare_count];
    if (peer->machines.fresh < peer->machines.capacity)
        return &peer->machines.slots[peer->machines.fresh++];
    return NULL;
}

void ob_machines_stale(struct ob_peer *peer, struct machine *machine) {
    machine->standing.stale = true;
    peer->admission.work = true;
}

void ob_machines_stale_all(struct ob_peer *peer) {
    for (size_t i = 0; i < peer->machines.count; i++)
        peer->machines.order[i]->standing.stale = true;
    peer->admission.work = true;
}

static struct machine *insert(struct ob_peer *peer, const struct ob_machine_id *id, struct machine *slot) {
    assert(peer->machines.count < peer->machines.capacity);
    size_t position = position_of(peer, id);
    memmove(&peer->machines.order[position + 1], &peer->machines.order[position],
            (peer->machines.count - position) * sizeof(struct machine *));
    peer->machines.order[position] = slot;
    peer->machines.count++;
    bool open = peer->options.open;
    *slot = (struct machine){.id = *id,
                             .standing = {.cut = UINT64_MAX,
                                          .last_round = OB_CONTROL_NEVER,
                                          .certified = open,
                                          .admitted = open,
                                          .told_admitted = open},
                             .pacing.last_record_ns = peer->now_ns};
    ob_machines_stale(peer, slot);
    return slot;
}

bool ob_machines_only_claimed(const struct ob_peer *peer, const struct machine *machine) {
    bool belongs = !peer->options.open && (machine->standing.certified || machine->standing.told_admitted);
    bool in_table = machine->standing.stale || machine->standing.goodbye || machine->standing.forked ||
                    machine->standing.revoked || belongs;
    return machine != peer->own && !machine->chain.has_records && !machine->contact.expected &&
           !machine->contact.linked && machine->contact.spoke_ns == 0 && !in_table &&
           machine->fetch.open == 0;
}

void ob_machines_give_back(struct ob_peer *peer, struct machine *machine) {
    assert(ob_machines_only_claimed(peer, machine));
    ob_asks_close(peer, machine);
    size_t position = position_of(peer, &machine->id);
    assert(position < peer->machines.count && peer->machines.order[position] == machine);
    memmove(&peer->machines.order[position], &peer->machines.order[position + 1],
            (peer->machines.count - position - 1) * sizeof(struct machine *));
    peer->machines.count--;
    peer->machines.spare[peer->machines.spare_count++] = machine;
}

static void make_way(struct ob_peer *peer) {
    for (size_t i = 0; i < peer->machines.count; i++)
        if (ob_machines_only_claimed(peer, peer->machines.order[i])) {
            ob_machines_give_back(peer, peer->machines.order[i]);
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
    if (peer->machines.count == peer->machines.capacity)
        make_way(peer);
    machine = ob_machines_take_claimed(peer, id);
    if (machine == NULL)
        ob_effects_full(peer, id, "the table of machines is full");
    return machine;
}

bool ob_machines_left(const struct machine *machine) {
    return machine->standing.goodbye && machine->standing.goodbye_next >= machine->chain.next;
}

void ob_machines_joined(struct ob_peer *peer, struct machine *machine) {
    if (machine->contact.joined || machine == peer->own)
        return;
    machine->contact.joined = true;
    ob_effects_tell(peer, OB_NOTICE_JOINED, &machine->id, "first message since our start");
}
