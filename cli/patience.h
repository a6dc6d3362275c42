/* patience - a word now and then while something takes long: nobody should wonder for more than ten seconds.
 *
 * On a terminal one line of standard error that is written over and cleared at the end; elsewhere a line each time.
 * Owns:    nothing. Threads: one at a time. */
#ifndef OB_CLI_PATIENCE_H
#define OB_CLI_PATIENCE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define OB_PATIENCE_EVERY_S 10

struct ob_patience {
    uint64_t since_s, told_s; /* monotonic */
    bool shown;               /* there is a line to clear */
};

void ob_patience_start(struct ob_patience *patience);
/* Call often. The text of `format` and for how long, at most every OB_PATIENCE_EVERY_S; every second on a terminal, after two. */
void ob_patience_tell(struct ob_patience *patience, const char *format, ...) OB_PRINTF(2, 3);
void ob_patience_end(struct ob_patience *patience);

#endif
