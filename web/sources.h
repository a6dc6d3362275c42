/* sources - what the page and its data are made of: the daemon's own answer on its status socket, and its history file. An answer
 * is kept for OB_WEB_FRESH_NS, so that however many ask, the daemon is asked once a second and its file is read as often.
 *
 * Errors:  OB_ENOTFOUND and OB_ETIMEOUT, the daemon does not answer just now; those of ob_history_read; OB_ENOMEM.
 * Owns:    the texts that it returns are malloc'ed, the caller's.
 * Threads: one at a time. */
#ifndef OB_WEB_SOURCES_H
#define OB_WEB_SOURCES_H

#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/path.h"
#include "history/history.h"

#define OB_WEB_FRESH_NS    OB_SECOND_NS
#define OB_WEB_RECENT_ROWS 64 /* as many as an event of a stream has at most */

enum ob_web_source {
    OB_WEB_STATUS,    /* JSON, as `onebyte status --json` */
    OB_WEB_METRICS,   /* Prometheus */
    OB_WEB_HISTORY,   /* CSV, as `onebyte history --csv` */
    OB_WEB_FRONTIERS, /* the same with --frontiers */
    OB_WEB_RECENT,    /* the newest OB_WEB_RECENT_ROWS rows of OB_WEB_HISTORY, with its titles */
    OB_WEB_SOURCES
};

struct ob_web_kept {
    char *text; /* owned; NULL: none */
    size_t bytes;
    uint64_t made_ns;
};

struct ob_web_sources {
    char state_dir[OB_PATH_MAX];
    struct ob_history_tail tail;
    struct ob_web_kept kept[OB_WEB_SOURCES];
};

OB_MUST_USE enum ob_err ob_web_source_text(struct ob_web_sources *sources, enum ob_web_source source,
                                           char **ret_text, size_t *ret_bytes, struct ob_error *error);
void ob_web_sources_done(struct ob_web_sources *sources);

#endif
