#include "daemon/progress_log.h"

#include <stdio.h>

#include "base/clock.h"

static bool tell(void *context, const char *what, uint64_t done, uint64_t size) {
    struct ob_progress_log *log = context;
    double left = 0;
    char text[200];
    if (!ob_progress_is_due(&log->meter, ob_now_ns(), what, done, size, &left))
        return true;
    int percent = size > 0 ? (int)(100.0 * (double)done / (double)size) : 0;
    (void)snprintf(text, sizeof text, left < 0 ? "%s" : "%s: %d %%, about %.0f s left", what, percent, left);
    ob_log(log->logger, OB_LOG_INFO, log->kind, "text=\"%s\"", text);
    return true;
}

struct ob_progress_callback ob_progress_log_callback(struct ob_progress_log *log) {
    return (struct ob_progress_callback){.tell = tell, .context = log};
}
