/* log - structured lines on standard error: `2026-01-31T12:00:00.123Z level event key=value …`.
 * Values with spaces or quotes are quoted.
 * Threads: any; a line is one write. */
#ifndef OB_DAEMON_LOGGER_H
#define OB_DAEMON_LOGGER_H

#include "base/err.h"

enum ob_log_level { OB_LOG_DEBUG, OB_LOG_INFO, OB_LOG_WARN, OB_LOG_ERROR };

struct ob_log {
    enum ob_log_level least; /* quieter lines are left out */
};

int ob_log_level_from_name(const char *name); /* -1: unknown */
/* `format` gives the key=value pairs. */
void ob_log(const struct ob_log *log, enum ob_log_level level, const char *event, const char *format, ...)
    OB_PRINTF(4, 5);
/* `text` as a value: as it is, or in quotes with \" \\ \n escaped. Returns `buffer`. */
const char *ob_log_quote(const char *text, char *buffer, size_t capacity);

#endif
