/* round_log - what the log says of our rounds: each at debug, and one line a minute at info, with the mean over that minute.
 * Threads: the network thread. */
#ifndef OB_DAEMON_ROUND_LOG_H
#define OB_DAEMON_ROUND_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "run/logger.h"

struct ob_round_log {
    uint64_t told_s; /* 0: never */
    uint64_t rounds, samples;
    double loss_sum; /* over samples */
};

/* A round of `samples` samples with this mean loss is done. True: the line of info was written. */
bool ob_round_log_add(struct ob_round_log *log, const struct ob_logger *logger, uint32_t round,
                      unsigned samples, double loss, unsigned live, uint64_t now_s);

#endif
