/* tables - what stands in a history beside its rows: frontiers, the ends of their chains, events; and how many of each. */
#ifndef OB_HISTORY_TABLES_H
#define OB_HISTORY_TABLES_H

#include <stddef.h>

#include "base/ids.h"
#include "history/row.h"
#include "record/score.h"

#define OB_HISTORY_FILE      "history.sqlite"
#define OB_HISTORY_ROWS      256 /* of one level */
#define OB_HISTORY_FRONTIERS 1024
#define OB_HISTORY_EVENTS    512
#define OB_HISTORY_KIND_MAX  24
#define OB_HISTORY_NAME_MAX  80
#define OB_HISTORY_TEXT_MAX  240
#define OB_HISTORY_ENDS      64    /* frontiers whose chains' ends are kept: the newest, and the best … */
#define OB_HISTORY_ENDS_ALL  65536 /* … as long as they are not more ends than this together */

/* All records of rounds below `round`. */
struct ob_history_frontier {
    uint32_t round;
    uint64_t time_ms;
    struct ob_hash log, weights; /* zeros: not known */
    struct ob_score score;       /* items 0: not evaluated */
    uint32_t machines;           /* that evaluated */
};

/* Where one machine's chain ends at a frontier: its samples below `next` belong to it. */
struct ob_history_end {
    struct ob_machine_id machine;
    uint64_t next;
};

struct ob_history_event {
    uint64_t time_ms;
    char kind[OB_HISTORY_KIND_MAX], machine[OB_HISTORY_NAME_MAX], text[OB_HISTORY_TEXT_MAX]; /* UTF-8 */
};

#endif
