/* progress - a struct ob_progress_callback for tests: it writes down what it is told, and ends the work when asked to. */
#ifndef OB_TESTS_SUPPORT_PROGRESS_H
#define OB_TESTS_SUPPORT_PROGRESS_H

#include <string.h>

#include "base/progress_callback.h"

struct test_progress {
    const char *end_at; /* a `what` at which the work is to end; NULL: none */
    const char *what;   /* the last one */
    uint64_t done, size;
    size_t calls, stages;
    bool wrong; /* `done` fell within a stage, or exceeded its size */
};

static inline bool test_progress_tell(void *context, const char *what, uint64_t done, uint64_t size) {
    struct test_progress *p = context;
    bool same = p->what == what;
    p->wrong = p->wrong || done > size || (same && done < p->done);
    p->stages += !same;
    p->calls++;
    p->what = what;
    p->done = done;
    p->size = size;
    return !p->end_at || strcmp(p->end_at, what) != 0;
}

#endif
