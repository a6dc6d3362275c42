#include "record/hash.h"

#include <assert.h>

#include "base/cursor.h"

void ob_hasher_init(struct ob_hasher *hasher) {
    int failed = crypto_generichash_init(&hasher->state, NULL, 0, OB_HASH_BYTES);
    assert(!failed);
    (void)failed;
}

void ob_hasher_add(struct ob_hasher *hasher, const void *data, size_t bytes) {
    int failed = crypto_generichash_update(&hasher->state, data, bytes);
    assert(!failed);
    (void)failed;
}

void ob_hasher_add_u64(struct ob_hasher *hasher, uint64_t value) {
    uint8_t bytes[8];
    ob_store_u64(bytes, value);
    ob_hasher_add(hasher, bytes, sizeof bytes);
}

struct ob_hash ob_hasher_end(struct ob_hasher *hasher) {
    struct ob_hash hash;
    int failed = crypto_generichash_final(&hasher->state, hash.bytes, sizeof hash.bytes);
    assert(!failed);
    (void)failed;
    return hash;
}

struct ob_hash ob_hash_of(const void *data, size_t bytes) {
    struct ob_hasher hasher;
    ob_hasher_init(&hasher);
    ob_hasher_add(&hasher, data, bytes);
    return ob_hasher_end(&hasher);
}
