#include "daemon/round_log.h"

#define EVERY_S 60

bool ob_round_log_add(struct ob_round_log *log, const struct ob_logger *logger, uint32_t round,
                      unsigned samples, double loss, unsigned live, uint64_t now_s) {
    ob_log(logger, OB_LOG_DEBUG, "round", "round=%u samples=%u loss=%.4f live=%u", round, samples, loss,
           live);
    log->rounds++;
    log->samples += samples;
    log->loss_sum += loss * samples;
    if (log->told_s != 0 && now_s - log->told_s < EVERY_S)
        return false;
    log->told_s = now_s != 0 ? now_s : 1;
    ob_log(logger, OB_LOG_INFO, "training", "round=%u rounds=%llu samples=%llu loss=%.4f live=%u", round,
           (unsigned long long)log->rounds, (unsigned long long)log->samples,
           log->samples ? log->loss_sum / (double)log->samples : loss, live);
    log->rounds = log->samples = 0;
    log->loss_sum = 0;
    return true;
}
