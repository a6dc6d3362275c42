/* sign - Ed25519 over whole messages, in the shape that ob_peer_crypto wants.
 * Threads: pure functions.
 * Source:  RFC 8032. */
#ifndef OB_RECORD_SIGN_H
#define OB_RECORD_SIGN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/ids.h"

#define OB_SECRET_KEY_BYTES 64 /* libsodium's form: seed ‖ public key */
#define OB_SIGNATURE_BYTES  64

/* secret_key: OB_SECRET_KEY_BYTES; a `void *` so that it fits as a callback's context. */
void ob_record_ed25519_sign(void *secret_key, const void *message, size_t bytes,
                            uint8_t ret_signature[OB_SIGNATURE_BYTES]);
/* context: not used. */
bool ob_record_ed25519_verify(void *context, const struct ob_machine_id *machine, const void *message,
                              size_t bytes, const uint8_t signature[OB_SIGNATURE_BYTES]);

/* How signatures are verified, where large simulations hand in something cheaper. */
struct ob_verifier {
    void *context;
    bool (*verify)(void *context, const struct ob_machine_id *machine, const void *message, size_t bytes,
                   const uint8_t signature[OB_SIGNATURE_BYTES]);
};
static const struct ob_verifier OB_VERIFIER_ED25519 = {NULL, ob_record_ed25519_verify};

#endif
