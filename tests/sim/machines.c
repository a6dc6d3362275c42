#include "tests/sim/machines.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>

#include "base/cursor.h"
#include "record/sign.h"

static uint64_t mix(uint64_t state, uint64_t word) {
    state = (state ^ word) * 0x9fb21c651e98df25ull;
    return state ^ (state >> 29);
}

static void cheap_signature(const struct ob_machine_id *machine, const uint8_t *message, size_t bytes,
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

static void cheap_sign(void *context, const void *message, size_t bytes, uint8_t ret_signature[64]) {
    const struct sim_machine *machine = context;
    cheap_signature(&machine->id, message, bytes, ret_signature);
}

static bool cheap_verify(void *context, const struct ob_machine_id *machine, const void *message,
                         size_t bytes, const uint8_t signature[64]) {
    (void)context;
    uint8_t expected[64];
    cheap_signature(machine, message, bytes, expected);
    return memcmp(expected, signature, sizeof expected) == 0;
}

void sim_machine_init(struct sim_machine *machine, struct test_random *random, bool ed25519) {
    uint8_t seed[crypto_sign_ed25519_SEEDBYTES];
    static_assert(sizeof seed == OB_KEY_BYTES, "a cheap key is as long as a seed");
    for (size_t i = 0; i < sizeof seed; i++)
        seed[i] = (uint8_t)test_random_next(random);
    *machine = (struct sim_machine){.ed25519 = ed25519, .honest = true, .forked_at = UINT64_MAX};
    memcpy(machine->id.key, seed, sizeof seed);
    if (ed25519 && crypto_sign_ed25519_seed_keypair(machine->id.key, machine->secret_key, seed) != 0)
        abort();
}

struct ob_peer_crypto sim_machine_crypto(struct sim_machine *machine) {
    if (machine->ed25519)
        return (struct ob_peer_crypto){machine->secret_key, ob_record_ed25519_sign, ob_record_ed25519_verify};
    return (struct ob_peer_crypto){machine, cheap_sign, cheap_verify};
}

void sim_machine_sign(struct sim_machine *machine, const void *message, size_t bytes,
                      uint8_t ret_signature[64]) {
    struct ob_peer_crypto crypto = sim_machine_crypto(machine);
    crypto.sign(crypto.context, message, bytes, ret_signature);
}
