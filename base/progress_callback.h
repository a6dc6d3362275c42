/* progress_callback - how far a long piece of work has come, for who waits for it; and its chance to end the work.
 *
 * Owns:    nothing.
 * Threads: the callback is called in the thread that does the work. */
#ifndef OB_BASE_PROGRESS_CALLBACK_H
#define OB_BASE_PROGRESS_CALLBACK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct ob_progress_callback {
    /* what: a constant text ("reading rows"); size: 0 when it is not known. False: the work is to end, with OB_ESTATE.
     * Called many times a second. */
    bool (*tell)(void *context, const char *what, uint64_t done, uint64_t size);
    void *context;
};

/* Tells `progress` (NULL: nobody). OB_ESTATE when it wants the work to end; the message says at what. */
OB_MUST_USE enum ob_err ob_progress_tell(const struct ob_progress_callback *progress, const char *what,
                                         uint64_t done, uint64_t size, struct ob_error *error);

/* When to show it to a person: for the first time after two seconds, then every two. Zeroed at the start. */
struct ob_progress_meter {
    const char *what;
    uint64_t started_ns, shown_ns;
};

/* ret_left_s: what is left of it, in seconds; below 0: not known. A new `what` starts anew. */
bool ob_progress_is_due(struct ob_progress_meter *meter, uint64_t now_ns, const char *what, uint64_t done,
                        uint64_t size, double *ret_left_s);

#endif
