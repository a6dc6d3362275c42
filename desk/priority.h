/* priority - how this program stands behind others: its nice value and the class of its I/O.
 *
 * Both are the calling thread's and go to the threads that it starts from then on: set them first. Where the kernel groups
 * programs by session (autogroup), nice is the group's too, when the session is ours.
 *
 * Errors:  OB_EREFUSED: the system does not allow it.
 * Source:  nice(2), ioprio_set(2), sched(7) "The autogroup feature". */
#ifndef OB_DESK_PRIORITY_H
#define OB_DESK_PRIORITY_H

#include "base/err.h"

enum ob_io_class { OB_IO_NONE, OB_IO_BEST_EFFORT, OB_IO_IDLE }; /* none: as the nice value makes it */

/* nice: 0 … 19. 0 and OB_IO_NONE leave what the program was started with. */
OB_MUST_USE enum ob_err ob_priority_set(int nice, enum ob_io_class class, struct ob_error *error);

#endif
