#include "run/logger.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "run/journal.h"

static const char *const NAMES[] = {"debug", "info", "warn", "error"};

static bool to_journal(int journal, enum ob_log_level level, const char *event, const char *pairs) {
    static const int PRIORITIES[] = {7, 6, 4, 3}; /* of syslog(3) */
    char entry[OB_JOURNAL_ENTRY_MAX];
    return ob_journal_send(journal, entry, ob_journal_entry(PRIORITIES[level], event, pairs, entry));
}

void ob_log(const struct ob_logger *logger, enum ob_log_level level, const char *event, const char *format,
            ...) {
    if ((int)level < atomic_load(&logger->least))
        return;
    char line[2048], pairs[1600];
    struct tm parts;
    uint64_t now_ns = ob_wall_ns();
    time_t now_s = (time_t)(now_ns / OB_SECOND_NS);
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(pairs, sizeof pairs, format, arguments);
    va_end(arguments);
    if (logger->journal > 0 && to_journal(logger->journal, level, event, pairs))
        return;
    gmtime_r(&now_s, &parts);
    int length =
        snprintf(line, sizeof line, "%04d-%02d-%02dT%02d:%02d:%02d.%03uZ %s %s %s\n", parts.tm_year + 1900,
                 parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec,
                 (unsigned)(now_ns % OB_SECOND_NS / 1000000), NAMES[level], event, pairs);
    if (length > 0 && write(STDERR_FILENO, line, (size_t)length) < 0)
        return; /* nowhere left to complain */
}

const char *ob_logger_quote(const char *text, char *buffer, size_t capacity) {
    size_t used = 0;
    bool plain = text[0] != 0 && strpbrk(text, " \"\\\n=") == NULL;
    if (!plain && used + 1 < capacity)
        buffer[used++] = '"';
    for (; *text && used + 4 < capacity; text++) {
        char c = *text == '\n' ? 'n' : *text;
        if (*text == '"' || *text == '\\' || *text == '\n')
            buffer[used++] = '\\';
        buffer[used++] = c;
    }
    if (!plain && used + 1 < capacity)
        buffer[used++] = '"';
    buffer[used] = 0;
    return buffer;
}
