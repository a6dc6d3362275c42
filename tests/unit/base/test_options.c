#include "tests/unit/cmocka_all.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/options_help.h"

struct arguments {
    const char *file, *folder, *model, *optional;
    int64_t batch, limit;
    double rate;
    int format;
    bool json;
    struct ob_option_list trainable;
};

#define AT(member) OB_ARGUMENT(struct arguments, member)

static const char *const FORMATS[] = {"safetensors", "gguf", NULL};
static const struct ob_option OPTIONS[] = {
    {"model", "MODEL", "the model", AT(model), .required = true},
    {"batch", "N", "rows", AT(batch), .low = 1, .high = 8, .fallback = "4"},
    {"limit", "N", "limit", AT(limit), .low = -5, .high = INT64_MAX},
    {"lr", "RATE", "rate", AT(rate), .least = 0, .most = 1},
    {"format", "FORMAT", "format", AT(format), .choices = FORMATS, .fallback = "gguf"},
    {"json", NULL, "print JSON", AT(json)},
    {"trainable", "PATTERN", "what is trained", AT(trainable)},
};
static const struct ob_operand OPERANDS[] = {
    {"FILE", "the file", offsetof(struct arguments, file)},
    {"FOLDER", "the folder", offsetof(struct arguments, folder), .optional = true},
};
static const struct ob_command COMMAND = {
    .name = "try",
    .summary = "try options",
    OB_OPTIONS(OPTIONS),
    OB_OPERANDS(OPERANDS),
    .arguments_bytes = sizeof(struct arguments),
};

static enum ob_err parse(struct arguments *a, enum ob_options_wanted *wanted, struct ob_error *error,
                         const char *line) {
    static char words[512];
    char *argv[32] = {"try"};
    int argc = 1;
    (void)snprintf(words, sizeof words, "%s", line);
    for (char *word = strtok(words, " "); word; word = strtok(NULL, " "))
        argv[argc++] = word;
    return ob_options_parse(&COMMAND, argc, argv, a, wanted, error);
}

static void both_forms_of_a_value_are_read(void **state) {
    (void)state;
    struct arguments a;
    enum ob_options_wanted wanted;
    assert_int_equal(parse(&a, &wanted, NULL,
                           "rows --model m --batch=8 --lr 0.5 --limit=-5 --format safetensors --json "
                           "--trainable a --trainable=b"),
                     OB_OK);
    assert_int_equal(wanted, OB_WANTED_RUN);
    assert_string_equal(a.file, "rows");
    assert_null(a.folder);
    assert_string_equal(a.model, "m");
    assert_int_equal(a.batch, 8);
    assert_int_equal(a.limit, -5);
    assert_true(a.rate == 0.5);
    assert_int_equal(a.format, 0);
    assert_true(a.json);
    assert_int_equal(a.trainable.count, 2);
    assert_string_equal(a.trainable.values[1], "b");
}

static void what_is_not_given_has_its_default_or_says_so(void **state) {
    (void)state;
    struct arguments a;
    enum ob_options_wanted wanted;
    assert_int_equal(parse(&a, &wanted, NULL, "--model=a=b rows folder"), OB_OK);
    assert_string_equal(a.model, "a=b");
    assert_string_equal(a.folder, "folder");
    assert_int_equal(a.batch, 4);
    assert_int_equal(a.limit, OB_NOT_GIVEN);
    assert_true(isnan(a.rate));
    assert_int_equal(a.format, 1);
    assert_false(a.json);
    assert_int_equal(a.trainable.count, 0);
}

struct pair {
    const char *folder, *machine;
};

static void optional_operands_are_filled_from_the_left(void **state) {
    (void)state;
    static const struct ob_operand PAIR[] = {
        {"FOLDER", "the folder", offsetof(struct pair, folder), .optional = true},
        {"MACHINE", "the machine", offsetof(struct pair, machine)}};
    static const struct ob_command COMMAND_OF_TWO = {
        .name = "try", .summary = "try", OB_OPERANDS(PAIR), .arguments_bytes = sizeof(struct pair)};
    struct pair pair;
    enum ob_options_wanted wanted;
    struct ob_error error = {0};
    char *argv[] = {"try", "one", "two", "three"};
    assert_int_equal(ob_options_parse(&COMMAND_OF_TWO, 3, argv, &pair, &wanted, NULL), OB_OK);
    assert_string_equal(pair.folder, "one");
    assert_string_equal(pair.machine, "two");
    assert_int_equal(ob_options_parse(&COMMAND_OF_TWO, 2, argv, &pair, &wanted, NULL), OB_OK);
    assert_null(pair.folder);
    assert_string_equal(pair.machine, "one");
    assert_int_equal(ob_options_parse(&COMMAND_OF_TWO, 1, argv, &pair, &wanted, &error), OB_EUSAGE);
    assert_non_null(strstr(error.text, "MACHINE is missing: the machine"));
    assert_int_equal(ob_options_parse(&COMMAND_OF_TWO, 4, argv, &pair, &wanted, NULL), OB_EUSAGE);
}

static void two_dashes_end_the_options(void **state) {
    (void)state;
    struct arguments a;
    enum ob_options_wanted wanted;
    assert_int_equal(parse(&a, &wanted, NULL, "--model m -- --json -"), OB_OK);
    assert_string_equal(a.file, "--json");
    assert_string_equal(a.folder, "-");
    assert_false(a.json);
}

static void help_and_version_are_found(void **state) {
    (void)state;
    struct arguments a;
    static const char *const HELP[] = {"-h", "--help", "rows --help", "--model m --help"};
    for (size_t i = 0; i < sizeof HELP / sizeof *HELP; i++) {
        enum ob_options_wanted wanted = OB_WANTED_RUN;
        assert_int_equal(parse(&a, &wanted, NULL, HELP[i]), OB_OK);
        assert_int_equal(wanted, OB_WANTED_HELP);
    }
    enum ob_options_wanted wanted = OB_WANTED_RUN;
    assert_int_equal(parse(&a, &wanted, NULL, "-V"), OB_OK);
    assert_int_equal(wanted, OB_WANTED_VERSION);
    assert_int_equal(parse(&a, &wanted, NULL, "rows --model --help"), OB_OK); /* a value */
    assert_string_equal(a.model, "--help");
}

static void mistakes_are_named(void **state) {
    (void)state;
    static const struct {
        const char *line, *text;
    } CASES[] = {
        {"rows", "--model MODEL is missing"},
        {"--model m", "FILE is missing: the file"},
        {"--model m a b c", "unexpected argument \"c\""},
        {"rows --modle m", "unknown option --modle; did you mean --model?"},
        {"rows --modle=m", "did you mean --model?"},
        {"rows --train x", "did you mean --trainable?"},
        {"rows -j", "unknown option -j"},
        {"rows --xyzzy", "unknown option --xyzzy"},
        {"rows --model", "--model needs a value: --model MODEL"},
        {"rows --model m --json=yes", "--json takes no value"},
        {"rows --model m --batch 9", "--batch is \"9\", expected a whole number from 1 to 8"},
        {"rows --model m --batch 4x", "expected a whole number"},
        {"rows --model m --batch=", "--batch is \"\""},
        {"rows --model m --batch 99999999999999999999", "expected a whole number"},
        {"rows --model m --lr nan", "--lr is \"nan\", expected a number from 0 to 1"},
        {"rows --model m --lr 0,5", "expected a number"},
        {"rows --model m --format pft", "--format is \"pft\", expected one of safetensors, gguf"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct arguments a;
        struct ob_error error = {0};
        enum ob_options_wanted wanted;
        assert_int_equal(parse(&a, &wanted, &error, CASES[i].line), OB_EUSAGE);
        if (!strstr(error.text, CASES[i].text))
            fail_msg("%s: says \"%s\", not \"%s\"", CASES[i].line, error.text, CASES[i].text);
    }
}

static void a_list_has_a_bound(void **state) {
    (void)state;
    static char *argv[3 + OB_OPTION_LIST_MAX + 1];
    struct arguments a;
    struct ob_error error = {0};
    enum ob_options_wanted wanted;
    argv[0] = "try", argv[1] = "rows", argv[2] = "--model=m";
    for (size_t i = 0; i < OB_OPTION_LIST_MAX + 1; i++)
        argv[3 + i] = "--trainable=x";
    assert_int_equal(ob_options_parse(&COMMAND, 3 + OB_OPTION_LIST_MAX, argv, &a, &wanted, NULL), OB_OK);
    assert_int_equal(ob_options_parse(&COMMAND, 3 + OB_OPTION_LIST_MAX + 1, argv, &a, &wanted, &error),
                     OB_EUSAGE);
    assert_non_null(strstr(error.text, "at most 256 times"));
}

static void help_has_every_option_within_80_columns(void **state) {
    (void)state;
    char *text = NULL;
    size_t bytes = 0, column = 0;
    FILE *to = open_memstream(&text, &bytes);
    assert_non_null(to);
    ob_options_help("program", &COMMAND, to);
    fclose(to);
    assert_non_null(
        strstr(text, "usage: program try FILE [FOLDER] --model MODEL [OPTIONS]\n\nTry options.\n"));
    assert_non_null(strstr(text, "--batch N            rows (1 to 8; default 4)\n"));
    assert_non_null(strstr(text, "--format FORMAT      format (safetensors, gguf; default gguf)\n"));
    for (size_t i = 0; i < sizeof OPTIONS / sizeof *OPTIONS; i++)
        assert_non_null(strstr(text, OPTIONS[i].name));
    for (size_t i = 0; i < bytes; i++) {
        column = text[i] == '\n' ? 0 : column + 1;
        assert_true(column < 80);
    }
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_forms_of_a_value_are_read),
        cmocka_unit_test(what_is_not_given_has_its_default_or_says_so),
        cmocka_unit_test(optional_operands_are_filled_from_the_left),
        cmocka_unit_test(two_dashes_end_the_options),
        cmocka_unit_test(help_and_version_are_found),
        cmocka_unit_test(mistakes_are_named),
        cmocka_unit_test(a_list_has_a_bound),
        cmocka_unit_test(help_has_every_option_within_80_columns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
