/* memory - what this process has taken for itself: memory that no file stands behind, so that only swap could give it back.
 * Threads: any.
 * Source:  proc(5), RssAnon of /proc/PID/status. */
#ifndef OB_DESK_MEMORY_H
#define OB_DESK_MEMORY_H

#include <stdint.h>

/* Bytes; 0: not known. path: /proc/self/status. */
#define OB_MEMORY_FILE "/proc/self/status"
uint64_t ob_memory_own_bytes(const char *path);

#endif
