/* score - how well weights do on held-out rows, as sums that add up: over the mini-batches of one machine, and over the
 * machines of a run.
 *
 * An item is a sequence with its target tokens, or a row with choices, whose only unit is the choice. The loss is the mean
 * over all units, sum(loss) / sum(units); items are drawn, units within an item are not independent, so its standard error is
 * that of a ratio: sqrt(n/(n-1) * sum((loss_i - L units_i)^2)) / sum(units).
 *
 * Units:   nats.
 * Threads: pure functions. No result is infinite; NaN: not known.
 * Source:  Cochran, Sampling Techniques (1977), 6.4 (ratio estimates). */
#ifndef OB_RECORD_SCORE_H
#define OB_RECORD_SCORE_H

#include <stdbool.h>
#include <stdint.h>

#define OB_SCORE_ITEMS_MAX (1u << 24)
#define OB_SCORE_UNITS_MAX (1ull << 40)
#define OB_SCORE_LOSS_MAX  1e4 /* nats a unit: more is no loss of a model */

struct ob_score {
    uint64_t items, units;
    uint64_t choices, right; /* items with choices, and those that were answered right */
    double loss, loss_square, loss_units,
        units_square; /* sums of loss_i, loss_i^2, loss_i units_i, units_i^2 */
};

/* One item: its loss summed over its units. */
void ob_score_item(struct ob_score *score, double loss, uint64_t units);
void ob_score_add(struct ob_score *score, const struct ob_score *more);
/* Could be the sums of an evaluation: finite, within the bounds above, and in the order that sums of squares have. What
 * another machine says is not used unless this holds. */
bool ob_score_plausible(const struct ob_score *score);

double ob_score_loss(const struct ob_score *score);
double ob_score_loss_error(const struct ob_score *score); /* NaN below two items */
double ob_score_accuracy(const struct ob_score *score);   /* 0 … 1; NaN without choices */
double ob_score_accuracy_error(const struct ob_score *score);

#endif
