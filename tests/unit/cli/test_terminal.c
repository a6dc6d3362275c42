#include "tests/unit/cmocka_all.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/markup.h"
#include "cli/terminal.h"

static const struct ob_terminal PLAIN = {0}, UTF8 = {.utf8 = true}, COLOURED = {.colour = true, .utf8 = true};

static void assert_column(const struct ob_terminal *terminal, const char *text, int columns, bool right,
                          enum ob_colour colour, const char *expected) {
    char *printed = NULL;
    size_t bytes;
    FILE *to = open_memstream(&printed, &bytes);
    ob_terminal_column(terminal, to, text, columns, right, colour);
    assert_int_equal(fclose(to), 0);
    assert_string_equal(printed, expected);
    free(printed);
}

static void names_are_aligned_by_the_columns_that_they_take(void **state) {
    (void)state;
    assert_column(&PLAIN, "bob", 5, false, OB_PLAIN, "bob  ");
    assert_column(&PLAIN, "bob", 5, true, OB_PLAIN, "  bob");
    assert_column(&PLAIN, "caf\xc3\xa9", 5, false, OB_PLAIN, "caf\xc3\xa9 ");
    assert_column(&PLAIN, "\xe6\x9d\xb1\xe4\xba\xac", 5, false, OB_PLAIN,
                  "\xe6\x9d\xb1\xe4\xba\xac "); /* two of two columns */
    assert_column(&PLAIN, "\xe6\x9d\xb1\xe4\xba\xac", 3, false, OB_PLAIN, "\xe6\x9d\xb1 ");
    assert_column(&PLAIN, "e\xcc\x81x", 3, false, OB_PLAIN,
                  "e\xcc\x81x "); /* an accent of its own takes none */
    assert_column(&PLAIN, "abcdef", 3, false, OB_PLAIN, "abc");
    assert_int_equal(ob_terminal_width("\xe6\x9d\xb1 x"), 4);
}

/* A machine's name may not move the cursor, set a title or turn the direction of writing. */
static void what_others_chose_cannot_steer_the_terminal(void **state) {
    (void)state;
    assert_column(&PLAIN, "\033[2Jx", 8, false, OB_PLAIN, "?[2Jx   ");
    assert_column(&PLAIN, "a\nb\x7f\xc2\x9b", 6, false, OB_PLAIN, "a?b?? ");
    assert_column(&PLAIN,
                  "a\xe2\x80\xae"
                  "b",
                  4, false, OB_PLAIN, "a?b ");
    assert_column(&PLAIN, "\xff\xfe", 3, false, OB_PLAIN, "?? ");
}

static void colours_are_only_where_they_are_wanted(void **state) {
    (void)state;
    assert_column(&COLOURED, "x", 2, false, OB_RED, "\033[31mx\033[0m ");
    assert_column(&COLOURED, "x", 2, false, OB_PLAIN, "x ");
    assert_column(&UTF8, "x", 2, false, OB_RED, "x ");
}

static void environment_decides_on_width_and_characters(void **state) {
    (void)state;
    FILE *file = tmpfile();
    setenv("COLUMNS", "72", 1);
    setenv("LC_ALL", "C.UTF-8", 1);
    struct ob_terminal terminal = ob_terminal_of(file);
    assert_int_equal(terminal.columns, 72);
    assert_true(terminal.utf8 && !terminal.colour);
    setenv("COLUMNS", "-3; rm", 1);
    setenv("LC_ALL", "C", 1);
    terminal = ob_terminal_of(file);
    assert_int_equal(terminal.columns, 0);
    assert_false(terminal.utf8);
    unsetenv("COLUMNS");
    (void)fclose(file);
}

static void sparkline_goes_from_least_to_most(void **state) {
    (void)state;
    char text[OB_SPARKLINE_MAX];
    const double values[] = {3, 2, NAN, 1, INFINITY};
    assert_string_equal(ob_terminal_sparkline(&UTF8, values, 5, text),
                        "\xe2\x96\x88\xe2\x96\x84 \xe2\x96\x81 ");
    assert_string_equal(ob_terminal_sparkline(&PLAIN, values, 5, text), "#- _ ");
    assert_string_equal(ob_terminal_sparkline(&PLAIN, values, 0, text), "");
    const double same[] = {2, 2};
    assert_int_equal(strlen(ob_terminal_sparkline(&PLAIN, same, 2, text)), 2);
    double many[1000] = {0};
    assert_true(strlen(ob_terminal_sparkline(&UTF8, many, 1000, text)) < OB_SPARKLINE_MAX);
}

static void markup_is_escaped(void **state) {
    (void)state;
    char *printed = NULL;
    size_t bytes;
    FILE *to = open_memstream(&printed, &bytes);
    ob_markup_text(to, "<b onload=\"x\">&'\xff\x01\xc3\xa9");
    assert_int_equal(fclose(to), 0);
    assert_string_equal(printed, "&lt;b onload=&quot;x&quot;&gt;&amp;&#39;\xef\xbf\xbd\xef\xbf\xbd\xc3\xa9");
    free(printed);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_aligned_by_the_columns_that_they_take),
        cmocka_unit_test(what_others_chose_cannot_steer_the_terminal),
        cmocka_unit_test(colours_are_only_where_they_are_wanted),
        cmocka_unit_test(environment_decides_on_width_and_characters),
        cmocka_unit_test(sparkline_goes_from_least_to_most),
        cmocka_unit_test(markup_is_escaped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
