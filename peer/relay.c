/* relay - what is new to us is published onwards, so that records reach everybody over an overlay in which
 * each machine is connected to a few others only.
 *
 * A record is taken into its chain once, so it is relayed at most once; a copy of it is a duplicate and goes
 * no further. Bounded: at most RELAY_BURST records of one machine in RELAY_EVERY_NS, and none of a chain of
 * which later records are still missing, so that catching up with a long log floods nobody. Relaying is
 * haste, not correctness: what is not relayed is found by frontiers and fetched. */
#include <assert.h>

#include "peer/state.h"

static bool allowed(const struct ob_peer *peer, struct machine *machine) {
    if (machine->target > machine->next)
        return false;
    if (machine->relayed > 0 && peer->now_ns - machine->relay_ns < RELAY_EVERY_NS)
        return machine->relayed < RELAY_BURST;
    machine->relay_ns = peer->now_ns;
    machine->relayed = 0;
    return true;
}

void ob_relay_taken(struct ob_peer *peer, const void *record, size_t bytes) {
    assert(bytes >= OB_RECORD_OVERHEAD_BYTES && bytes <= OB_RECORD_BYTES_MAX);
    if (!peer->options.relay)
        return;
    struct ob_machine_id id;
    memcpy(id.key, record, sizeof id.key);
    struct machine *machine = ob_machines_find(peer, &id);
    if (machine == NULL || machine == peer->own || !allowed(peer, machine))
        return;
    uint8_t *data = ob_effects_scratch(peer, OB_MESSAGE_HEADER_BYTES + bytes);
    if (data == NULL)
        return;
    data[0] = OB_MESSAGE_RECORD;
    data[1] = OB_PROTOCOL_VERSION;
    memcpy(data + OB_MESSAGE_HEADER_BYTES, record, bytes);
    ob_effects_publish(peer, data, OB_MESSAGE_HEADER_BYTES + bytes);
    machine->relayed++;
    peer->counters.relayed++;
}
