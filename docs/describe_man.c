#include <ctype.h>
#include <stdio.h>

#include "base/options_help.h"
#include "cli/command_table.h"
#include "daemon/arguments.h"
#include "docs/describe.h"

/* Text for roff: hyphens stay hyphens, and no line begins with a control character. */
static void print_roff(const char *text) {
    if (*text == '.' || *text == '\'')
        fputs("\\&", stdout);
    for (; *text; text++) {
        if (*text == '\n' && text[1] == '\n') {
            fputs("\n.PP\n", stdout);
            text++;
        } else if (*text == '-') {
            fputs("\\-", stdout);
        } else if (*text == '\\') {
            fputs("\\e", stdout);
        } else {
            putchar(*text);
        }
    }
}

static void print_option(const struct ob_option *option) {
    char note[OB_OPTION_NOTE_MAX];
    fputs(".TP\n.B \\-\\-", stdout);
    print_roff(option->name);
    if (option->metavar) {
        fputs(" \\fI", stdout);
        print_roff(option->metavar);
        fputs("\\fR", stdout);
    }
    putchar('\n');
    print_roff(option->help);
    if (ob_option_note(option, note)[0]) {
        fputs(" (", stdout);
        print_roff(note);
        putchar(')');
    }
    fputs(".\n", stdout);
}

static void print_options(const struct ob_command *command) {
    for (size_t i = 0; i < command->operand_count; i++) {
        printf(".TP\n.I %s\n", command->operands[i].metavar);
        print_roff(command->operands[i].help);
        fputs(".\n", stdout);
    }
    for (size_t i = 0; i < command->option_count; i++)
        print_option(&command->options[i]);
}

static void print_command(const struct ob_command *command) {
    printf(".TP\n.B onebyte %s\n%c", command->name, toupper((unsigned char)command->summary[0]));
    print_roff(command->summary + 1);
    fputs(".\n", stdout);
    if (command->details) {
        print_roff(command->details);
        putchar('\n');
    }
    if (command->operand_count + command->option_count == 0)
        return;
    puts(".RS");
    print_options(command);
    puts(".RE");
}

void ob_describe_man_commands(void) {
    for (size_t i = 0; i < OB_COMMAND_ROW_COUNT; i++) {
        if (OB_COMMAND_ROWS[i].command)
            print_command(OB_COMMAND_ROWS[i].command);
        else
            printf(".SS %s\n", OB_COMMAND_ROWS[i].group);
    }
}

void ob_describe_man_daemon(void) {
    print_options(&OB_DAEMON_COMMAND);
}
