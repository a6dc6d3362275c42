/* token - an invitation as one string: "ob1." and base64url (RFC 4648, section 5, without padding) of
 *
 *   OFFSET SIZE FIELD
 *   0       1   version     1
 *   1      32   run         the run_id
 *   33     32   seed        of the invitation's Ed25519 key: whoever has it admits machines
 *   65     32   base_hash   of the base model's tensors
 *   97      8   base_bytes  of the base model's weights as the creator has them; 0: not told
 *   105    32   parts       name of the list of the base's files, when members share them (run/model_parts.h); or zeros
 *   137     8   trained     bytes of the exact weights of what is trained
 *   145     2   e           bytes of the entry
 *   147     e   entry       the control entry of the invitation (record/invitation.h)
 *           1+n run_name    u8 length, 1 … 127
 *           1+n base_name   u8 length, at most 127: a folder's or file's name, to look for
 *           1   places      0 … 8, each: machine 32, u8 length, name (at most 63), u8 length,
 *                           "tcp://host:port"
 *           8   checksum    the first bytes of BLAKE2b-256 of all before it
 *
 * A token is a secret as a key is, bounded by what its invitation allows (docs/decisions/0023-invitations.md).
 *
 * Errors:  OB_EFORMAT (not a token, damaged, cut off), OB_EUNSUPPORTED (a later version), OB_EREFUSED (the entry is
 *          not this run's or not of this key): texts that say what to do.
 * Owns:    nothing.
 * Threads: pure functions. */
#ifndef OB_RUN_TOKEN_H
#define OB_RUN_TOKEN_H

#include "base/limits.h"
#include "record/invited.h"
#include "transport/address.h"

#define OB_TOKEN_PREFIX     "ob1."
#define OB_TOKEN_SEED_BYTES 32
#define OB_TOKEN_PLACES_MAX 8
#define OB_TOKEN_TEXT_MAX   6144 /* with the NUL */

struct ob_token_place {
    struct ob_machine_id machine;
    char name[OB_CERTIFICATE_NAME_MAX + 1];
    char endpoint[OB_ENDPOINT_MAX];
};

struct ob_token {
    struct ob_run_id run;
    uint8_t seed[OB_TOKEN_SEED_BYTES];
    uint8_t entry[OB_CONTROL_PLAIN_BYTES_MAX];
    size_t entry_bytes;
    struct ob_hash base_hash;
    struct ob_hash parts; /* zeros: not shared */
    uint64_t base_bytes, trained_bytes;
    char run_name[OB_NAME_MAX], base_name[OB_NAME_MAX];
    struct ob_token_place places[OB_TOKEN_PLACES_MAX];
    size_t place_count;
};

/* The fields are within their bounds. */
void ob_token_encode(const struct ob_token *token, char ret_text[static OB_TOKEN_TEXT_MAX]);
/* Blanks around it are taken away. The invitation is decoded and verified; whose signature it has is for the manifest
 * to say. ret_invitation points into ret_token. */
OB_MUST_USE enum ob_err ob_token_decode(const char *text, struct ob_token *ret_token,
                                        struct ob_control *ret_invitation, struct ob_error *error);
/* The key that the seed makes, in libsodium's form. */
void ob_token_key(const struct ob_token *token, uint8_t ret_secret_key[static OB_SECRET_KEY_BYTES]);
void ob_token_wipe(struct ob_token *token);

#endif
