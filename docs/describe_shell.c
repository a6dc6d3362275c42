/* Completions of commands, options and choices; everything else is completed as a path. */
#include <stdio.h>
#include <string.h>

#include "cli/command_table.h"
#include "daemon/arguments.h"
#include "docs/describe.h"

/* The first words, each once: commands of two words are neighbours. */
static void each_first_word(void (*see)(const struct ob_command *command, const char *word)) {
    char last[64] = "";
    for (size_t i = 0; i < OB_COMMAND_ROW_COUNT; i++) {
        const struct ob_command *command = OB_COMMAND_ROWS[i].command;
        char word[64];
        if (!command)
            continue;
        (void)snprintf(word, sizeof word, "%.*s", (int)strcspn(command->name, " "), command->name);
        if (strcmp(word, last) != 0)
            see(command, word);
        memcpy(last, word, sizeof last);
    }
}

/* In single quotes, for a shell. */
static void print_quoted(const char *text) {
    putchar('\'');
    for (; *text; text++) {
        if (*text == '\'')
            fputs("'\\''", stdout);
        else
            putchar(*text);
    }
    putchar('\'');
}

static void print_choices(const struct ob_option *option) {
    for (size_t i = 0; option->choices[i]; i++)
        printf("%s%s", i ? " " : "", option->choices[i]);
}

/* ---- bash ---- */

static void bash_word(const struct ob_command *command, const char *word) {
    (void)command;
    printf("%s ", word);
}

static void bash_second_words(const struct ob_command *command, const char *word) {
    if (!strchr(command->name, ' '))
        return;
    printf("        %s) second='", word);
    for (size_t i = 0; i < OB_COMMAND_ROW_COUNT; i++) {
        const struct ob_command *other = OB_COMMAND_ROWS[i].command;
        size_t bytes = strlen(word);
        if (other && strncmp(other->name, word, bytes) == 0 && other->name[bytes] == ' ')
            printf("%s ", other->name + bytes + 1);
    }
    puts("' ;;");
}

static void bash_options(const struct ob_command *command) {
    printf("        '%s') options='", command->name);
    for (size_t i = 0; i < command->option_count; i++)
        printf("--%s ", command->options[i].name);
    puts("--help --version' ;;");
}

static void bash_choices(const struct ob_command *command) {
    for (size_t i = 0; i < command->option_count; i++) {
        if (command->options[i].kind != OB_OPTION_CHOICE)
            continue;
        printf("        '%s --%s') choices='", command->name, command->options[i].name);
        print_choices(&command->options[i]);
        puts("' ;;");
    }
}

void ob_describe_bash(void) {
    puts("# bash completion of onebyte and onebyted: commands, options and choices; everything else is a "
         "path\n"
         "_onebyte() {\n"
         "    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} "
         "command=${COMP_WORDS[1]}\n"
         "    local second= options= choices=\n"
         "    COMPREPLY=()\n"
         "    # --option=value is three words for bash\n"
         "    if [ \"$word\" = '=' ]; then word=\n"
         "    elif [ \"$before\" = '=' ]; then before=${COMP_WORDS[COMP_CWORD - 2]}; fi\n"
         "    if [ \"${1##*/}\" = onebyted ]; then command=\n"
         "    elif ((COMP_CWORD == 1)); then");
    fputs("        COMPREPLY=($(compgen -W 'help ", stdout);
    each_first_word(bash_word);
    puts("--help --version' -- \"$word\"))\n"
         "        return\n"
         "    fi\n"
         "    case $command in");
    each_first_word(bash_second_words);
    puts("    esac\n"
         "    if [ -n \"$second\" ]; then\n"
         "        if ((COMP_CWORD == 2)); then\n"
         "            COMPREPLY=($(compgen -W \"$second\" -- \"$word\"))\n"
         "            return\n"
         "        fi\n"
         "        command+=\" ${COMP_WORDS[2]}\"\n"
         "    fi\n"
         "    case \"$command $before\" in");
    ob_describe_each(bash_choices);
    puts("    esac\n"
         "    case $command in");
    ob_describe_each(bash_options);
    bash_options(&OB_DAEMON_COMMAND);
    puts("    esac\n"
         "    if [ -n \"$choices\" ]; then COMPREPLY=($(compgen -W \"$choices\" -- \"$word\"))\n"
         "    elif [[ $word == -* ]]; then COMPREPLY=($(compgen -W \"$options\" -- \"$word\")); fi\n"
         "}\n"
         "complete -o bashdefault -o default -F _onebyte onebyte onebyted");
}

/* ---- zsh ---- */

/* --name=[help]:METAVAR:_files */
static void zsh_option(const struct ob_option *option) {
    char text[1024] = "";
    size_t used = (size_t)snprintf(text, sizeof text, "%s--%s%s[", option->kind == OB_OPTION_LIST ? "*" : "",
                                   option->name, option->metavar ? "=" : "");
    for (const char *at = option->help; *at && used < sizeof text - 8; at++) {
        if (strchr("[]:\\", *at))
            text[used++] = '\\';
        text[used++] = *at;
    }
    text[used++] = ']';
    text[used] = 0;
    fputs("            ", stdout);
    if (!option->metavar) {
        print_quoted(text);
    } else if (option->kind == OB_OPTION_CHOICE) {
        print_quoted(text);
        fputs("':", stdout);
        printf("%s:(", option->metavar);
        print_choices(option);
        fputs(")'", stdout);
    } else {
        print_quoted(text);
        printf("':%s:_files'", option->metavar);
    }
    puts(" \\");
}

static void zsh_arguments(const struct ob_command *command) {
    puts("            _arguments \\");
    for (size_t i = 0; i < command->option_count; i++)
        zsh_option(&command->options[i]);
    puts("            '(-h --help)'{-h,--help}'[show the help]' '*:file:_files' ;;");
}

static void zsh_command(const struct ob_command *command) {
    printf("        '%s')\n", command->name);
    zsh_arguments(command);
}

static void zsh_description(const struct ob_command *command) {
    char text[256];
    (void)snprintf(text, sizeof text, "%s:%s", command->name, command->summary);
    fputs("        ", stdout);
    print_quoted(text);
    putchar('\n');
}

void ob_describe_zsh(void) {
    puts(
        "#compdef onebyte onebyted\n"
        "# zsh completion of onebyte and onebyted: commands, options and choices; everything else is a path\n"
        "_onebyte() {\n"
        "    local command=$words[2]\n"
        "    local -a commands first second\n"
        "    commands=(");
    ob_describe_each(zsh_description);
    puts("    )\n"
         "    if [[ $service == onebyted ]]; then command=\n"
         "    elif (( CURRENT == 2 )); then\n"
         "        first=('help:show the help of a command')\n"
         "        for line in $commands; do\n"
         "            if [[ ${line%%:*} == *' '* ]]; then first+=(\"${line%% *}\"); else first+=(\"$line\"); "
         "fi\n"
         "        done\n"
         "        _describe command first\n"
         "        return\n"
         "    else\n"
         "        for line in $commands; do\n"
         "            [[ $line == \"$command \"* ]] && second+=(\"${line#* }\")\n"
         "        done\n"
         "        if (( $#second && CURRENT == 3 )); then\n"
         "            _describe command second\n"
         "            return\n"
         "        fi\n"
         "        shift words\n"
         "        (( CURRENT-- ))\n"
         "        if (( $#second )); then\n"
         "            command+=\" $words[2]\"\n"
         "            shift words\n"
         "            (( CURRENT-- ))\n"
         "        fi\n"
         "    fi\n"
         "    case $command in");
    ob_describe_each(zsh_command);
    zsh_command(&OB_DAEMON_COMMAND);
    puts("    esac\n"
         "}\n"
         "_onebyte \"$@\"");
}

/* ---- fish ---- */

static void fish_option(const char *condition, const char *program, const struct ob_option *option) {
    printf("complete -c %s -n '%s' -l %s ", program, condition, option->name);
    if (option->kind == OB_OPTION_CHOICE) {
        fputs("-x -a '", stdout);
        print_choices(option);
        fputs("' ", stdout);
    } else if (option->metavar) {
        fputs("-r ", stdout);
    }
    fputs("-d ", stdout);
    char help[1024];
    size_t used = 0;
    for (const char *at = option->help; *at && used < sizeof help - 1; at++)
        if (*at != '\'') /* quoted otherwise than in a POSIX shell */
            help[used++] = *at;
    help[used] = 0;
    print_quoted(help);
    putchar('\n');
}

static void fish_word(const struct ob_command *command, const char *word) {
    if (strchr(command->name, ' '))
        printf("complete -c onebyte -f -n __fish_use_subcommand -a %s\n", word);
    else
        printf("complete -c onebyte -f -n __fish_use_subcommand -a %s -d \"%s\"\n", word, command->summary);
}

static void fish_command(const struct ob_command *command) {
    char condition[256], first[64];
    const char *space = strchr(command->name, ' ');
    (void)snprintf(first, sizeof first, "%.*s", (int)strcspn(command->name, " "), command->name);
    (void)snprintf(condition, sizeof condition, "__fish_seen_subcommand_from %s%s%s", first,
                   space ? "; and __fish_seen_subcommand_from " : "", space ? space + 1 : "");
    if (space)
        printf("complete -c onebyte -f -n '__fish_seen_subcommand_from %s; and not "
               "__fish_seen_subcommand_from %s' -a %s "
               "-d \"%s\"\n",
               first, space + 1, space + 1, command->summary);
    for (size_t i = 0; i < command->option_count; i++)
        fish_option(condition, "onebyte", &command->options[i]);
}

void ob_describe_fish(void) {
    puts("# fish completion of onebyte and onebyted: commands, options and choices; everything else is a "
         "path");
    puts("complete -c onebyte -f -n __fish_use_subcommand -a help -d \"show the help of a command\"");
    each_first_word(fish_word);
    ob_describe_each(fish_command);
    for (size_t i = 0; i < OB_DAEMON_COMMAND.option_count; i++)
        fish_option("true", "onebyted", &OB_DAEMON_COMMAND.options[i]);
}
