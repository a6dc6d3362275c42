/* file_fetch - how a newcomer gets a file of the run that it knows by its name, from every member that has it
 * (transfer/fetch.h): in blocks that are verified one by one, going on where it was broken off.
 *
 * Errors:  those of fetching.h and transfer/fetch.h.
 * Threads: one at a time. */
#ifndef OB_DAEMON_FILE_FETCH_H
#define OB_DAEMON_FILE_FETCH_H

#include "daemon/fetching.h"

struct ob_file_wanted {
    const char *what; /* for messages: "the basis" */
    struct ob_hash name;
    uint64_t bytes_max;
    const char *path; /* where it goes; must not exist, its folder must */
};

/* Of the session configuration, logger and identity are there. */
OB_MUST_USE enum ob_err ob_file_fetch(const struct ob_session *session,
                                      const struct ob_certificate_file *certificate,
                                      const struct ob_file_wanted *wanted, struct ob_error *error);

#endif
