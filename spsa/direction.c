#include "spsa/direction.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

#include "base/cursor.h"
#include "spsa/kernels/gaussian.h"

#define LABEL "onebyte/z"

static const struct {
    const char *name;
    size_t block_elements;
    int bits_below;
} DISTRIBUTIONS[OB_SPSA_DISTRIBUTION_COUNT] = {
    [OB_SPSA_RADEMACHER] = {"rademacher", OB_SPSA_BLOCK_ELEMENTS, 0},
    [OB_SPSA_GAUSSIAN] = {"gaussian", OB_SPSA_BLOCK_BYTES, OB_SPSA_GAUSSIAN_BITS},
};

const char *ob_spsa_distribution_name(enum ob_spsa_distribution distribution) {
    return DISTRIBUTIONS[distribution].name;
}

int ob_spsa_distribution_from_name(const char *name) {
    for (int i = 0; i < OB_SPSA_DISTRIBUTION_COUNT; i++)
        if (strcmp(name, DISTRIBUTIONS[i].name) == 0)
            return i;
    return -1;
}

size_t ob_spsa_block_elements(enum ob_spsa_distribution distribution) {
    return DISTRIBUTIONS[distribution].block_elements;
}

int ob_spsa_direction_bits_below(enum ob_spsa_distribution distribution) {
    return DISTRIBUTIONS[distribution].bits_below;
}

struct ob_spsa_key ob_spsa_direction_key(const struct ob_run_id *run, const struct ob_machine_id *machine,
                                         struct ob_sample sample) {
    uint8_t message[sizeof LABEL - 1 + OB_KEY_BYTES + 8];
    struct ob_writer writer = ob_writer_init(message, sizeof message);
    ob_write_bytes(&writer, LABEL, sizeof LABEL - 1);
    ob_write_bytes(&writer, machine->key, OB_KEY_BYTES);
    ob_write_u64(&writer, sample.index);
    assert(!writer.failed && writer.used == sizeof message);
    struct ob_spsa_key key;
    crypto_generichash(key.bytes, sizeof key.bytes, message, sizeof message, run->hash.bytes, OB_HASH_BYTES);
    return key;
}

void ob_spsa_direction_bits(const struct ob_spsa_key *key, uint32_t tensor, uint32_t first_block,
                            size_t blocks, uint8_t *ret_bits) {
    assert(first_block + (uint64_t)blocks <= (uint64_t)1 << 32);
    ob_spsa_keystream(key, tensor, OB_SPSA_USE_DIRECTION, first_block, blocks * OB_SPSA_BLOCK_BYTES,
                      ret_bits);
}

static uint64_t randomness(const struct ob_spsa_key *key, uint32_t tensor, uint32_t use) {
    uint8_t block[8];
    ob_spsa_keystream(key, tensor, use, 0, sizeof block, block);
    return ob_load_u64(block);
}

uint64_t ob_spsa_step_randomness(const struct ob_spsa_key *key, uint32_t tensor) {
    return randomness(key, tensor, OB_SPSA_USE_STEP);
}

uint64_t ob_spsa_byte_randomness(const struct ob_spsa_key *key) {
    return randomness(key, 0, OB_SPSA_USE_BYTE);
}
