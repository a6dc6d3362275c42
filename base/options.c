#include "base/options.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define WORD_MAX 63

/* Insertions, deletions, replacements and swaps of neighbours that make one word of the other. */
static size_t edit_distance(const char *a, const char *b) {
    size_t rows[3][WORD_MAX + 1], length_a = strlen(a), length_b = strlen(b);
    if (length_a > WORD_MAX || length_b > WORD_MAX)
        return SIZE_MAX;
    size_t *before = rows[0], *last = rows[1], *row = rows[2];
    for (size_t j = 0; j <= length_b; j++)
        last[j] = j;
    for (size_t i = 1; i <= length_a; i++) {
        row[0] = i;
        for (size_t j = 1; j <= length_b; j++) {
            size_t best = last[j - 1] + (a[i - 1] != b[j - 1]);
            best = last[j] + 1 < best ? last[j] + 1 : best;
            best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && before[j - 2] + 1 < best)
                best = before[j - 2] + 1;
            row[j] = best;
        }
        size_t *oldest = before;
        before = last;
        last = row;
        row = oldest;
    }
    return last[length_b];
}

void ob_suggestion_try(struct ob_suggestion *suggestion, const char *candidate) {
    size_t length = strlen(suggestion->word), limit = length <= 3 ? 1 : length / 3 + 1;
    size_t distance = edit_distance(suggestion->word, candidate);
    if (length >= 3 && strncmp(suggestion->word, candidate, length) == 0)
        distance = 1; /* cut short */
    if (distance > limit || (suggestion->nearest && distance >= suggestion->distance))
        return;
    suggestion->nearest = candidate;
    suggestion->distance = distance;
}

static const struct ob_option *find(const struct ob_command *command, const char *name, size_t bytes) {
    for (size_t i = 0; i < command->option_count; i++)
        if (strncmp(command->options[i].name, name, bytes) == 0 && command->options[i].name[bytes] == 0)
            return &command->options[i];
    return NULL;
}

static enum ob_err unknown(const struct ob_command *command, const char *argument, struct ob_error *error) {
    char word[WORD_MAX + 1];
    const char *name = argument + strspn(argument, "-");
    (void)snprintf(word, sizeof word, "%.*s", (int)strcspn(name, "="), name);
    struct ob_suggestion suggestion = {.word = word};
    for (size_t i = 0; i < command->option_count; i++)
        ob_suggestion_try(&suggestion, command->options[i].name);
    if (suggestion.nearest)
        return ob_fail(error, OB_EUSAGE, "unknown option %s; did you mean --%s?", argument,
                       suggestion.nearest);
    return ob_fail(error, OB_EUSAGE, "unknown option %s", argument);
}

static enum ob_err set_integer(const struct ob_option *option, const char *text, int64_t *ret_value,
                               struct ob_error *error) {
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (errno || end == text || *end || value < option->low || value > option->high)
        return ob_fail(error, OB_EUSAGE, "--%s is \"%s\", expected a whole number from %lld to %lld",
                       option->name, text, (long long)option->low, (long long)option->high);
    *ret_value = value;
    return OB_OK;
}

static enum ob_err set_real(const struct ob_option *option, const char *text, double *ret_value,
                            struct ob_error *error) {
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end || !isfinite(value) || value < option->least || value > option->most)
        return ob_fail(error, OB_EUSAGE, "--%s is \"%s\", expected a number from %g to %g", option->name,
                       text, option->least, option->most);
    *ret_value = value;
    return OB_OK;
}

static enum ob_err set_choice(const struct ob_option *option, const char *text, int *ret_value,
                              struct ob_error *error) {
    char all[256] = "";
    size_t used = 0;
    for (int i = 0; option->choices[i]; i++) {
        if (strcmp(option->choices[i], text) == 0) {
            *ret_value = i;
            return OB_OK;
        }
        int bytes = snprintf(all + used, sizeof all - used, "%s%s", i ? ", " : "", option->choices[i]);
        used += bytes > 0 && (size_t)bytes < sizeof all - used ? (size_t)bytes : 0;
    }
    return ob_fail(error, OB_EUSAGE, "--%s is \"%s\", expected one of %s", option->name, text, all);
}

static enum ob_err set_value(const struct ob_option *option, const char *text, void *arguments,
                             struct ob_error *error) {
    void *place = (char *)arguments + option->offset;
    struct ob_option_list *list = place;
    switch (option->kind) {
    case OB_OPTION_SWITCH:
        *(bool *)place = true;
        return OB_OK;
    case OB_OPTION_TEXT:
        *(const char **)place = text;
        return OB_OK;
    case OB_OPTION_INTEGER:
        return set_integer(option, text, place, error);
    case OB_OPTION_REAL:
        return set_real(option, text, place, error);
    case OB_OPTION_CHOICE:
        return set_choice(option, text, place, error);
    case OB_OPTION_LIST:
        if (list->count == OB_OPTION_LIST_MAX)
            return ob_fail(error, OB_EUSAGE, "--%s may be given at most %d times", option->name,
                           OB_OPTION_LIST_MAX);
        list->values[list->count++] = text;
        return OB_OK;
    }
    return ob_fail(error, OB_EUSAGE, "--%s has no kind", option->name);
}

static void set_not_given(const struct ob_option *option, void *arguments) {
    void *place = (char *)arguments + option->offset;
    if (option->kind == OB_OPTION_INTEGER)
        *(int64_t *)place = OB_NOT_GIVEN;
    else if (option->kind == OB_OPTION_REAL)
        *(double *)place = NAN;
    else if (option->kind == OB_OPTION_CHOICE)
        *(int *)place = -1;
}

/* The options that were given, by their place in the table, and the operands so far. */
struct parsing {
    const struct ob_command *command;
    void *arguments;
    bool given[64];
    const char *operands[OB_OPERANDS_MAX];
    size_t operand_count;
    struct ob_error *error;
};

static enum ob_err take_operand(struct parsing *p, const char *text) {
    if (p->operand_count == p->command->operand_count)
        return ob_fail(p->error, OB_EUSAGE, "unexpected argument \"%s\"", text);
    p->operands[p->operand_count++] = text;
    return OB_OK;
}

static enum ob_err set_operands(const struct parsing *p) {
    const struct ob_command *command = p->command;
    size_t needed = 0, used = 0;
    for (size_t i = 0; i < command->operand_count; i++)
        needed += !command->operands[i].optional;
    size_t spare = p->operand_count > needed ? p->operand_count - needed : 0;
    for (size_t i = 0; i < command->operand_count; i++) {
        const struct ob_operand *operand = &command->operands[i];
        if (operand->optional && spare == 0)
            continue;
        spare -= operand->optional;
        if (used == p->operand_count)
            return ob_fail(p->error, OB_EUSAGE, "%s is missing: %s", operand->metavar, operand->help);
        *(const char **)(void *)((char *)p->arguments + operand->offset) = p->operands[used++];
    }
    return OB_OK;
}

/* `argv[*at]` begins with "--". Leaves *at at the last argument that belongs to the option. */
static enum ob_err take_option(struct parsing *p, int argc, char **argv, int *at) {
    const char *name = argv[*at] + 2, *equals = strchr(name, '=');
    const struct ob_option *option = find(p->command, name, equals ? (size_t)(equals - name) : strlen(name));
    const char *value = equals ? equals + 1 : NULL;
    if (!option)
        return unknown(p->command, argv[*at], p->error);
    if (option->kind == OB_OPTION_SWITCH && value)
        return ob_fail(p->error, OB_EUSAGE, "--%s takes no value", option->name);
    if (option->kind != OB_OPTION_SWITCH && !value) {
        if (*at + 1 == argc)
            return ob_fail(p->error, OB_EUSAGE, "--%s needs a value: --%s %s", option->name, option->name,
                           option->metavar);
        value = argv[++*at];
    }
    p->given[option - p->command->options] = true;
    return set_value(option, value, p->arguments, p->error);
}

static enum ob_err set_defaults(const struct parsing *p) {
    memset(p->arguments, 0, p->command->arguments_bytes);
    for (size_t i = 0; i < p->command->option_count; i++) {
        const struct ob_option *option = &p->command->options[i];
        set_not_given(option, p->arguments);
        if (option->fallback && option->kind != OB_OPTION_LIST) {
            enum ob_err failed = set_value(option, option->fallback, p->arguments, p->error);
            if (failed)
                return failed;
        }
    }
    return OB_OK;
}

static enum ob_err check_complete(const struct parsing *p) {
    const struct ob_command *command = p->command;
    for (size_t i = 0; i < command->option_count; i++)
        if (command->options[i].required && !p->given[i])
            return ob_fail(p->error, OB_EUSAGE, "--%s %s is missing: %s", command->options[i].name,
                           command->options[i].metavar, command->options[i].help);
    return OB_OK;
}

enum ob_err ob_options_parse(const struct ob_command *command, int argc, char **argv, void *ret_arguments,
                             enum ob_options_wanted *ret_wanted, struct ob_error *error) {
    struct parsing parsing = {.command = command, .arguments = ret_arguments, .error = error};
    bool options_end = false;
    assert(command->option_count <= sizeof parsing.given && command->operand_count <= OB_OPERANDS_MAX);
    enum ob_err failed = set_defaults(&parsing);
    for (int i = 1; i < argc && !failed; i++) {
        if (options_end || argv[i][0] != '-' || argv[i][1] == 0) {
            failed = take_operand(&parsing, argv[i]);
        } else if (strcmp(argv[i], "--") == 0) {
            options_end = true;
        } else if (strcmp(argv[i], "-h") == 0 || strcmp(argv[i], "--help") == 0) {
            *ret_wanted = OB_WANTED_HELP;
            return OB_OK;
        } else if (strcmp(argv[i], "-V") == 0 || strcmp(argv[i], "--version") == 0) {
            *ret_wanted = OB_WANTED_VERSION;
            return OB_OK;
        } else {
            failed =
                argv[i][1] == '-' ? take_option(&parsing, argc, argv, &i) : unknown(command, argv[i], error);
        }
    }
    if (!failed)
        failed = set_operands(&parsing);
    if (!failed)
        failed = check_complete(&parsing);
    if (!failed)
        *ret_wanted = OB_WANTED_RUN;
    return failed;
}
