/* listen - the address that a machine listens on: as an option says it, or the first free one.
 *
 * A daemon needs OB_ENDPOINT_PORTS ports in a row. What is found free here may be taken a moment later by another program: the
 * daemon's own bind decides, and who chose the address asks again (ob_cli_listen_try) to know whether that was why it ended. */
#ifndef OB_CLI_LISTEN_H
#define OB_CLI_LISTEN_H

#include <stdbool.h>

#include "transport/address.h"

/* What an option --listen means: "none" is "". Errors: OB_EUSAGE, which says what is expected. */
OB_MUST_USE enum ob_err ob_cli_listen_read(const char *given, char ret_listen[static OB_ENDPOINT_MAX],
                                           struct ob_error *error);
/* Could a daemon listen there now? "": yes. Errors: OB_EBUSY (names the port that is in use), OB_EUSAGE (no address of this host,
 * a port that this user may not use). */
OB_MUST_USE enum ob_err ob_cli_listen_try(const char *listen, struct ob_error *error);
/* All addresses of this host ("tcp://…:PORT" with a star for the host), with the first port from 7300 on such that all are free.
 * after: an address that is not to be taken again, nor those before it; NULL. Errors: OB_EBUSY: there is none. */
OB_MUST_USE enum ob_err ob_cli_listen_free(const char *after, char ret_listen[static OB_ENDPOINT_MAX],
                                           struct ob_error *error);

#endif
