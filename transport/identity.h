/* identity - a machine's Ed25519 key pair as a file.
 *
 * The file, mode 0600, is text: one line "onebyte-identity-1 <64 hex digits of the seed>\n". The public key
 * is written beside it as FILE.pub: "<64 hex digits>\n".
 * Errors: OB_EREFUSED when the file's mode lets others read it, or it is not ours; OB_EFORMAT; OB_ENOTFOUND;
 * OB_EBUSY when a file to be written already exists. Secrets are wiped on every path. */
#ifndef OB_TRANSPORT_IDENTITY_H
#define OB_TRANSPORT_IDENTITY_H

#include "base/err.h"
#include "base/ids.h"

#define OB_HEX_KEY_MAX (2 * OB_KEY_BYTES + 1)

struct ob_identity {
    struct ob_machine_id machine;
    uint8_t secret_key[64]; /* libsodium's form: seed ‖ public key */
};

void ob_identity_generate(struct ob_identity *ret_identity);
OB_MUST_USE enum ob_err ob_identity_save(const struct ob_identity *identity, const char *path,
                                         struct ob_error *error);
OB_MUST_USE enum ob_err ob_identity_load(const char *path, struct ob_identity *ret_identity,
                                         struct ob_error *error);
void ob_identity_wipe(struct ob_identity *identity);

/* Public keys as 64 lower-case hex digits. */
void ob_machine_to_text(const struct ob_machine_id *machine, char ret_text[static OB_HEX_KEY_MAX]);
OB_MUST_USE enum ob_err ob_machine_from_text(const char *text, struct ob_machine_id *ret_machine,
                                             struct ob_error *error);

#endif
