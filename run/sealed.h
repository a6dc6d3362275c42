/* sealed - an authority's key under a passphrase, as a file of one line:
 *
 *   "onebyte-sealed-1 " PUBLIC " " OPS " " KIB " " SALT " " NONCE " " BOX
 *
 *   PUBLIC  64 hexadecimal digits: the public key, to be seen without the passphrase
 *   OPS     1 … 16, and KIB, 8 … 1048576: passes and memory of Argon2id
 *   SALT    32 digits; NONCE 48 digits
 *   BOX     96 digits: XSalsa20-Poly1305 of the 32 bytes of the seed, under the key that Argon2id makes of passphrase and
 *           salt
 *
 * Errors:  OB_EFORMAT (the file), OB_EREFUSED (the passphrase is wrong), OB_ENOMEM (Argon2id's memory).
 * Owns:    nothing; secrets are wiped.
 * Threads: pure functions.
 * Source:  RFC 9106; libsodium's crypto_pwhash, crypto_secretbox. */
#ifndef OB_RUN_SEALED_H
#define OB_RUN_SEALED_H

#include "transport/identity.h"

#define OB_SEALED_TEXT_MAX       512
#define OB_SEALED_PASSPHRASE_MAX 1024 /* bytes */

struct ob_sealed {
    struct ob_machine_id machine;
    uint32_t passes, kib;
    uint8_t salt[16], nonce[24], box[48];
};

OB_MUST_USE enum ob_err ob_sealed_parse(const char *name, const char *text, size_t bytes,
                                        struct ob_sealed *ret_sealed, struct ob_error *error);
/* ret_text: with a newline and a NUL. */
void ob_sealed_write(const struct ob_sealed *sealed, char ret_text[static OB_SEALED_TEXT_MAX]);

OB_MUST_USE enum ob_err ob_sealed_open(const char *name, const struct ob_sealed *sealed,
                                       const char *passphrase, struct ob_identity *ret_identity,
                                       struct ob_error *error);
/* With 256 MB and three passes, about a second. */
OB_MUST_USE enum ob_err ob_sealed_seal(const struct ob_identity *identity, const char *passphrase,
                                       struct ob_sealed *ret_sealed, struct ob_error *error);

#endif
