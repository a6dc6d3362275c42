/* terminals - when was this machine's keyboard, mouse or a terminal used last? By the times at which the kernel says that
 * somebody read from them: virtual consoles (tty1 …), pseudo-terminals (pts/…; ssh, screen), and input devices whose
 * drivers keep such times. What a desktop reads over evdev leaves no trace here: logind knows that (logind.h).
 *
 * Bounds:  1,024 entries of a folder; nothing is opened but the folders. Times in the future say nothing.
 * Errors:  none.
 * Threads: any.
 * Source:  BOINC's client (hostinfo_unix) goes by the same devices. */
#ifndef OB_DESK_TERMINALS_H
#define OB_DESK_TERMINALS_H

#include <stdint.h>

#define OB_DEVICES_FOLDER "/dev"

/* Seconds since the last input before now_s, Unix time; NAN: there is no such device. */
double ob_terminals_idle_s(const char *folder, int64_t now_s);

#endif
