#include "daemon/service.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#ifdef OB_HAVE_SYSTEMD
#include <systemd/sd-daemon.h>
#endif

#include "base/clock.h"

#define TELL_EVERY_NS (5 * OB_SECOND_NS)

#ifdef OB_HAVE_SYSTEMD
static void notify(const char *text) {
    (void)sd_notify(0, text);
}
static uint64_t watchdog_us(void) {
    uint64_t us = 0;
    return sd_watchdog_enabled(0, &us) > 0 ? us : 0;
}
#else
static void notify(const char *text) {
    (void)text;
}
static uint64_t watchdog_us(void) {
    return 0;
}
#endif

void ob_service_init(struct ob_service *service) {
    /* twice within the time that is allowed, as sd_watchdog_enabled(3) recommends */
    *service = (struct ob_service){.alive_every_ns = watchdog_us() * 1000 / 2};
}

bool ob_service_tend(struct ob_service *service, uint64_t now_ns) {
    if (service->alive_every_ns && now_ns - service->alive_ns >= service->alive_every_ns) {
        service->alive_ns = now_ns;
        notify("WATCHDOG=1");
    }
    return !service->ready || now_ns - service->told_ns >= TELL_EVERY_NS;
}

void ob_service_tell(struct ob_service *service, const struct ob_service_news *news, uint64_t now_ns) {
    char text[OB_SERVICE_TEXT_MAX], message[OB_SERVICE_TEXT_MAX + 32];
    (void)snprintf(message, sizeof message, "%sSTATUS=%s", service->ready ? "" : "READY=1\n",
                   ob_service_text(news, text));
    notify(message);
    service->ready = true;
    service->told_ns = now_ns;
}

void ob_service_stopping(void) {
    notify("STOPPING=1\nSTATUS=leaving");
}

static const char *time_left(double seconds, char *buffer, size_t capacity) {
    if (seconds < 120)
        (void)snprintf(buffer, capacity, ", %.0f s left", seconds);
    else if (seconds < 120 * 60)
        (void)snprintf(buffer, capacity, ", %.0f min left", seconds / 60);
    else if (seconds < 48 * 3600)
        (void)snprintf(buffer, capacity, ", %.0f h left", seconds / 3600);
    else
        (void)snprintf(buffer, capacity, ", %.0f d left", seconds / 86400);
    return buffer;
}

const char *ob_service_text(const struct ob_service_news *news, char buffer[OB_SERVICE_TEXT_MAX]) {
    char loss[32] = "", left[48] = "", life[48] = "";
    if (!news->rounds) {
        (void)snprintf(buffer, OB_SERVICE_TEXT_MAX, "%s", news->life);
        return buffer;
    }
    if (strcmp(news->life, "training") != 0)
        (void)snprintf(life, sizeof life, "%s; ", news->life);
    if (isfinite(news->loss))
        (void)snprintf(loss, sizeof loss, ", loss %.4g", news->loss);
    if (isfinite(news->left_s) && news->round < news->rounds)
        (void)time_left(news->left_s, left, sizeof left);
    (void)snprintf(buffer, OB_SERVICE_TEXT_MAX, "%sround %u of %u%s%s", life, news->round, news->rounds, loss,
                   left);
    return buffer;
}
