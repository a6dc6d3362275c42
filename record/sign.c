#include "record/sign.h"

#include <assert.h>
#include <sodium/crypto_sign_ed25519.h>

static_assert(OB_SECRET_KEY_BYTES == crypto_sign_ed25519_SECRETKEYBYTES, "libsodium's secret key");
static_assert(OB_SIGNATURE_BYTES == crypto_sign_ed25519_BYTES, "libsodium's signature");
static_assert(OB_KEY_BYTES == crypto_sign_ed25519_PUBLICKEYBYTES, "libsodium's public key");

void ob_record_ed25519_sign(void *secret_key, const void *message, size_t bytes,
                            uint8_t ret_signature[OB_SIGNATURE_BYTES]) {
    assert(secret_key != NULL);
    int failed = crypto_sign_ed25519_detached(ret_signature, NULL, message, bytes, secret_key);
    assert(!failed);
    (void)failed;
}

bool ob_record_ed25519_verify(void *context, const struct ob_machine_id *machine, const void *message,
                              size_t bytes, const uint8_t signature[OB_SIGNATURE_BYTES]) {
    (void)context;
    return crypto_sign_ed25519_verify_detached(signature, message, bytes, machine->key) == 0;
}
