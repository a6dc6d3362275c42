/* csv - a history as comma-separated values with a title line (RFC 4180), every number in full; what is not known is empty.
 *
 * Errors:  those of `out`, for the caller to look at.
 * Threads: pure, but for `out`. */
#ifndef OB_HISTORY_CSV_H
#define OB_HISTORY_CSV_H

#include <stdio.h>

#include "history/history.h"

#define OB_HISTORY_COLUMNS 18

extern const char *const OB_HISTORY_TITLES[OB_HISTORY_COLUMNS];
/* The columns of a row; time in Unix seconds, NaN: not known. */
void ob_history_values(const struct ob_history_row *row, double ret_values[OB_HISTORY_COLUMNS]);

void ob_history_csv(const struct ob_history *history, FILE *out);
void ob_history_frontiers_csv(const struct ob_history *history, FILE *out);

#endif
