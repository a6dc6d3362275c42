#include "spsa/kernels/keystream.h"

#include <sodium.h>
#include <string.h>

#include "base/cursor.h"

/* The IETF variant: 32-bit block counter, 96-bit nonce. */
void ob_spsa_keystream(const struct ob_spsa_key *key, uint32_t tensor, uint32_t use, uint32_t first_block,
                       size_t bytes, uint8_t *ret_stream) {
    uint8_t nonce[crypto_stream_chacha20_ietf_NONCEBYTES] = {0};
    ob_store_u32(nonce, tensor);
    ob_store_u32(nonce + 4, use);
    memset(ret_stream, 0, bytes);
    crypto_stream_chacha20_ietf_xor_ic(ret_stream, ret_stream, bytes, nonce, first_block, key->bytes);
}
