/* chart - the curves of a run from its history: training loss, held-out loss with its error, machines and samples a second over
 * rounds.
 *
 * Threads: one at a time. */
#ifndef OB_CLI_CHART_H
#define OB_CLI_CHART_H

#include "cli/canvas.h"
#include "history/history.h"

#define OB_CHART_WIDTH  800
#define OB_CHART_HEIGHT 560

/* A chart without a finite point says so. */
void ob_chart_draw(struct ob_canvas *canvas, const struct ob_history *history, const char *title);

#endif
