/* line_limit - how many lines of one kind a daemon may write: what others do must not fill a disk.
 *
 * The first OB_LINES_A_WINDOW lines of a kind in OB_LINE_WINDOW_NS are written, the others counted; the next line that is
 * written after that says how many were left out. A kind is the event that a line begins with.
 *
 * Bounds:  OB_LINE_KINDS kinds; further ones share the last place.
 * Threads: one at a time. Time: monotonic, handed in. */
#ifndef OB_DAEMON_LINE_LIMIT_H
#define OB_DAEMON_LINE_LIMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "run/logger.h"

#define OB_LINE_KINDS     64
#define OB_LINES_A_WINDOW 100
#define OB_LINE_WINDOW_NS 10000000000ull

struct ob_line_limit {
    struct {
        const char *kind; /* not copied: a literal */
        uint64_t since_ns, left_out;
        unsigned written;
    } kinds[OB_LINE_KINDS];
};

/* May a line of this kind be written now? Says how many were left out, on a line of its own. */
bool ob_line_may(struct ob_line_limit *limit, const struct ob_logger *logger, const char *kind);
/* True: write it. ret_left_out: lines of this kind that were left out since the last one that was written. */
bool ob_line_allowed(struct ob_line_limit *limit, const char *kind, uint64_t now_ns, uint64_t *ret_left_out);

#endif
