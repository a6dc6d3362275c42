#include "base/options_help.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#define WIDTH       79
#define COLUMN_MAX  30
#define COLUMN_LEFT 2

void ob_print_wrapped(const char *text, size_t column, size_t indent, FILE *to) {
    bool first = true;
    while (*text) {
        size_t space = strspn(text, " \n"), bytes;
        for (size_t i = 0, lines = 0; i < space; i++)
            if (text[i] == '\n' && ++lines == 2) { /* a paragraph */
                fprintf(to, "\n\n%*s", (int)indent, "");
                column = indent;
                first = true;
            }
        text += space;
        bytes = strcspn(text, " \n");
        if (!first && column + 1 + bytes > WIDTH) {
            fprintf(to, "\n%*s", (int)indent, "");
            column = indent;
            first = true;
        }
        if (bytes > 0)
            fprintf(to, "%s%.*s", first ? "" : " ", (int)bytes, text);
        column += bytes + !first;
        first = false;
        text += bytes;
    }
    putc('\n', to);
}

static void add(char buffer[static OB_OPTION_NOTE_MAX], const char *between, const char *format, ...)
    OB_PRINTF(3, 4);
static void add(char buffer[static OB_OPTION_NOTE_MAX], const char *between, const char *format, ...) {
    size_t used = strlen(buffer);
    va_list arguments;
    if (used > 0)
        used += (size_t)snprintf(buffer + used, OB_OPTION_NOTE_MAX - used, "%s", between);
    if (used >= OB_OPTION_NOTE_MAX)
        return;
    va_start(arguments, format);
    (void)vsnprintf(buffer + used, OB_OPTION_NOTE_MAX - used, format, arguments);
    va_end(arguments);
}

const char *ob_option_note(const struct ob_option *option, char buffer[static OB_OPTION_NOTE_MAX]) {
    buffer[0] = 0;
    if (option->kind == OB_OPTION_CHOICE)
        for (size_t i = 0; option->choices[i]; i++)
            add(buffer, i ? ", " : "; ", "%s", option->choices[i]);
    if (option->kind == OB_OPTION_INTEGER && option->high == INT64_MAX)
        add(buffer, "; ", "%" PRId64 " or more", option->low);
    else if (option->kind == OB_OPTION_INTEGER)
        add(buffer, "; ", "%" PRId64 " to %" PRId64, option->low, option->high);
    if (option->kind == OB_OPTION_REAL)
        add(buffer, "; ", "%g to %g", option->least, option->most);
    if (option->kind == OB_OPTION_LIST)
        add(buffer, "; ", "may be repeated");
    if (option->required)
        add(buffer, "; ", "required");
    if (option->fallback && option->fallback[0])
        add(buffer, "; ", "default %s", option->fallback);
    return buffer;
}

void ob_options_usage(const char *program, const struct ob_command *command, FILE *to) {
    size_t further = 0;
    fprintf(to, "%s%s%s", program, command->name[0] ? " " : "", command->name);
    for (size_t i = 0; i < command->operand_count; i++)
        fprintf(to, command->operands[i].optional ? " [%s]" : " %s", command->operands[i].metavar);
    for (size_t i = 0; i < command->option_count; i++) {
        const struct ob_option *option = &command->options[i];
        if (option->required)
            fprintf(to, " --%s %s", option->name, option->metavar);
        further += !option->required;
    }
    fputs(further ? " [OPTIONS]" : "", to);
}

/* The left column's text and how wide it is. */
static size_t left_column(const struct ob_option *option, char *buffer, size_t bytes) {
    int length = snprintf(buffer, bytes, "--%s%s%s", option->name, option->metavar ? " " : "",
                          option->metavar ? option->metavar : "");
    return length > 0 ? (size_t)length : 0;
}

static void print_row(const char *left, const char *right, size_t column, FILE *to) {
    size_t length = COLUMN_LEFT + strlen(left);
    fprintf(to, "%*s%s", COLUMN_LEFT, "", left);
    if (length + 1 > column) {
        putc('\n', to);
        length = 0;
    }
    fprintf(to, "%*s", (int)(column - length), "");
    ob_print_wrapped(right, column, column, to);
}

static size_t column_of(const struct ob_command *command) {
    size_t column = strlen("-V, --version");
    char left[128];
    for (size_t i = 0; i < command->operand_count; i++)
        if (strlen(command->operands[i].metavar) > column)
            column = strlen(command->operands[i].metavar);
    for (size_t i = 0; i < command->option_count; i++) {
        size_t length = left_column(&command->options[i], left, sizeof left);
        column = length > column ? length : column;
    }
    column += COLUMN_LEFT + 2;
    return column < COLUMN_MAX ? column : COLUMN_MAX;
}

void ob_options_help(const char *program, const struct ob_command *command, FILE *to) {
    size_t column = column_of(command);
    fputs("usage: ", to);
    ob_options_usage(program, command, to);
    fprintf(to, "\n\n%c", toupper((unsigned char)command->summary[0]));
    fprintf(to, "%s.\n", command->summary + 1);
    if (command->details) {
        putc('\n', to);
        ob_print_wrapped(command->details, 0, 0, to);
    }
    if (command->operand_count > 0)
        fputs("\narguments:\n", to);
    for (size_t i = 0; i < command->operand_count; i++)
        print_row(command->operands[i].metavar, command->operands[i].help, column, to);
    fputs("\noptions:\n", to);
    for (size_t i = 0; i < command->option_count; i++) {
        char left[128], note[OB_OPTION_NOTE_MAX], text[2 * OB_OPTION_NOTE_MAX];
        const struct ob_option *option = &command->options[i];
        (void)left_column(option, left, sizeof left);
        (void)ob_option_note(option, note);
        (void)snprintf(text, sizeof text, note[0] ? "%s (%s)" : "%s", option->help, note);
        print_row(left, text, column, to);
    }
    print_row("-h, --help", "show this help and exit", column, to);
    print_row("-V, --version", "show the version and exit", column, to);
}
