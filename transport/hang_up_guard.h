/* hang_up_guard - keeps libzmq (4.3.4) from noticing that a connection was reset before it wants to read from it.
 *
 * libzmq stops reading from a connection whose queue is full. epoll reports a reset all the same; libzmq takes note, forgets
 * the descriptor, and keeps the connection until its queue is read. A PING that lies in its buffer then has to be answered,
 * which it asserts cannot happen on a connection that is gone: the process aborts. Any stranger can arrange that at the
 * door, with 33 frames, a PING and a reset while we are busy (tests/hostile/test_aborts.c).
 *
 * So this file defines epoll_wait, which libzmq then takes instead of the C library's: errors and hang-ups are left out,
 * everywhere. Nothing is lost: the kernel tells who waits for input that there is some, and who waits to write that it can,
 * and each learns of the end by trying. (With both told, libzmq looks for input twice, and the first look may fill the queue.)
 * Where nobody waits for anything it waits for a millisecond, because the hang-up stays.
 *
 * Threads: any. */
#ifndef OB_TRANSPORT_HANG_UP_GUARD_H
#define OB_TRANSPORT_HANG_UP_GUARD_H

#include <stdbool.h>

/* Whether libzmq's calls come here. It does not depend on anything but how the program was linked. */
bool ob_hang_up_guard_works(void);

#endif
