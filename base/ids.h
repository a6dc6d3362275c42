/* ids - one-field structs, so that the compiler catches a mix-up of numbers that count different things. */
#ifndef OB_BASE_IDS_H
#define OB_BASE_IDS_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define OB_KEY_BYTES  32 /* Ed25519 and CURVE public keys */
#define OB_HASH_BYTES 32 /* BLAKE2b-256 */

struct ob_machine_id {
    uint8_t key[OB_KEY_BYTES]; /* the machine's Ed25519 public key */
};
struct ob_hash {
    uint8_t bytes[OB_HASH_BYTES];
};
struct ob_run_id {
    struct ob_hash hash; /* BLAKE2b-256 of the manifest's bytes */
};
struct ob_sample {
    uint64_t index; /* the n-th SPSA evaluation of one machine, from 0 */
};
struct ob_round {
    uint32_t index; /* from 0 */
};

static inline int ob_machine_compare(const struct ob_machine_id *a, const struct ob_machine_id *b) {
    return memcmp(a->key, b->key, OB_KEY_BYTES);
}
static inline bool ob_machine_equal(const struct ob_machine_id *a, const struct ob_machine_id *b) {
    return ob_machine_compare(a, b) == 0;
}
static inline bool ob_hash_equal(const struct ob_hash *a, const struct ob_hash *b) {
    return memcmp(a->bytes, b->bytes, OB_HASH_BYTES) == 0;
}

#endif
