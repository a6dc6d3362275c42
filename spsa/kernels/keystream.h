/* keystream - random bits of a sample: ChaCha20-IETF (RFC 8439) by libsodium, the definition that vector
 * kernels are compared with.
 *
 * The nonce is le32(tensor) ‖ le32(use) ‖ 0^4; spsa/direction.h says what the uses are.
 * Pure functions. */
#ifndef OB_SPSA_KERNELS_KEYSTREAM_H
#define OB_SPSA_KERNELS_KEYSTREAM_H

#include <stddef.h>
#include <stdint.h>

#define OB_SPSA_BLOCK_BYTES    64
#define OB_SPSA_BLOCK_ELEMENTS 512

struct ob_spsa_key {
    uint8_t bytes[32];
};

/* `bytes` bytes of the stream from block `first_block` on. */
void ob_spsa_keystream(const struct ob_spsa_key *key, uint32_t tensor, uint32_t use, uint32_t first_block,
                       size_t bytes, uint8_t *ret_stream);

#endif
