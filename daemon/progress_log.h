/* progress_log - how far long work at the start is, as lines of the log: after two seconds, then every two.
 *
 * Signals end the process, so that nothing has to end the work.
 * Threads: one at a time. */
#ifndef OB_DAEMON_PROGRESS_LOG_H
#define OB_DAEMON_PROGRESS_LOG_H

#include "base/progress_callback.h"
#include "run/logger.h"

struct ob_progress_log {
    const struct ob_logger *logger;
    const char *kind; /* of the lines */
    struct ob_progress_meter meter;
};

/* Points to `log`. */
struct ob_progress_callback ob_progress_log_callback(struct ob_progress_log *log);

#endif
