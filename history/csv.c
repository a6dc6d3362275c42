#include "history/csv.h"

#include <math.h>
#include <string.h>

const char *const OB_HISTORY_TITLES[OB_HISTORY_COLUMNS] = {
    "time",      "round",     "rounds",   "seconds",    "samples",    "loss",
    "deviation", "lr",        "machines", "swarm_loss", "swarm_rate", "curvature",
    "saturated", "abstained", "size",     "replay",     "sent_rate",  "received_rate",
};

void ob_history_values(const struct ob_history_row *row, double ret_values[OB_HISTORY_COLUMNS]) {
    double bytes = row->bytes > 0 ? (double)row->bytes : NAN;
    const double values[OB_HISTORY_COLUMNS] = {1e-3 * (double)row->time_ms,
                                               row->round,
                                               row->rounds,
                                               row->seconds,
                                               (double)row->samples,
                                               row->loss,
                                               ob_history_row_deviation(row),
                                               row->lr,
                                               row->machines,
                                               row->swarm_loss,
                                               row->swarm_rate,
                                               row->curvature,
                                               (double)row->saturated / bytes,
                                               (double)row->abstained / bytes,
                                               row->size,
                                               row->replay,
                                               row->sent_rate,
                                               row->received_rate};
    memcpy(ret_values, values, sizeof values);
}

static void number(FILE *out, double value, const char *end) {
    if (isfinite(value))
        (void)fprintf(out, "%.9g", value);
    (void)fputs(end, out);
}

void ob_history_csv(const struct ob_history *history, FILE *out) {
    for (size_t i = 0; i < OB_HISTORY_COLUMNS; i++)
        (void)fprintf(out, "%s%s", OB_HISTORY_TITLES[i], i + 1 == OB_HISTORY_COLUMNS ? "\n" : ",");
    for (size_t r = 0; r < ob_history_row_count(history); r++) {
        double values[OB_HISTORY_COLUMNS];
        ob_history_values(ob_history_row_at(history, r), values);
        (void)fprintf(out, "%.3f,", values[0]);
        for (size_t i = 1; i < OB_HISTORY_COLUMNS; i++)
            number(out, values[i], i + 1 == OB_HISTORY_COLUMNS ? "\n" : ",");
    }
}

void ob_history_frontiers_csv(const struct ob_history *history, FILE *out) {
    const struct ob_history_frontier *best = ob_history_best(history);
    (void)fputs("round,loss,loss_error,accuracy,accuracy_error,rows,machines,best,weights\n", out);
    for (size_t r = 0; r < ob_history_frontier_count(history); r++) {
        const struct ob_history_frontier *f = ob_history_frontier_at(history, r);
        number(out, f->round, ",");
        number(out, ob_score_loss(&f->score), ",");
        number(out, ob_score_loss_error(&f->score), ",");
        number(out, ob_score_accuracy(&f->score), ",");
        number(out, ob_score_accuracy_error(&f->score), ",");
        number(out, (double)f->score.items, ",");
        number(out, f->machines, ",");
        number(out, f == best, ",");
        for (size_t i = 0; i < OB_HASH_BYTES; i++)
            (void)fprintf(out, "%02x", f->weights.bytes[i]);
        (void)fputc('\n', out);
    }
}
