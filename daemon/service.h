/* service - what a service manager hears of the daemon, as systemd's Type=notify has it: READY once it answers, what it
 * does in words (STATUS), a sign of life for the watchdog, STOPPING. Where nobody listens ($NOTIFY_SOCKET is not set, or
 * the program was built without libsystemd) nothing happens.
 *
 * The sign of life comes from the network loop, which waits for no computation: a daemon that is silent for as long as
 * WatchdogSec= says is stuck.
 *
 * Units:   nanoseconds of ob_now_ns, seconds.
 * Threads: the network thread.
 * Source:  sd_notify(3), sd_watchdog_enabled(3). */
#ifndef OB_DAEMON_SERVICE_H
#define OB_DAEMON_SERVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OB_SERVICE_TEXT_MAX 160

struct ob_service {
    bool ready;
    uint64_t alive_every_ns; /* 0: no watchdog */
    uint64_t alive_ns, told_ns;
};

struct ob_service_news {
    const char *life;
    uint32_t round, rounds; /* rounds 0: not known yet */
    double loss;            /* NAN: not known yet */
    double left_s;          /* of the run at the present pace; NAN: not known yet */
};

void ob_service_init(struct ob_service *service);
/* Is it time for ob_service_tell? Gives the sign of life when that is due. */
bool ob_service_tend(struct ob_service *service, uint64_t now_ns);
void ob_service_tell(struct ob_service *service, const struct ob_service_news *news, uint64_t now_ns);
void ob_service_stopping(void);

/* "round 812 of 20000, loss 2.31, 9 h left"; before that what it does. Returns `buffer`. */
const char *ob_service_text(const struct ob_service_news *news, char buffer[OB_SERVICE_TEXT_MAX]);

#endif
