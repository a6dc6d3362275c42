/* fetching - a daemon that lacks something which members have, until it has it: it is linked to them, its status socket
 * answers (life `fetching`; it does nothing but tell its status and leave), and once a minute the log says of each of
 * [peers] why it is not reached. What is wanted, and from whom, its caller knows.
 *
 * Errors:  OB_EUSAGE, there is nobody to fetch anything from; OB_ESTATE, told to leave; those of sockets and callbacks.
 * Threads: one at a time. */
#ifndef OB_DAEMON_FETCHING_H
#define OB_DAEMON_FETCHING_H

#include "daemon/session.h"
#include "run/certificate.h"

/* What is wanted. The callbacks get `context` and the transport. */
struct ob_wanted {
    const char *what; /* for messages: "the manifest" */
    void *context;
    /* A machine can be reached: asked once more whenever it comes back. */
    void (*linked)(void *context, struct ob_transport *transport, const struct ob_machine_id *machine);
    /* A frame of a machine that we connected to. */
    enum ob_err (*frame)(void *context, struct ob_transport *transport,
                         const struct ob_transport_event *event, struct ob_error *error);
    /* Bytes of it that are here, and that it has (0: not known yet). NULL: it is small. */
    void (*count)(const void *context, uint64_t *ret_bytes, uint64_t *ret_of);
    /* Several times a second. *ret_done: it is there. */
    enum ob_err (*tend)(void *context, struct ob_transport *transport, bool *ret_done,
                        struct ob_error *error);
};

/* Of the session configuration, logger and identity are there. */
OB_MUST_USE enum ob_err ob_fetching_run(const struct ob_session *session,
                                        const struct ob_certificate_file *certificate,
                                        const struct ob_wanted *wanted, struct ob_error *error);
/* Does [peers] have an address, or may a beacon show one? */
bool ob_fetching_has_source(const struct ob_config *config);

#endif
