#include "record/score.h"

#include <math.h>

void ob_score_item(struct ob_score *score, double loss, uint64_t units) {
    double u = (double)units;
    score->items++;
    score->units += units;
    score->loss += loss;
    score->loss_square += loss * loss;
    score->loss_units += loss * u;
    score->units_square += u * u;
}

void ob_score_add(struct ob_score *score, const struct ob_score *more) {
    score->items += more->items;
    score->units += more->units;
    score->choices += more->choices;
    score->right += more->right;
    score->loss += more->loss;
    score->loss_square += more->loss_square;
    score->loss_units += more->loss_units;
    score->units_square += more->units_square;
}

/* Sums of squares of n numbers lie between the square of their sum over n and that square. */
static bool squares_fit(double square, double sum, double n) {
    double slack = 1e-6 * sum * sum;
    return square <= sum * sum + slack && square * n + slack >= sum * sum;
}

bool ob_score_plausible(const struct ob_score *s) {
    double n = (double)s->items, units = (double)s->units;
    bool counts = s->items >= 1 && s->items <= OB_SCORE_ITEMS_MAX && s->units >= s->items &&
                  s->units <= OB_SCORE_UNITS_MAX && s->choices <= s->items && s->right <= s->choices;
    bool finite =
        isfinite(s->loss) && isfinite(s->loss_square) && isfinite(s->loss_units) && isfinite(s->units_square);
    return counts && finite && s->loss >= 0 && s->loss <= OB_SCORE_LOSS_MAX * units &&
           squares_fit(s->loss_square, s->loss, n) && squares_fit(s->units_square, units, n) &&
           s->loss_units >= 0 && s->loss_units <= s->loss * units * (1 + 1e-6);
}

double ob_score_loss(const struct ob_score *s) {
    return s->units > 0 ? s->loss / (double)s->units : NAN;
}

double ob_score_loss_error(const struct ob_score *s) {
    double n = (double)s->items, loss = ob_score_loss(s);
    if (s->items < 2 || s->units == 0)
        return NAN;
    double squares = s->loss_square - 2 * loss * s->loss_units + loss * loss * s->units_square;
    return squares > 0 ? sqrt(squares * n / (n - 1)) / (double)s->units : 0;
}

double ob_score_accuracy(const struct ob_score *s) {
    return s->choices > 0 ? (double)s->right / (double)s->choices : NAN;
}

double ob_score_accuracy_error(const struct ob_score *s) {
    double p = ob_score_accuracy(s);
    return s->choices > 1 ? sqrt(p * (1 - p) / (double)(s->choices - 1)) : NAN;
}
