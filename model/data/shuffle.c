#include "model/data/shuffle.h"

#include <assert.h>
#include <sodium.h>

#include "base/cursor.h"

#define ROUNDS 8

static uint64_t splitmix64(uint64_t state) {
    uint64_t z = state + 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

uint64_t ob_shuffle_seed(uint64_t seed, const uint8_t *owner, size_t bytes) {
    static const uint8_t LABEL[16] = "onebyte/rows";
    uint8_t number[8], hash[16];
    struct ob_writer writer = ob_writer_init(number, sizeof number);
    crypto_generichash_state state;
    ob_write_u64(&writer, seed);
    crypto_generichash_init(&state, LABEL, sizeof LABEL, sizeof hash);
    crypto_generichash_update(&state, number, sizeof number);
    crypto_generichash_update(&state, owner, bytes);
    crypto_generichash_final(&state, hash, sizeof hash);
    return ob_load_u64(hash);
}

struct ob_shuffle_batch ob_shuffle_batch(uint64_t items, uint64_t sequences, uint64_t draw) {
    assert(items > 0 && items <= UINT32_MAX && sequences > 0);
    uint64_t batches = (items - 1) / sequences + 1, batch = draw % batches;
    uint64_t first = items * batch / batches, end = items * (batch + 1) / batches;
    return (struct ob_shuffle_batch){.epoch = draw / batches, .first = first, .count = end - first};
}

/* A permutation of [0, 4^half_bits). */
static uint64_t permute(uint64_t value, unsigned half_bits, uint64_t key) {
    uint64_t mask = (1ull << half_bits) - 1;
    uint64_t left = value >> half_bits, right = value & mask;
    for (uint64_t round = 0; round < ROUNDS; round++) {
        uint64_t mixed = left ^ (splitmix64(key ^ splitmix64(round << 32 | right)) & mask);
        left = right;
        right = mixed;
    }
    return left << half_bits | right;
}

uint64_t ob_shuffle_item(uint64_t items, uint64_t seed, uint64_t epoch, uint64_t place) {
    assert(place < items && items <= UINT32_MAX);
    unsigned half_bits = 1;
    while (items > 1ull << 2 * half_bits)
        half_bits++;
    uint64_t key = splitmix64(splitmix64(seed) ^ epoch), item = place;
    do
        item = permute(item, half_bits, key);
    while (item >= items);
    return item;
}
