#include "desk/run_when.h"

#include <string.h>
#include <time.h>

#define BLANKS " \t,"
#define DAY    1440
#define LOOK_S                                                                                               \
    (3 * 86400) /* a window is lost on the day that the clock is put forward, and is there on the next */
#define MINUTE_S 60

static bool digits(const char *text, unsigned high, unsigned *ret_value) {
    if (text[0] < '0' || text[0] > '9' || text[1] < '0' || text[1] > '9')
        return false;
    *ret_value = (unsigned)(text[0] - '0') * 10 + (unsigned)(text[1] - '0');
    return *ret_value <= high;
}

/* HH:MM, five bytes. */
static bool time_of(const char *text, unsigned *ret_minute) {
    unsigned hour, minute;
    if (!digits(text, 24, &hour) || text[2] != ':' || !digits(text + 3, 59, &minute))
        return false;
    *ret_minute = hour * 60 + minute;
    return *ret_minute <= DAY;
}

static bool window_of(const char *text, size_t length, struct ob_run_window *ret_window) {
    unsigned from, to;
    if (length != 11 || !time_of(text, &from) || text[5] != '-' || !time_of(text + 6, &to) || from == DAY)
        return false;
    *ret_window = (struct ob_run_window){(uint16_t)from, (uint16_t)(to == 0 ? DAY : to)};
    return from != to; /* nothing, or all day? */
}

enum ob_err ob_run_when_parse(const char *text, struct ob_run_when *ret_when, struct ob_error *error) {
    struct ob_run_when when = {.kind = OB_RUN_TIMES};
    const char *at = text + strspn(text, BLANKS);
    size_t length = strcspn(at, BLANKS);
    bool alone = at[length + strspn(at + length, BLANKS)] == 0;
    if (alone && length == 6 && memcmp(at, "always", 6) == 0)
        when.kind = OB_RUN_ALWAYS;
    else if (alone && length == 4 && memcmp(at, "idle", 4) == 0)
        when.kind = OB_RUN_IDLE;
    else
        for (; *at; at += strspn(at, BLANKS)) {
            if (when.count == OB_RUN_WINDOWS_MAX)
                return ob_fail(error, OB_EUSAGE, "more than %d times of day", OB_RUN_WINDOWS_MAX);
            length = strcspn(at, BLANKS);
            if (!window_of(at, length, &when.windows[when.count++]))
                return ob_fail(error, OB_EUSAGE,
                               "\"%.*s\": expected idle, always, or times of day such as 22:00-06:00",
                               (int)(length < 40 ? length : 40), at);
            at += length;
        }
    if (when.kind == OB_RUN_TIMES && when.count == 0)
        return ob_fail(error, OB_EUSAGE, "expected idle, always, or times of day such as 22:00-06:00");
    *ret_when = when;
    return OB_OK;
}

bool ob_run_when_includes(const struct ob_run_when *when, unsigned minute) {
    for (size_t i = 0; i < when->count; i++) {
        unsigned from = when->windows[i].from, to = when->windows[i].to;
        if (from < to ? minute >= from && minute < to : minute >= from || minute < to)
            return true;
    }
    return when->kind != OB_RUN_TIMES;
}

bool ob_run_when_now(const struct ob_run_when *when, int64_t now_s) {
    struct tm local;
    time_t now = (time_t)now_s;
    if (when->kind != OB_RUN_TIMES || !localtime_r(&now, &local))
        return true;
    return ob_run_when_includes(when, (unsigned)(local.tm_hour * 60 + local.tm_min));
}

/* Minute after minute: whatever the clock does in between, that is what will be. Zones are whole minutes from UTC. */
int64_t ob_run_when_change_s(const struct ob_run_when *when, int64_t now_s) {
    bool now = ob_run_when_now(when, now_s);
    if (when->kind != OB_RUN_TIMES)
        return 0;
    for (int64_t at = now_s - now_s % MINUTE_S + MINUTE_S; at <= now_s + LOOK_S; at += MINUTE_S)
        if (ob_run_when_now(when, at) != now)
            return at;
    return 0;
}
