/* known_authority - is a key the one that admits machines to a certificate's run, as far as this machine can know without
 * asking a daemon? What is looked at, the surest first: the log of the state directory in which the certificate lies (it has
 * the rotations), else the key that signed the certificate so far.
 *
 * Errors:  OB_EMISMATCH: it is another key; the text says which one is expected and how that is known.
 *          OB_EUSAGE: a path that is too long. */
#ifndef OB_CLI_KNOWN_AUTHORITY_H
#define OB_CLI_KNOWN_AUTHORITY_H

#include "run/certificate.h"

/* `key` was read from authority_path, `file` from path. */
OB_MUST_USE enum ob_err ob_cli_check_authority(const char *authority_path, const struct ob_machine_id *key,
                                               const char *path, const struct ob_certificate_file *file,
                                               struct ob_error *error);

#endif
