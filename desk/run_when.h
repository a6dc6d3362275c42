/* run_when - at which times of day a machine trains, as its owner wrote it: `always`, `idle`, or windows HH:MM-HH:MM,
 * separated by blanks or commas. A window includes its first minute and not its last, may go over midnight, and may end at
 * 24:00. Times are those of the local clock: where the clock is put forward, a window loses that hour; where it is put
 * back, it has it twice.
 *
 * Units:   minutes of the day, 0 … 1439; Unix seconds.
 * Errors:  OB_EUSAGE: not such a text, with what it should be.
 * Threads: any; the time zone is the process's (tzset(3)). */
#ifndef OB_DESK_RUN_WHEN_H
#define OB_DESK_RUN_WHEN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define OB_RUN_WINDOWS_MAX 16
#define OB_RUN_WHEN_MAX    256 /* of the text, with its end */

enum ob_run_kind { OB_RUN_ALWAYS, OB_RUN_IDLE, OB_RUN_TIMES };

struct ob_run_window {
    uint16_t from, to; /* to: 1 … 1440; not above from: over midnight */
};

struct ob_run_when {
    enum ob_run_kind kind;
    struct ob_run_window windows[OB_RUN_WINDOWS_MAX]; /* of OB_RUN_TIMES */
    uint8_t count;
};

OB_MUST_USE enum ob_err ob_run_when_parse(const char *text, struct ob_run_when *ret_when,
                                          struct ob_error *error);
/* Is this minute in a window? True for what is no OB_RUN_TIMES. */
bool ob_run_when_includes(const struct ob_run_when *when, unsigned minute);
bool ob_run_when_now(const struct ob_run_when *when, int64_t now_s);
/* The next minute at which ob_run_when_now becomes the opposite; 0: not within three days. */
int64_t ob_run_when_change_s(const struct ob_run_when *when, int64_t now_s);

#endif
