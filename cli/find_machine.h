/* find_machine - a machine of a daemon's status by what an operator calls it: its key, the first 8 or more digits of it, or
 * its name.
 * Errors:  OB_EUSAGE, more than one fits; OB_ENOTFOUND, none does and it is no whole key. */
#ifndef OB_CLI_FIND_MACHINE_H
#define OB_CLI_FIND_MACHINE_H

#include <jansson.h>

#include "transport/identity.h"

/* ret_found: its object in "machines", of `status`; NULL: the daemon does not know that key. */
OB_MUST_USE enum ob_err ob_cli_find_machine(const json_t *status, const char *wanted,
                                            struct ob_machine_id *ret_machine, const json_t **ret_found,
                                            struct ob_error *error);

#endif
