/* status_screen - a daemon's status (its JSON, docs/files.md) as one screen for a person; for `onebyte status` and
 * `onebyte top`.
 *
 * Threads: one at a time. */
#ifndef OB_CLI_STATUS_SCREEN_H
#define OB_CLI_STATUS_SCREEN_H

#include <jansson.h>

#include "cli/terminal.h"

/* A column of the table of machines. */
enum ob_machine_column {
    OB_COLUMN_NAME,
    OB_COLUMN_ROUND,
    OB_COLUMN_BEHIND,
    OB_COLUMN_RATE,
    OB_COLUMN_SHARE,
    OB_COLUMN_LOSS,
    OB_COLUMN_LAST,
    OB_COLUMN_LINK,
    OB_COLUMN_STATE,
    OB_COLUMN_COUNT
};
const char *ob_machine_column_title(enum ob_machine_column column);

/* The lines above the table: run, loss, swarm, problems. At most `lines` (0: all). Returns how many were printed. */
int ob_status_head(const struct ob_terminal *terminal, FILE *to, const json_t *status, int lines);
/* A line behind its label, broken between words where the terminal ends; returns how many lines were printed. */
int ob_status_line(const struct ob_terminal *terminal, FILE *to, const char *label, const char *text);
/* The table, sorted by a column (this machine first when by name), at most `lines` of it with its title (0: all). In a narrow
 * terminal without the columns that say least. */
void ob_status_machines(const struct ob_terminal *terminal, FILE *to, const json_t *status,
                        enum ob_machine_column by, bool descending, int lines);

/* root.a.b of "a.b"; NULL: none. */
const json_t *ob_status_at(const json_t *root, const char *path);
const char *ob_status_text(const json_t *root, const char *path); /* "" when there is none */
double ob_status_number(const json_t *root, const char *path);    /* NaN when there is none */

#endif
