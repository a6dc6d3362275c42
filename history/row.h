/* row - what a run's history keeps of some rounds in a row: means that add up, so that two rows next to one another make one.
 *
 * Threads: pure functions. */
#ifndef OB_HISTORY_ROW_H
#define OB_HISTORY_ROW_H

#include <stdbool.h>
#include <stdint.h>

#define OB_HISTORY_LEVELS 24 /* a row of level l is of 2^l rows of level 0 */

/* NaN in a mean: not known. */
struct ob_history_row {
    uint64_t time_ms; /* Unix: when the last of its rounds ended … */
    uint32_t round;   /* … and its number */
    uint32_t rounds;  /* own rounds in this row; 0: none ended here, only time passed */
    uint32_t level;
    double seconds;     /* that the row covers */
    uint64_t samples;   /* own ones */
    double loss;        /* own training loss, mean over the samples, nats */
    double loss_square; /* mean of the squares of the rounds' losses: with `loss` their deviation */
    double lr;          /* learning rate of the round */
    double machines;    /* that train */
    double swarm_loss;  /* what the machines say of their training loss, ours included, by samples */
    double swarm_rate;  /* samples a second of all */
    double curvature;   /* mean second difference along directions, nats; NaN: not measured */
    uint64_t bytes, saturated,
        abstained; /* of all records that came in: bytes, those at the code's end, abstentions */
    double size;   /* mean log2 of |estimate| over the bytes that are neither zero nor abstentions */
    double replay; /* share of the time in which the compute thread replayed records */
    double sent_rate, received_rate; /* payload, bytes a second; published to all counts once */
};

/* `later` follows `row` at once: both become one, of the next level. */
void ob_history_row_merge(struct ob_history_row *row, const struct ob_history_row *later);
/* Deviation of the rounds' losses within the row; NaN below two rounds. */
double ob_history_row_deviation(const struct ob_history_row *row);
/* Nothing in it is out of its range: what is read from a file. */
bool ob_history_row_plausible(const struct ob_history_row *row);

#endif
