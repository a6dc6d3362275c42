/* clock - the two clocks of the project. Only what may read a clock includes it: never peer/.
 *
 * Errors:  none; the kernel always has both clocks.
 * Threads: any. */
#ifndef OB_BASE_CLOCK_H
#define OB_BASE_CLOCK_H

#include <stdint.h>

#define OB_SECOND_NS ((uint64_t)1000000000)

/* Monotonic: for intervals. The same for all processes of a host; it stands still while the host sleeps. */
uint64_t ob_now_ns(void);
uint64_t ob_now_s(void);
double ob_seconds_since(uint64_t then_ns); /* since an ob_now_ns() */

/* Processor time of all threads of this process. */
uint64_t ob_cpu_ns(void);

/* Unix time: for expiry, sequence numbers and log lines. 0 when the clock is set before 1970. */
uint64_t ob_wall_ns(void);
uint64_t ob_wall_s(void);

/* "9 h 40 min", "3 min", "12 s", "2 d 4 h". Returns ret_text. */
#define OB_DURATION_MAX 32
const char *ob_duration_text(double seconds, char ret_text[static OB_DURATION_MAX]);

#endif
