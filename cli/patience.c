#include "cli/patience.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"

#define FIRST_ON_TERMINAL_S 2

void ob_patience_start(struct ob_patience *patience) {
    *patience = (struct ob_patience){.since_s = ob_now_s(), .told_s = ob_now_s()};
}

void ob_patience_tell(struct ob_patience *patience, const char *format, ...) {
    char text[400];
    uint64_t now = ob_now_s(), passed = now - patience->since_s;
    bool terminal = isatty(STDERR_FILENO) == 1;
    if (terminal ? passed < FIRST_ON_TERMINAL_S || now == patience->told_s
                 : now - patience->told_s < OB_PATIENCE_EVERY_S)
        return;
    patience->told_s = now;
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    fprintf(stderr, terminal ? "\r  %.120s (%" PRIu64 " s)\033[K" : "  %s (%" PRIu64 " s)\n", text, passed);
    (void)fflush(stderr);
    patience->shown = terminal;
}

void ob_patience_end(struct ob_patience *patience) {
    if (patience->shown)
        fputs("\r\033[K", stderr);
    patience->shown = false;
}
