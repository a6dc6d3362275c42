/* logind - what systemd-logind knows of whether somebody uses this machine: its IdleHint, which desktops set when nobody
 * types or points, which it finds itself for terminals, and which a film that plays holds back.
 *
 * Built without libsystemd, it knows nothing.
 * Errors:  none: no answer is NAN. A bus that does not answer costs half a second of the caller, then a minute's rest.
 * Owns:    its connection.
 * Threads: one at a time; it waits for the bus.
 * Source:  org.freedesktop.login1(5), sd_bus_get_property(3). */
#ifndef OB_DESK_LOGIND_H
#define OB_DESK_LOGIND_H

#include <stdint.h>

struct sd_bus;

struct ob_logind {
    struct sd_bus *bus;    /* NULL: not connected */
    uint64_t rest_until_s; /* of ob_now_s */
};

/* Seconds since somebody used it, by the clock now_s (Unix time); 0: now. NAN: not known. */
double ob_logind_idle_s(struct ob_logind *logind, int64_t now_s);
void ob_logind_close(struct ob_logind *logind);

#endif
