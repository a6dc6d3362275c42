#include "base/clock.h"

#include <math.h>
#include <stdio.h>
#include <time.h>

static uint64_t read_clock(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec < 0 ? 0 : (uint64_t)now.tv_sec * OB_SECOND_NS + (uint64_t)now.tv_nsec;
}

uint64_t ob_now_ns(void) {
    return read_clock(CLOCK_MONOTONIC);
}

uint64_t ob_now_s(void) {
    return ob_now_ns() / OB_SECOND_NS;
}

double ob_seconds_since(uint64_t then_ns) {
    return 1e-9 * (double)(ob_now_ns() - then_ns);
}

uint64_t ob_cpu_ns(void) {
    return read_clock(CLOCK_PROCESS_CPUTIME_ID);
}

uint64_t ob_wall_ns(void) {
    return read_clock(CLOCK_REALTIME);
}

uint64_t ob_wall_s(void) {
    return ob_wall_ns() / OB_SECOND_NS;
}

const char *ob_duration_text(double seconds, char ret_text[static OB_DURATION_MAX]) {
    if (!isfinite(seconds) || seconds < 0 || seconds > 1e10) {
        (void)snprintf(ret_text, OB_DURATION_MAX, "unknown");
        return ret_text;
    }
    unsigned long long s = (unsigned long long)(seconds + 0.5);
    if (s < 60)
        (void)snprintf(ret_text, OB_DURATION_MAX, "%llu s", s);
    else if (s < 3600)
        (void)snprintf(ret_text, OB_DURATION_MAX, "%llu min", (s + 30) / 60);
    else if (s < 86400)
        (void)snprintf(ret_text, OB_DURATION_MAX, "%llu h %llu min", s / 3600, s % 3600 / 60);
    else
        (void)snprintf(ret_text, OB_DURATION_MAX, "%llu d %llu h", s / 86400, s % 86400 / 3600);
    return ret_text;
}
