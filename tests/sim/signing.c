#include <string.h>

#include "base/cursor.h"
#include "tests/sim/cluster.h"

static uint64_t mix(uint64_t state, uint64_t word) {
    state = (state ^ word) * 0x9fb21c651e98df25ull;
    return state ^ (state >> 29);
}

static void signature_of(const struct ob_machine_id *machine, const uint8_t *message, size_t bytes,
                         uint8_t ret_signature[64]) {
    uint64_t state = bytes;
    for (size_t i = 0; i < OB_KEY_BYTES; i += 8)
        state = mix(state, ob_load_u64(machine->key + i));
    for (; bytes >= 8; bytes -= 8, message += 8)
        state = mix(state, ob_load_u64(message));
    for (; bytes > 0; bytes--, message++)
        state = mix(state, *message);
    for (size_t i = 0; i < 64; i += 8)
        ob_store_u64(ret_signature + i, state = mix(state, i));
}

void sim_sign(void *context, const void *message, size_t bytes, uint8_t ret_signature[64]) {
    const struct sim_node *node = context;
    signature_of(&node->id, message, bytes, ret_signature);
}

bool sim_verify(void *context, const struct ob_machine_id *machine, const void *message, size_t bytes,
                const uint8_t signature[64]) {
    (void)context;
    uint8_t expected[64];
    signature_of(machine, message, bytes, expected);
    return memcmp(expected, signature, sizeof expected) == 0;
}
