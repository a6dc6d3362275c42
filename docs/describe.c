/* describe WHAT - prints a part of the documentation that is generated from tables in the source:
 *
 *   status                    the table of status fields in docs/files.md
 *   commands                  every command and its options, one a line, for tests/documents.py
 *   man-commands              what onebyte(1) says of each command
 *   man-daemon                the options in onebyted(8)
 *   bash, zsh, fish           completions
 *
 * It is built and run by meson, and not installed. */
#include "docs/describe.h"

#include <stdio.h>
#include <string.h>

#include "cli/command_table.h"
#include "daemon/arguments.h"
#include "daemon/status_fields.h"

void ob_describe_each(void (*see)(const struct ob_command *command)) {
    for (size_t i = 0; i < OB_COMMAND_ROW_COUNT; i++)
        if (OB_COMMAND_ROWS[i].command)
            see(OB_COMMAND_ROWS[i].command);
}

static void describe_status(void) {
    puts("| field | type | unit | meaning |\n| --- | --- | --- | --- |");
    for (size_t i = 0; i < OB_STATUS_FIELD_COUNT; i++) {
        const struct ob_status_field *f = &OB_STATUS_FIELDS[i];
        printf("| `%s` | %s | %s | %s |\n", f->path, f->type, f->unit, f->sentence);
    }
}

/* "onebyte|eval|--model|--data": tests/documents.py reads it. */
static void print_line(const char *program, const struct ob_command *command) {
    printf("%s|%s", program, command->name);
    for (size_t i = 0; i < command->option_count; i++)
        printf("|--%s", command->options[i].name);
    putchar('\n');
}

static void print_command(const struct ob_command *command) {
    print_line("onebyte", command);
}

static void describe_commands(void) {
    ob_describe_each(print_command);
    print_line("onebyted", &OB_DAEMON_COMMAND);
}

int main(int argc, char **argv) {
    static const struct {
        const char *name;
        void (*describe)(void);
    } PARTS[] = {{"status", describe_status},
                 {"commands", describe_commands},
                 {"man-commands", ob_describe_man_commands},
                 {"man-daemon", ob_describe_man_daemon},
                 {"bash", ob_describe_bash},
                 {"zsh", ob_describe_zsh},
                 {"fish", ob_describe_fish}};
    for (size_t i = 0; argc == 2 && i < sizeof PARTS / sizeof *PARTS; i++) {
        if (strcmp(argv[1], PARTS[i].name) != 0)
            continue;
        PARTS[i].describe();
        return fflush(stdout) != 0;
    }
    fputs("describe: expected the name of a part (docs/describe.c)\n", stderr);
    return 2;
}
