#include "desk/logind.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#ifdef OB_HAVE_SYSTEMD
#include <systemd/sd-bus.h>
#endif

#include "base/clock.h"

#define ANSWER_US 500000
#define REST_S    60
#define MANY_S    1e9 /* nobody has been here since the start */

#ifdef OB_HAVE_SYSTEMD

static int get(sd_bus *bus, const char *property, char type, void *ret_value) {
    return sd_bus_get_property_trivial(bus, "org.freedesktop.login1", "/org/freedesktop/login1",
                                       "org.freedesktop.login1.Manager", property, NULL, type, ret_value);
}

static bool connect_bus(struct ob_logind *logind) {
    if (logind->bus)
        return true;
    if (ob_now_s() < logind->rest_until_s || sd_bus_open_system(&logind->bus) < 0)
        return false;
    return sd_bus_set_method_call_timeout(logind->bus, ANSWER_US) >= 0;
}

double ob_logind_idle_s(struct ob_logind *logind, int64_t now_s) {
    int idle = 0;
    uint64_t since_us = 0;
    if (!connect_bus(logind) || get(logind->bus, "IdleHint", 'b', &idle) < 0 ||
        (idle && get(logind->bus, "IdleSinceHint", 't', &since_us) < 0)) {
        ob_logind_close(logind);
        if (ob_now_s() >= logind->rest_until_s)
            logind->rest_until_s = ob_now_s() + REST_S;
        return NAN;
    }
    double since_s = (double)since_us * 1e-6;
    if (!idle || since_s > (double)now_s)
        return 0;
    return since_us == 0 ? MANY_S : (double)now_s - since_s;
}

void ob_logind_close(struct ob_logind *logind) {
    logind->bus = sd_bus_close_unref(logind->bus);
}

#else

double ob_logind_idle_s(struct ob_logind *logind, int64_t now_s) {
    (void)logind;
    (void)now_s;
    return NAN;
}

void ob_logind_close(struct ob_logind *logind) {
    logind->bus = NULL;
}

#endif
