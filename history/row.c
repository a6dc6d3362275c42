#include "history/row.h"

#include <math.h>

/* Mean of two means; what is not known does not count. */
static double mean(double a, double a_weight, double b, double b_weight) {
    if (isnan(a) || a_weight <= 0)
        return isnan(b) ? a : b;
    if (isnan(b) || b_weight <= 0)
        return a;
    return (a * a_weight + b * b_weight) / (a_weight + b_weight);
}

void ob_history_row_merge(struct ob_history_row *row, const struct ob_history_row *later) {
    double a = (double)row->samples, b = (double)later->samples;
    double s = row->seconds, t = later->seconds;
    row->loss = mean(row->loss, a, later->loss, b);
    row->loss_square = mean(row->loss_square, row->rounds, later->loss_square, later->rounds);
    row->lr = isnan(later->lr) ? row->lr : later->lr;
    row->machines = mean(row->machines, s, later->machines, t);
    row->swarm_loss = mean(row->swarm_loss, s, later->swarm_loss, t);
    row->swarm_rate = mean(row->swarm_rate, s, later->swarm_rate, t);
    row->curvature = mean(row->curvature, row->rounds, later->curvature, later->rounds);
    row->replay = mean(row->replay, s, later->replay, t);
    row->sent_rate = mean(row->sent_rate, s, later->sent_rate, t);
    row->received_rate = mean(row->received_rate, s, later->received_rate, t);
    row->size = mean(row->size, (double)row->bytes, later->size, (double)later->bytes);
    row->bytes += later->bytes;
    row->saturated += later->saturated;
    row->abstained += later->abstained;
    row->time_ms = later->time_ms;
    row->round = later->round;
    row->rounds += later->rounds;
    row->samples += later->samples;
    row->seconds += later->seconds;
    row->level = (row->level > later->level ? row->level : later->level) + 1;
}

double ob_history_row_deviation(const struct ob_history_row *row) {
    double n = row->rounds, variance = row->loss_square - row->loss * row->loss;
    return row->rounds < 2 || isnan(variance) ? NAN : variance > 0 ? sqrt(variance * n / (n - 1)) : 0;
}

static bool is_mean(double value, double low, double high) {
    return isnan(value) || (value >= low && value <= high);
}

bool ob_history_row_plausible(const struct ob_history_row *r) {
    return r->level < OB_HISTORY_LEVELS && r->seconds >= 0 && r->seconds <= 1e12 &&
           is_mean(r->loss, -1e9, 1e9) && is_mean(r->loss_square, 0, 1e18) && is_mean(r->lr, 0, 1) &&
           is_mean(r->machines, 0, 1e6) && is_mean(r->swarm_loss, -1e9, 1e9) &&
           is_mean(r->swarm_rate, 0, 1e12) && is_mean(r->curvature, -1e12, 1e12) &&
           is_mean(r->size, -1100, 1100) && is_mean(r->replay, 0, 1) && is_mean(r->sent_rate, 0, 1e15) &&
           is_mean(r->received_rate, 0, 1e15) && r->saturated <= r->bytes && r->abstained <= r->bytes &&
           r->time_ms < (1ull << 52);
}
