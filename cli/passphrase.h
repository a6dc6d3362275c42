/* passphrase - asked for on the terminal without showing it, or read from the file that $ONEBYTE_PASSPHRASE_FILE names
 * (its first line).
 *
 * Errors:  OB_EUSAGE (no terminal and no file, an empty one, two that differ), those of the file and of cli/hidden_line.h. */
#ifndef OB_CLI_PASSPHRASE_H
#define OB_CLI_PASSPHRASE_H

#include <stdbool.h>

#include "run/sealed.h"

/* twice: a new one, which is typed again. The caller wipes it. */
OB_MUST_USE enum ob_err ob_cli_passphrase(const char *prompt, bool twice,
                                          char ret_passphrase[static OB_SEALED_PASSPHRASE_MAX],
                                          struct ob_error *error);
/* Is the file a key under a passphrase? */
bool ob_cli_is_sealed(const char *path, struct ob_sealed *ret_sealed);

#endif
