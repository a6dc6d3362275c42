/* status_client - asks a daemon's status socket: one JSON request (a line), one JSON answer (until the end).
 * Errors: OB_ENOTFOUND (no socket there: the daemon does not run), OB_ETIMEOUT, OB_EIO, OB_ETOOBIG. */
#ifndef OB_TRANSPORT_STATUS_CLIENT_H
#define OB_TRANSPORT_STATUS_CLIENT_H

#include "base/err.h"

#define OB_STATUS_SOCKET "status.sock" /* in the state directory */

/* ret_answer is malloc'ed and NUL-terminated; the caller frees it. */
OB_MUST_USE enum ob_err ob_status_ask(const char *state_dir, const char *request, int timeout_ms,
                                      char **ret_answer, struct ob_error *error);

#endif
