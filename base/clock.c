#include "base/clock.h"

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
