/* progress - how far a long command is: a line on standard error with share, rate and time left, rewritten a few times a
 * second, when that is a terminal; in a pipe or a file a line every ten seconds.
 *
 *     verifying   37 %  1,240 of 3,351 records  812 a second  3 s left
 *
 * Threads: one at a time. */
#ifndef OB_CLI_PROGRESS_H
#define OB_CLI_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/progress_callback.h"

struct ob_progress {
    const char *what, *unit; /* "verifying", "records" */
    uint64_t total;          /* 0: not known */
    bool enabled, terminal, shown;
    uint64_t start_ns, last_ns;
};

/* Begins a stage and ends the one before. */
void ob_progress_start(struct ob_progress *progress, const char *what, const char *unit, uint64_t total);
/* `progress` may be NULL. */
void ob_progress_at(struct ob_progress *progress, uint64_t done);
void ob_progress_end(struct ob_progress *progress); /* clears the line; also of one that never started */

/* For work that tells the bytes that it has done, which are shown in MB: each `what` is a stage. It points to `progress`, which
 * may be NULL. The caller ends it. */
struct ob_progress_callback ob_progress_of_bytes(struct ob_progress *progress);

/* The line for `done` after `seconds`; returns ret_line. */
#define OB_PROGRESS_LINE_MAX 128
const char *ob_progress_line(const struct ob_progress *progress, uint64_t done, double seconds,
                             char ret_line[static OB_PROGRESS_LINE_MAX]);

#endif
