/* request - what is asked over the status socket, and the answers that are no status: {"command": "status" | "leave" |
 * "pause" | "resume"}, and {"command": "control", "entry": hexadecimal digits} with a signed control entry. Every answer is
 * an object with "ok"; docs/files.md lists the fields of a status.
 *
 * Errors:  OB_EFORMAT, a request that is none: the text says what was expected.
 * Threads: pure functions. */
#ifndef OB_DAEMON_REQUEST_H
#define OB_DAEMON_REQUEST_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "record/control.h"

enum ob_request_kind {
    OB_REQUEST_STATUS,
    OB_REQUEST_LEAVE,
    OB_REQUEST_PAUSE,
    OB_REQUEST_RESUME,
    OB_REQUEST_CONTROL
};

struct ob_request {
    enum ob_request_kind kind;
    uint8_t entry[OB_CONTROL_BYTES_MAX]; /* CONTROL */
    size_t entry_bytes;
};

OB_MUST_USE enum ob_err ob_request_parse(const uint8_t *data, size_t bytes, struct ob_request *ret_request,
                                         struct ob_error *error);
/* malloc'ed JSON, or NULL when there is no memory. `note` (may be NULL): what the asker should know. */
char *ob_request_done(const char *note);
char *ob_request_failed(const char *why);

#endif
