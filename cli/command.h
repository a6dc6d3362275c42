/* command - what the subcommands of `onebyte` share. A subcommand is one `struct ob_command` (base/options.h) in a file
 * of its own, cmd_*.c, and one row in commands.def; parsing, help, the manual page and completions follow from it
 * (docs/contributing.md).
 *
 * A command returns its exit code. What it prints to standard output is checked once, at its end (main.c). */
#ifndef OB_CLI_COMMAND_H
#define OB_CLI_COMMAND_H

#include <jansson.h>

#include "base/options.h"

enum {
    OB_EXIT_DONE = 0,
    OB_EXIT_FAILED = 1,
    OB_EXIT_USAGE = 2,
    OB_EXIT_CHECK = 3 /* a check did not hold */
};

#define COMMAND(name) extern const struct ob_command OB_COMMAND_##name;
#include "cli/commands.def"

/* Options that many commands have: `type` has the member. */
#define OB_OPTION_JSON(type)                                                                                 \
    { "json", NULL, "print JSON", OB_ARGUMENT(type, json) }
#define OB_OPTION_MANIFEST(type)                                                                             \
    { "manifest", "FILE", "the run's manifest", OB_ARGUMENT(type, manifest), .required = true }
#define OB_OPTION_MODEL(type, what)                                                                          \
    {                                                                                                        \
        "model", "MODEL", what ": a Hugging Face folder or a GGUF file", OB_ARGUMENT(type, model),           \
            .required = true                                                                                 \
    }
#define OB_CHAT_TEMPLATE_HELP "chat template, by name (docs/data.md); default: the model's own"
#define OB_OPTION_CHAT_TEMPLATE(type)                                                                        \
    { "chat-template", "NAME", OB_CHAT_TEMPLATE_HELP, OB_ARGUMENT(type, chat_template) }

/* Prints "onebyte: …" (nothing for an empty text) and returns the exit code that the error has. */
int ob_cli_fail(const struct ob_error *error);
int ob_cli_fail_usage(const char *what);
/* Prints what is complete (`good`) as one line of JSON; complains otherwise: then there was no memory. Takes `root`.
 * Returns the exit code; whether it could be written is for main.c to see. */
int ob_cli_print_json(json_t *root, bool good);

#endif
