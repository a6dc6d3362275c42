/* logger - structured lines on standard error: `2026-01-31T12:00:00.123Z level event key=value …`.
 * Values with spaces or quotes are quoted. It lives in run/: what is below (records, models, sockets, the log) is a
 * library and returns errors; it never writes lines.
 *
 * Under systemd the lines go to its journal with fields (run/journal.h).
 *
 * Threads: any; a line is one write. The level may be changed at any time. */
#ifndef OB_RUN_LOGGER_H
#define OB_RUN_LOGGER_H

#include <stdatomic.h>

#include "base/err.h"

enum ob_log_level { OB_LOG_DEBUG, OB_LOG_INFO, OB_LOG_WARN, OB_LOG_ERROR };

struct ob_logger {
    atomic_int least; /* an enum ob_log_level: quieter lines are left out */
    int journal; /* a socket to the journal (run/journal.h), which gets the lines instead; 0 or less: none */
};

/* `format` gives the key=value pairs. */
void ob_log(const struct ob_logger *logger, enum ob_log_level level, const char *event, const char *format,
            ...) OB_PRINTF(4, 5);
/* `text` as a value: as it is, or in quotes with \" \\ \n escaped. Returns `buffer`. */
const char *ob_logger_quote(const char *text, char *buffer, size_t capacity);

#endif
