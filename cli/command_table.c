#include "cli/command_table.h"

#include <string.h>

#include "cli/command.h"

const struct ob_command_row OB_COMMAND_ROWS[] = {
#define GROUP(title)  {.group = (title)},
#define COMMAND(name) {.command = &OB_COMMAND_##name},
#include "cli/commands.def"
};
const size_t OB_COMMAND_ROW_COUNT = sizeof OB_COMMAND_ROWS / sizeof *OB_COMMAND_ROWS;

static bool names(const char *name, int count, char **words, int *ret_words) {
    size_t first = strcspn(name, " ");
    const char *second = name[first] ? name + first + 1 : NULL;
    if (count < 1 || strlen(words[0]) != first || strncmp(words[0], name, first) != 0)
        return false;
    if (second && (count < 2 || strcmp(words[1], second) != 0))
        return false;
    *ret_words = second ? 2 : 1;
    return true;
}

const struct ob_command *ob_command_find(int count, char **words, int *ret_words) {
    for (size_t i = 0; i < OB_COMMAND_ROW_COUNT; i++)
        if (OB_COMMAND_ROWS[i].command && names(OB_COMMAND_ROWS[i].command->name, count, words, ret_words))
            return OB_COMMAND_ROWS[i].command;
    return NULL;
}

bool ob_command_is_prefix(const char *word) {
    size_t bytes = strlen(word);
    for (size_t i = 0; i < OB_COMMAND_ROW_COUNT; i++) {
        const struct ob_command *command = OB_COMMAND_ROWS[i].command;
        if (command && strncmp(command->name, word, bytes) == 0 && command->name[bytes] == ' ')
            return true;
    }
    return false;
}

const char *ob_command_suggest(int count, char **words) {
    char both[64];
    const char *second = count > 1 && words[1][0] != '-' ? words[1] : NULL;
    int bytes = snprintf(both, sizeof both, "%s%s%s", words[0], second ? " " : "", second ? second : "");
    struct ob_suggestion one = {.word = words[0]}, two = {.word = both};
    for (size_t i = 0; i < OB_COMMAND_ROW_COUNT; i++) {
        const struct ob_command *command = OB_COMMAND_ROWS[i].command;
        if (!command)
            continue;
        const char *last = strchr(command->name, ' ');
        if (last && strcmp(last + 1, words[0]) == 0)
            return command->name; /* "list" */
        ob_suggestion_try(&one, command->name);
        if (second && bytes < (int)sizeof both)
            ob_suggestion_try(&two, command->name);
    }
    return two.nearest ? two.nearest : one.nearest;
}
