#include "peer/relay.h"

#include <assert.h>
#include <string.h>

#include "peer/effects.h"
#include "peer/machines.h"
#include "peer/message.h"
#include "peer/state.h"

#define RELAY_EVERY_NS (1 * SECONDS)
#define RELAY_BURST    16 /* records of one machine relayed in RELAY_EVERY_NS */

static bool allowed(const struct ob_peer *peer, struct machine *machine) {
    if (machine->fetch.target > machine->chain.next)
        return false;
    if (machine->relay.count > 0 && peer->now_ns - machine->relay.since_ns < RELAY_EVERY_NS)
        return machine->relay.count < RELAY_BURST;
    machine->relay.since_ns = peer->now_ns;
    machine->relay.count = 0;
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
    machine->relay.count++;
    peer->counters.relayed++;
}
