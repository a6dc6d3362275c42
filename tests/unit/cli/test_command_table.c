/* The table of subcommands is fit for what is made of it: help, the manual page, completions. */
#include "tests/unit/cmocka_all.h"

#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/command_table.h"
#include "run/manifest_create.h"

/* Only these multiply matrices; all others must start where OpenBLAS does not work. */
static const char *const NEED_BLAS[] = {"probe", "bench", "audit", "eval", "generate"};

static void only_what_multiplies_needs_blas(void **state) {
    (void)state;
    for (size_t i = 0; i < OB_COMMAND_ROW_COUNT; i++) {
        const struct ob_command *command = OB_COMMAND_ROWS[i].command;
        bool needs = false;
        for (size_t k = 0; command && k < sizeof NEED_BLAS / sizeof *NEED_BLAS; k++)
            needs = needs || strcmp(NEED_BLAS[k], command->name) == 0;
        if (command && command->needs_blas != needs)
            fail_msg("%s: needs_blas is %d", command->name, command->needs_blas);
    }
}

static void check_option(const struct ob_command *command, const struct ob_option *option) {
    bool has_range = option->kind != OB_OPTION_INTEGER || option->low < option->high;
    has_range = has_range && (option->kind != OB_OPTION_REAL || option->least < option->most);
    if (!has_range || (option->kind == OB_OPTION_CHOICE && !option->choices))
        fail_msg("%s --%s: no range", command->name, option->name);
    if ((option->kind == OB_OPTION_SWITCH) != !option->metavar)
        fail_msg("%s --%s: a switch has no metavariable, anything else has one", command->name, option->name);
    if (option->required && (option->fallback || option->kind == OB_OPTION_SWITCH))
        fail_msg("%s --%s: required, and has a default", command->name, option->name);
    if (!option->help || option->help[0] == 0 || option->help[strlen(option->help) - 1] == '.')
        fail_msg("%s --%s: the help is missing or ends with a full stop", command->name, option->name);
    for (const struct ob_option *other = command->options; other < option; other++)
        if (strcmp(other->name, option->name) == 0)
            fail_msg("%s --%s: twice", command->name, option->name);
}

static void every_row_is_complete(void **state) {
    (void)state;
    for (size_t i = 0; i < OB_COMMAND_ROW_COUNT; i++) {
        const struct ob_command *command = OB_COMMAND_ROWS[i].command;
        if (!command)
            continue;
        assert_true(command->name[0] && command->summary[0] && command->run && command->arguments_bytes > 0);
        assert_true(command->summary[strlen(command->summary) - 1] != '.');
        for (size_t k = 0; k < command->option_count; k++)
            check_option(command, &command->options[k]);
        assert_true(command->operand_count <= OB_OPERANDS_MAX);
    }
}

/* Every default in a table is one that its own parser takes. */
static void defaults_can_be_parsed(void **state) {
    (void)state;
    static char arguments[1 << 14];
    for (size_t i = 0; i < OB_COMMAND_ROW_COUNT; i++) {
        const struct ob_command *command = OB_COMMAND_ROWS[i].command;
        char *argv[] = {"x", "--help"};
        enum ob_options_wanted wanted = OB_WANTED_RUN;
        struct ob_error error = {0};
        assert_true(!command || command->arguments_bytes <= sizeof arguments);
        if (command && ob_options_parse(command, 2, argv, arguments, &wanted, &error))
            fail_msg("%s: %s", command->name, error.text);
    }
}

static void commands_are_found_by_one_or_two_words(void **state) {
    (void)state;
    int used = 0;
    char *run[] = {"run", "create", "x"}, *eval[] = {"eval", "--model"}, *none[] = {"run", "crate"};
    assert_ptr_equal(ob_command_find(3, run, &used), &OB_COMMAND_RUN_CREATE);
    assert_int_equal(used, 2);
    assert_ptr_equal(ob_command_find(2, eval, &used), &OB_COMMAND_EVAL);
    assert_int_equal(used, 1);
    assert_null(ob_command_find(2, none, &used));
    assert_null(ob_command_find(1, run, &used));
    assert_true(ob_command_is_prefix("run"));
    assert_false(ob_command_is_prefix("eval"));
    assert_string_equal(ob_command_suggest(2, none), "run create");
    char *mistyped[] = {"stauts", "dir"};
    assert_string_equal(ob_command_suggest(2, mistyped), "status");
    char *list[] = {"list"};
    assert_string_equal(ob_command_suggest(1, list), "run list");
    char *nothing[] = {"xyzzy"};
    assert_null(ob_command_suggest(1, nothing));
}

static double default_of(const char *name) {
    const struct ob_command *command = &OB_COMMAND_RUN_CREATE;
    for (size_t i = 0; i < command->option_count; i++)
        if (strcmp(command->options[i].name, name) == 0)
            return strtod(command->options[i].fallback, NULL);
    fail_msg("run create has no --%s", name);
    return 0;
}

static void defaults_of_run_create_are_the_manifests(void **state) {
    (void)state;
    struct ob_manifest_options d = ob_manifest_defaults();
    assert_true(default_of("warm-up") == d.warm_up);
    assert_true(default_of("rounds") == d.rounds);
    assert_true(default_of("max-machines") == d.max_machines);
    assert_true(default_of("scale-norm") == d.log2_scale[OB_ROLE_NORM]);
    assert_true(default_of("scale-bias") == d.log2_scale[OB_ROLE_BIAS]);
    assert_true(default_of("scale-head") == d.log2_scale[OB_ROLE_HEAD]);
    assert_true(default_of("scale-matrix") == d.log2_scale[OB_ROLE_MLP]);
    assert_true(default_of("scale-embedding") == d.log2_scale[OB_ROLE_POSITION]);
    assert_true(default_of("scale-adapter") == d.log2_scale[OB_ROLE_ADAPTER]);
    assert_true(d.combine == OB_SPSA_CAPPED && d.schedule == OB_SCHEDULE_LINEAR);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_multiplies_needs_blas),
        cmocka_unit_test(every_row_is_complete),
        cmocka_unit_test(defaults_can_be_parsed),
        cmocka_unit_test(defaults_of_run_create_are_the_manifests),
        cmocka_unit_test(commands_are_found_by_one_or_two_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
