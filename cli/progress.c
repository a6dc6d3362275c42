#include "cli/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"

#define FIRST_NS (OB_SECOND_NS / 2)
#define EVERY_NS (OB_SECOND_NS / 5)
#define PLAIN_NS (10 * OB_SECOND_NS) /* where it is no terminal: lines for a log */

static void put_time(double seconds, char *text, size_t bytes) {
    if (seconds < 100)
        (void)snprintf(text, bytes, "%.0f s", seconds);
    else if (seconds < 6000)
        (void)snprintf(text, bytes, "%.0f min", seconds / 60);
    else
        (void)snprintf(text, bytes, "%.1f h", seconds / 3600);
}

const char *ob_progress_line(const struct ob_progress *p, uint64_t done, double seconds,
                             char ret_line[static OB_PROGRESS_LINE_MAX]) {
    double rate = seconds > 0 ? (double)done / seconds : 0;
    char left[32] = "";
    char rate_text[32];
    (void)snprintf(rate_text, sizeof rate_text, "%.*f", rate < 10 ? 2 : 0, rate);
    if (p->total == 0 || done > p->total) {
        (void)snprintf(ret_line, OB_PROGRESS_LINE_MAX, "%s  %" PRIu64 " %s  %s a second", p->what, done,
                       p->unit, rate_text);
        return ret_line;
    }
    if (rate > 0)
        put_time((double)(p->total - done) / rate, left, sizeof left);
    (void)snprintf(ret_line, OB_PROGRESS_LINE_MAX,
                   "%s %3.0f %%  %" PRIu64 " of %" PRIu64 " %s  %s a second%s%s%s", p->what,
                   100.0 * (double)done / (double)p->total, done, p->total, p->unit, rate_text,
                   left[0] ? "  " : "", left, left[0] ? " left" : "");
    return ret_line;
}

void ob_progress_start(struct ob_progress *p, const char *what, const char *unit, uint64_t total) {
    ob_progress_end(p);
    *p = (struct ob_progress){.what = what,
                              .unit = unit,
                              .total = total,
                              .enabled = true,
                              .terminal = isatty(STDERR_FILENO) == 1,
                              .start_ns = ob_now_ns()};
}

void ob_progress_at(struct ob_progress *p, uint64_t done) {
    char line[OB_PROGRESS_LINE_MAX];
    if (!p || !p->enabled)
        return;
    uint64_t now = ob_now_ns();
    if (now - p->start_ns < (p->terminal ? FIRST_NS : PLAIN_NS) ||
        now - p->last_ns < (p->terminal ? EVERY_NS : PLAIN_NS))
        return;
    p->last_ns = now;
    p->shown = p->terminal;
    fprintf(stderr, p->terminal ? "\r%s\033[K" : "%s\n",
            ob_progress_line(p, done, 1e-9 * (double)(now - p->start_ns), line));
    (void)fflush(stderr);
}

void ob_progress_end(struct ob_progress *p) {
    if (p->shown)
        fputs("\r\033[K", stderr);
    p->shown = p->enabled = false;
}

static bool tell_bytes(void *context, const char *what, uint64_t done, uint64_t size) {
    struct ob_progress *p = context;
    if (!p->enabled || p->what != what)
        ob_progress_start(p, what, "MB", size / 1000000);
    ob_progress_at(p, done / 1000000);
    return true;
}

struct ob_progress_callback ob_progress_of_bytes(struct ob_progress *p) {
    return (struct ob_progress_callback){.tell = p ? tell_bytes : NULL, .context = p};
}
