/* terminal - what text goes to: its width, its colours, its characters.
 *
 * Colours: only on a terminal that is not dumb, and not when NO_COLOR is set to anything (no-color.org).
 * Width:   COLUMNS, else the terminal's; 0: none, as in a pipe.
 * UTF-8:   by the locale (LC_ALL, LC_CTYPE, LANG); else ASCII stands in for arrows and curves.
 * Text from other machines may hold anything: what would move the cursor or turn the direction of writing is shown as '?'.
 *
 * Threads: pure, but for ob_terminal_of, which reads the environment. */
#ifndef OB_CLI_TERMINAL_H
#define OB_CLI_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct ob_terminal {
    bool colour, utf8;
    int columns, rows; /* 0: no bound */
};

enum ob_colour { OB_PLAIN, OB_BOLD, OB_DIM, OB_GREEN, OB_YELLOW, OB_RED };

struct ob_terminal ob_terminal_of(FILE *to);

/* Columns that a UTF-8 text takes when it is printed by ob_terminal_print. */
int ob_terminal_width(const char *text);
/* At most `columns` of it (negative: all); returns how many were used. */
int ob_terminal_print(const struct ob_terminal *terminal, FILE *to, const char *text, int columns,
                      enum ob_colour colour);
/* The same, filled with blanks to exactly `columns`: behind it, or before it when `right`. */
void ob_terminal_column(const struct ob_terminal *terminal, FILE *to, const char *text, int columns,
                        bool right, enum ob_colour colour);

/* Values between their least and largest as a line of blocks; NaN: a blank. Without UTF-8: "_.-=#". Returns ret_text. */
#define OB_SPARKLINE_MAX 512
const char *ob_terminal_sparkline(const struct ob_terminal *terminal, const double *values, size_t count,
                                  char ret_text[static OB_SPARKLINE_MAX]);

#endif
