/* server - the page, its data and the metrics over HTTP, read-only, by libmicrohttpd in a thread of its own, which shares nothing
 * with the daemon: it asks the status socket and reads the history file, as any program may (web/sources.h).
 *
 *   /               the page                    /history.csv     rounds
 *   /status.json    the status                  /frontiers.csv   frontiers with held-out losses
 *   /metrics        for Prometheus              /events          news as they come (web/streams.h)
 *
 * Bounds:  GET and HEAD; OB_WEB_CONNECTIONS connections, OB_WEB_CONNECTIONS_EACH of one address; OB_WEB_REQUEST_BYTES of a
 *          request's head; a connection carries one request and ends after OB_WEB_SECONDS whatever it does, but for those that
 *          stream, which have bounds of their own. Bodies are not read. What an answer may be is bounded by the status (OB_STATUS_MAX) and the history (history/history.h).
 * Errors:  OB_EIO, the address cannot be listened on, the thread cannot be started; OB_ENOMEM. They name [status] http.
 * Owns:    its thread and its connections.
 * Threads: open and close from one thread. Close after the status socket is gone: a question to it then ends at once. */
#ifndef OB_WEB_SERVER_H
#define OB_WEB_SERVER_H

#include "base/err.h"
#include "web/access.h"

#define OB_WEB_CONNECTIONS      32
#define OB_WEB_CONNECTIONS_EACH 16
#define OB_WEB_REQUEST_BYTES    16384
#define OB_WEB_SECONDS          20

struct ob_web;

OB_MUST_USE enum ob_err ob_web_open(const struct ob_web_access *access, const char *state_dir,
                                    struct ob_web **ret_web, struct ob_error *error);
void ob_web_close(struct ob_web *web); /* accepts NULL */

#endif
