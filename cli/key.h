/* key - a public key as an option names it: 64 hexadecimal digits, or the file FILE.pub that holds them.
 *
 * Errors: OB_EFORMAT, OB_ETOOBIG, OB_EIO name the option or the file. */
#ifndef OB_CLI_KEY_H
#define OB_CLI_KEY_H

#include "base/err.h"
#include "base/ids.h"

/* `option`: its name, for messages. */
OB_MUST_USE enum ob_err ob_cli_read_key(const char *option, const char *given, struct ob_machine_id *ret_key,
                                        struct ob_error *error);

#endif
