#include "desk/desk.h"

#include <math.h>
#include <stdio.h>
#include <time.h>

static bool in_use(const struct ob_desk_rules *rules, const struct ob_desk_facts *facts) {
    return rules->when.kind == OB_RUN_IDLE && !(facts->idle_s >= (double)rules->idle_s);
}

/* A machine that knows of no input cannot know when it will be idle. */
static int64_t idle_at(const struct ob_desk_rules *rules, const struct ob_desk_facts *facts, int64_t now_s) {
    return isnan(facts->idle_s) ? 0 : now_s + rules->idle_s - (int64_t)facts->idle_s;
}

struct ob_desk_verdict ob_desk_decide(const struct ob_desk_rules *rules, const struct ob_desk_facts *facts,
                                      int64_t now_s) {
    struct ob_desk_verdict verdict = {0};
    if (!ob_run_when_now(&rules->when, now_s)) {
        verdict.reasons |= 1u << OB_DESK_OUTSIDE;
        verdict.until_s = ob_run_when_change_s(&rules->when, now_s);
    }
    if (in_use(rules, facts)) {
        verdict.reasons |= 1u << OB_DESK_IN_USE;
        verdict.until_s = idle_at(rules, facts, now_s);
    }
    if (rules->pause_on_battery && facts->power == OB_POWER_BATTERY)
        verdict.reasons |= 1u << OB_DESK_ON_BATTERY;
    if (rules->memory_bytes > 0 && facts->memory_bytes > rules->memory_bytes)
        verdict.reasons |= 1u << OB_DESK_MEMORY;
    if (verdict.reasons & (1u << OB_DESK_ON_BATTERY | 1u << OB_DESK_MEMORY))
        verdict.until_s = 0; /* nobody knows when these end */
    return verdict;
}

static const char *clock_time(int64_t at_s, char buffer[static 16]) {
    struct tm local;
    time_t at = (time_t)at_s;
    if (at_s == 0 || !localtime_r(&at, &local) || strftime(buffer, 16, "%H:%M", &local) == 0)
        buffer[0] = 0;
    return buffer;
}

const char *ob_desk_text(enum ob_desk_reason reason, const struct ob_desk_rules *rules, const char *when,
                         const struct ob_desk_facts *facts, int64_t now_s, char buffer[OB_DESK_TEXT_MAX]) {
    char at[16];
    double minutes = (double)rules->idle_s / 60;
    switch (reason) {
    case OB_DESK_OUTSIDE:
        (void)clock_time(ob_run_when_change_s(&rules->when, now_s), at);
        (void)snprintf(buffer, OB_DESK_TEXT_MAX, "outside %s%s%s", when, at[0] ? ", until " : "", at);
        break;
    case OB_DESK_IN_USE:
        if (isnan(facts->idle_s))
            (void)snprintf(buffer, OB_DESK_TEXT_MAX,
                           "nobody says whether this machine is in use: neither logind nor a terminal");
        else
            (void)snprintf(buffer, OB_DESK_TEXT_MAX,
                           "in use; training continues %.3g minutes after the last input", minutes);
        break;
    case OB_DESK_ON_BATTERY:
        (void)snprintf(buffer, OB_DESK_TEXT_MAX, "on battery; training continues on mains power");
        break;
    case OB_DESK_MEMORY:
        (void)snprintf(buffer, OB_DESK_TEXT_MAX,
                       "%.0f MB of memory are in use, more than max_memory_mb allows; training continues "
                       "below it",
                       (double)facts->memory_bytes * 1e-6);
        break;
    default:
        buffer[0] = 0;
    }
    return buffer;
}

const char *ob_desk_source_name(enum ob_desk_source source) {
    static const char *const NAMES[] = {NULL, "logind", "terminals", "logind, terminals"};
    return NAMES[source];
}
