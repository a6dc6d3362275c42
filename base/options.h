/* options - a command line as a table: what a command takes is declared once, and parsing, --help, the manual pages and
 * shell completions come from the declaration.
 *
 *     struct arguments { const char *model; int64_t batch; bool json; };
 *     static const struct ob_option OPTIONS[] = {
 *         {"model", "MODEL", "model to evaluate", OB_ARGUMENT(struct arguments, model), .required = true},
 *         {"batch", "N", "rows per forward pass", OB_ARGUMENT(struct arguments, batch), .low = 1, .high = 4096,
 *          .fallback = "8"},
 *         {"json", NULL, "print JSON", OB_ARGUMENT(struct arguments, json)}};
 *
 * The member's type says what the option is:
 *   bool                      a switch
 *   const char *              text; NULL when it is not given
 *   int64_t                   a whole number from low to high; OB_NOT_GIVEN when it is not given
 *   double                    a finite number from least to most; NaN when it is not given
 *   int                       one of `choices`, its index; -1 when it is not given
 *   struct ob_option_list     text, may be given several times
 *
 * `--name VALUE`, `--name=VALUE`, `-h`, `--help`, `-V` and `--version` are understood; `--` ends the options.
 *
 * Errors:  OB_EUSAGE, which names the option, what is wrong and the nearest option that exists.
 * Owns:    nothing; values point into argv or the table.
 * Threads: pure. */
#ifndef OB_BASE_OPTIONS_H
#define OB_BASE_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/err.h"

#define OB_NOT_GIVEN       INT64_MIN
#define OB_OPTION_LIST_MAX 256
#define OB_ARGUMENTS_MAX   8192 /* bytes of a command's arguments */

struct ob_option_list {
    const char *values[OB_OPTION_LIST_MAX]; /* in order */
    size_t count;
};

enum ob_option_kind {
    OB_OPTION_SWITCH,
    OB_OPTION_TEXT,
    OB_OPTION_INTEGER,
    OB_OPTION_REAL,
    OB_OPTION_CHOICE,
    OB_OPTION_LIST
};

struct ob_option {
    const char *name;    /* without the dashes */
    const char *metavar; /* FILE, FOLDER, STATE_DIR, MODEL are completed as paths; NULL for a switch */
    const char *help;
    enum ob_option_kind kind;
    size_t offset; /* in the command's arguments */
    bool required;
    const char *fallback; /* the default, as it would be given; NULL: none */
    int64_t low, high;
    double least, most;
    const char *const *choices; /* up to NULL */
};

#define OB_ARGUMENT(type, member)                                                                            \
    .kind = _Generic(((type *)0)->member, bool : OB_OPTION_SWITCH, const char * : OB_OPTION_TEXT,                      \
                     int64_t : OB_OPTION_INTEGER, double : OB_OPTION_REAL, int : OB_OPTION_CHOICE,                     \
                     struct ob_option_list : OB_OPTION_LIST),                                                          \
    .offset = offsetof(type, member)

/* Operands that are optional are filled from the left, as far as there are more than the others need: of
 * `[STATE_DIR] MACHINE` a single one is MACHINE. */
struct ob_operand {
    const char *metavar, *help;
    size_t offset; /* of a const char * in the command's arguments; NULL when it is not given */
    bool optional;
};
#define OB_OPERANDS_MAX 4

struct ob_command {
    const char *name;    /* "eval", "run create"; "" for a program that is one command */
    const char *summary; /* one line: verb first, no full stop */
    const char *details; /* more sentences, paragraphs apart by \n\n; NULL: none */
    const struct ob_option *options;
    size_t option_count;
    const struct ob_operand *operands;
    size_t operand_count;
    size_t arguments_bytes;
    bool needs_blas;                               /* multiplies matrices: OpenBLAS is checked first */
    bool (*needs_blas_for)(const void *arguments); /* the same for some arguments only; NULL: for none */
    int (*run)(const void *arguments);             /* the exit code */
};

#define OB_OPTIONS(array)  .options = (array), .option_count = sizeof(array) / sizeof *(array)
#define OB_OPERANDS(array) .operands = (array), .operand_count = sizeof(array) / sizeof *(array)

enum ob_options_wanted { OB_WANTED_RUN, OB_WANTED_HELP, OB_WANTED_VERSION };

/* argv[0] is not looked at. `ret_arguments` has arguments_bytes and is filled, defaults included. With --help or
 * --version nothing else is checked. */
OB_MUST_USE enum ob_err ob_options_parse(const struct ob_command *command, int argc, char **argv,
                                         void *ret_arguments, enum ob_options_wanted *ret_wanted,
                                         struct ob_error *error);

/* Keeps the candidate that is nearest to a mistyped word, when one is near enough to be meant. */
struct ob_suggestion {
    const char *word, *nearest; /* NULL: none */
    size_t distance;
};
void ob_suggestion_try(struct ob_suggestion *suggestion, const char *candidate);

#endif
