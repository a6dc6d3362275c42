#include "cli/terminal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <utf8proc.h>

#define COLUMNS_MAX 10000

static int environment_number(const char *name) {
    const char *text = getenv(name);
    char *end = NULL;
    long value = text ? strtol(text, &end, 10) : 0;
    return text && end != text && *end == 0 && value > 0 && value <= COLUMNS_MAX ? (int)value : 0;
}

static bool locale_is_utf8(void) {
    static const char *const NAMES[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++) {
        const char *value = getenv(NAMES[i]);
        if (value && *value)
            return strcasestr(value, "utf-8") != NULL || strcasestr(value, "utf8") != NULL;
    }
    return false;
}

struct ob_terminal ob_terminal_of(FILE *to) {
    struct ob_terminal terminal = {.utf8 = locale_is_utf8(), .columns = environment_number("COLUMNS")};
    const char *no_colour = getenv("NO_COLOR"), *kind = getenv("TERM");
    struct winsize size = {0};
    if (!isatty(fileno(to)))
        return terminal;
    terminal.colour = !(no_colour && *no_colour) && kind && strcmp(kind, "dumb") != 0;
    if (ioctl(fileno(to), TIOCGWINSZ, &size) == 0) {
        terminal.rows = size.ws_row;
        if (terminal.columns == 0)
            terminal.columns = size.ws_col;
    }
    return terminal;
}

/* ---- characters ---- */

struct character {
    size_t bytes;
    int columns;
    bool shown; /* else '?' stands in for it */
};

static bool turns_direction(utf8proc_int32_t c) {
    return (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0x200e || c == 0x200f ||
           c == 0x061c;
}

static struct character next_character(const char *text) {
    utf8proc_int32_t c;
    utf8proc_ssize_t length =
        utf8proc_iterate((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)strnlen(text, 4), &c);
    if (length <= 0)
        return (struct character){1, 1, false};
    if (utf8proc_category(c) == UTF8PROC_CATEGORY_CC || c == 0x2028 || c == 0x2029 || turns_direction(c))
        return (struct character){(size_t)length, 1, false};
    return (struct character){(size_t)length, utf8proc_charwidth(c), true};
}

int ob_terminal_width(const char *text) {
    int width = 0;
    for (struct character c; *text; text += c.bytes) {
        c = next_character(text);
        width += c.columns;
    }
    return width;
}

static const char *colour_code(enum ob_colour colour) {
    static const char *const CODES[] = {
        [OB_PLAIN] = "",         [OB_BOLD] = "\033[1m",    [OB_DIM] = "\033[2m",
        [OB_GREEN] = "\033[32m", [OB_YELLOW] = "\033[33m", [OB_RED] = "\033[31m"};
    return CODES[colour];
}

int ob_terminal_print(const struct ob_terminal *terminal, FILE *to, const char *text, int columns,
                      enum ob_colour colour) {
    bool coloured = terminal->colour && colour != OB_PLAIN;
    int used = 0;
    if (coloured)
        fputs(colour_code(colour), to);
    for (struct character c; *text; text += c.bytes) {
        c = next_character(text);
        if (columns >= 0 && used + c.columns > columns)
            break;
        if (c.shown)
            (void)fwrite(text, 1, c.bytes, to);
        else
            (void)fputc('?', to);
        used += c.columns;
    }
    if (coloured)
        fputs("\033[0m", to);
    return used;
}

void ob_terminal_column(const struct ob_terminal *terminal, FILE *to, const char *text, int columns,
                        bool right, enum ob_colour colour) {
    int width = ob_terminal_width(text), blanks = width < columns ? columns - width : 0;
    fprintf(to, "%*s", right ? blanks : 0, "");
    int used = ob_terminal_print(terminal, to, text, columns, colour);
    if (!right)
        fprintf(to, "%*s", columns - used, "");
}

/* ---- values ---- */

const char *ob_terminal_sparkline(const struct ob_terminal *terminal, const double *values, size_t count,
                                  char ret_text[static OB_SPARKLINE_MAX]) {
    static const char *const BLOCKS[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    static const char *const PLAIN[] = {"_", ".", ".", "-", "-", "=", "=", "#"};
    double least = INFINITY, most = -INFINITY;
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(values[i]))
            continue;
        least = fmin(least, values[i]);
        most = fmax(most, values[i]);
    }
    for (size_t i = 0; i < count && used + 4 < OB_SPARKLINE_MAX; i++) {
        double part = most > least ? (values[i] - least) / (most - least) : 0.5;
        size_t step = isfinite(values[i]) ? (size_t)(part * 7.999) : 0;
        const char *glyph = !isfinite(values[i]) ? " " : terminal->utf8 ? BLOCKS[step] : PLAIN[step];
        memcpy(ret_text + used, glyph, strlen(glyph));
        used += strlen(glyph);
    }
    ret_text[used] = 0;
    return ret_text;
}
