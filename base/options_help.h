/* options_help - the text of --help from the table of a command (base/options.h), at most 80 columns wide. */
#ifndef OB_BASE_OPTIONS_HELP_H
#define OB_BASE_OPTIONS_HELP_H

#include "base/options.h"

#define OB_OPTION_NOTE_MAX 512

/* "usage: PROGRAM NAME …", the summary as a sentence, the details, operands and options. */
void ob_options_help(const char *program, const struct ob_command *command, FILE *to);
/* "PROGRAM NAME OPERAND --required VALUE [options]" */
void ob_options_usage(const char *program, const struct ob_command *command, FILE *to);
/* What an option's range, choices and default say: "1 to 4096; default 8", "required", or "". Returns `buffer`. */
const char *ob_option_note(const struct ob_option *option, char buffer[static OB_OPTION_NOTE_MAX]);
/* Prints words of `text`, the first line from column `column` on, further ones from `indent`. */
void ob_print_wrapped(const char *text, size_t column, size_t indent, FILE *to);

#endif
