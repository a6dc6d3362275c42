/* places - where the machines of a run are reached, for a token: this one first, then others that signed an address.
 *
 * Of this machine, which may listen on all of its addresses, those of its interfaces are taken, without the loopback's
 * unless there are no others, and with what `advertise` says before them.
 * Errors:  OB_EUSAGE: nobody can be reached. */
#ifndef OB_CLI_PLACES_H
#define OB_CLI_PLACES_H

#include "cli/table.h"
#include "run/token.h"

OB_MUST_USE enum ob_err ob_cli_places(const char *state_dir, const struct ob_cli_table *table,
                                      struct ob_token_place ret_places[static OB_TOKEN_PLACES_MAX],
                                      size_t *ret_count, struct ob_error *error);
/* Of this machine alone: "tcp://192.168.1.10:7300" for "tcp://0.0.0.0:7300". False: it does not listen, or has no address. */
bool ob_cli_own_endpoint(const char *state_dir, char ret_endpoint[static OB_ENDPOINT_MAX]);

#endif
