/* onebyte - finds the subcommand, parses its options, runs it, and sees that all output was written. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/options_help.h"
#include "cli/command.h"
#include "cli/command_table.h"
#include "model/forward/blas.h"

static void print_commands(const char *prefix, FILE *to) {
    size_t bytes = prefix ? strlen(prefix) : 0;
    for (size_t i = 0; i < OB_COMMAND_ROW_COUNT; i++) {
        const struct ob_command_row *row = &OB_COMMAND_ROWS[i];
        if (!row->command && !prefix)
            fprintf(to, "\n%s:\n", row->group);
        if (row->command && (!prefix || (strncmp(row->command->name, prefix, bytes) == 0 &&
                                         row->command->name[bytes] == ' '))) {
            fprintf(to, "  %-17s ", row->command->name);
            ob_print_wrapped(row->command->summary, 20, 20, to);
        }
    }
}

/* Of every command whose first word is `prefix`. */
static void print_usages(const char *prefix) {
    size_t bytes = strlen(prefix);
    for (size_t i = 0; i < OB_COMMAND_ROW_COUNT; i++) {
        const struct ob_command *command = OB_COMMAND_ROWS[i].command;
        if (!command || strncmp(command->name, prefix, bytes) != 0 || command->name[bytes] != ' ')
            continue;
        fputs("usage: ", stdout);
        ob_options_usage("onebyte", command, stdout);
        putchar('\n');
    }
    puts("");
    print_commands(prefix, stdout);
}

static void print_help(FILE *to) {
    fputs("usage: onebyte COMMAND [ARGUMENTS]\n"
          "\n"
          "Creates, monitors and exports onebyte runs. The daemon that trains is onebyted.\n",
          to);
    print_commands(NULL, to);
    fputs("\nRun `onebyte help COMMAND` for the options of a command.\n"
          "Exit codes: 0 success, 1 failure, 2 usage error (`up`, `join`: the machine does not take part),\n"
          "3 a check found a difference.\n",
          to);
}

/* A file that is opened while standard output is closed would become standard output. */
static void hold_standard_files(void) {
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
            (void)open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY); /* so that using it fails */
}

static int finish(int code) {
    bool failed = ferror(stdout) != 0;
    errno = 0;
    failed = fflush(stdout) != 0 || failed;
    if (!failed)
        return code;
    fprintf(stderr, "onebyte: cannot write to standard output%s%s\n", errno ? ": " : "",
            errno ? strerror(errno) : "");
    return code == OB_EXIT_DONE ? OB_EXIT_FAILED : code;
}

/* No command has this name: says which ones there are. */
static int complain(int count, char **words) {
    if (ob_command_is_prefix(words[0])) {
        fprintf(stderr, "onebyte: expected one of these commands:\n");
        print_commands(words[0], stderr);
        return OB_EXIT_USAGE;
    }
    const char *nearest = ob_command_suggest(count, words);
    fprintf(stderr, "onebyte: unknown command \"%s\"", words[0]);
    if (nearest)
        fprintf(stderr, "; did you mean `onebyte %s`?", nearest);
    fputs("\nRun `onebyte --help` for a list of commands.\n", stderr);
    return OB_EXIT_USAGE;
}

static int help(int count, char **words) {
    int used;
    const struct ob_command *command = ob_command_find(count, words, &used);
    if (count == 0)
        print_help(stdout);
    else if (command)
        ob_options_help("onebyte", command, stdout);
    else if (count == 1 && ob_command_is_prefix(words[0]))
        print_usages(words[0]);
    else
        return complain(count, words);
    return OB_EXIT_DONE;
}

static int start(const struct ob_command *command, const void *arguments, char **argv) {
    struct ob_error error = {0};
    if (command->needs_blas || (command->needs_blas_for && command->needs_blas_for(arguments))) {
        if (ob_blas_fix_core(argv, "auto", &error))
            return ob_cli_fail(&error);
        ob_blas_set_threads(1); /* our own pool spreads the products */
    }
    return command->run(arguments);
}

/* `count` words from the command's own options on, argv[0] of them its last word. */
static int run(const struct ob_command *command, int count, char **words, char **argv) {
    struct ob_error error = {0};
    enum ob_options_wanted wanted = OB_WANTED_HELP;
    void *arguments = calloc(1, command->arguments_bytes + 1);
    if (!arguments) {
        (void)ob_fail(&error, OB_ENOMEM, "out of memory");
        return ob_cli_fail(&error);
    }
    int code = OB_EXIT_DONE;
    if (ob_options_parse(command, count, words, arguments, &wanted, &error)) {
        fprintf(stderr, "onebyte %s: %s\nRun `onebyte help %s` for its options.\n", command->name, error.text,
                command->name);
        code = OB_EXIT_USAGE;
    } else if (wanted == OB_WANTED_HELP) {
        ob_options_help("onebyte", command, stdout);
    } else if (wanted == OB_WANTED_VERSION) {
        puts("onebyte " OB_VERSION);
    } else if (sodium_init() < 0) {
        (void)ob_fail(&error, OB_EIO, "no source of random numbers");
        code = ob_cli_fail(&error);
    } else {
        code = start(command, arguments, argv);
    }
    free(arguments);
    return code;
}

static int dispatch(int argc, char **argv) {
    int used = 0;
    if (argc < 2) {
        print_help(stderr);
        return OB_EXIT_USAGE;
    }
    if (strcmp(argv[1], "help") == 0)
        return help(argc - 2, argv + 2);
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
        return help(0, NULL);
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0)
        return puts("onebyte " OB_VERSION) == EOF ? OB_EXIT_FAILED : OB_EXIT_DONE;
    const struct ob_command *command = ob_command_find(argc - 1, argv + 1, &used);
    if (command)
        return run(command, argc - used, argv + used, argv);
    if (argc == 3 && (strcmp(argv[2], "--help") == 0 || strcmp(argv[2], "-h") == 0))
        return help(1, argv + 1); /* of a first word: lists the commands */
    return complain(argc - 1, argv + 1);
}

int main(int argc, char **argv) {
    hold_standard_files();
    /* Where it is ignored, nobody learns how a child ended, and its number is free at once. */
    (void)signal(SIGCHLD, SIG_DFL);
    return finish(dispatch(argc, argv));
}
