/* command_table - every subcommand, in the order of commands.def. */
#ifndef OB_CLI_COMMAND_TABLE_H
#define OB_CLI_COMMAND_TABLE_H

#include "base/options.h"

struct ob_command_row {
    const char *group; /* title; for a row that opens a group, with `command` NULL */
    const struct ob_command *command;
};
extern const struct ob_command_row OB_COMMAND_ROWS[];
extern const size_t OB_COMMAND_ROW_COUNT;

/* The command that the first `count` words name ("eval", "run" "create"), or NULL. *ret_words: how many of them. */
const struct ob_command *ob_command_find(int count, char **words, int *ret_words);
/* Is there a command of two words whose first is `word`? */
bool ob_command_is_prefix(const char *word);
/* The name that is nearest to the first words, or NULL. */
const char *ob_command_suggest(int count, char **words);

#endif
