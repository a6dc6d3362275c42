/* hash - BLAKE2b-256 in pieces or at once: the one hash of records, digests and names.
 * Threads: pure functions; a hasher belongs to its caller.
 * Source:  RFC 7693. */
#ifndef OB_RECORD_HASH_H
#define OB_RECORD_HASH_H

#include <sodium/crypto_generichash.h>
#include <stddef.h>

#include "base/ids.h"

struct ob_hasher {
    crypto_generichash_state state;
};

void ob_hasher_init(struct ob_hasher *hasher);
void ob_hasher_add(struct ob_hasher *hasher, const void *data, size_t bytes);
void ob_hasher_add_u64(struct ob_hasher *hasher, uint64_t value); /* little-endian */
struct ob_hash ob_hasher_end(struct ob_hasher *hasher);

struct ob_hash ob_hash_of(const void *data, size_t bytes);

#endif
