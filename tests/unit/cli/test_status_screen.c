#include "tests/unit/cmocka_all.h"

#include <stdlib.h>
#include <string.h>

#include "cli/status_screen.h"
#include "tests/support/json.h"

static const char STATUS[] =
    "{\"name\":\"rows\",\"life\":\"training\",\"round\":812,\"max_rounds\":20000,\"progress\":{\"seconds_"
    "left\":34800,"
    "\"start_loss\":3.61},\"health\":{\"verdict\":\"learning\",\"loss_from\":3.412,\"loss_to\":3.187,\"loss_"
    "round\":612},"
    "\"held_out\":{\"round\":768,\"loss\":3.201,\"loss_error\":0.008,\"accuracy\":null},\"curve\":[3.6,3.5,3."
    "4,3.2],"
    "\"swarm\":{\"samples_per_s\":37.2},\"integrity\":{\"named_round\":768},\"problems\":[{\"level\":"
    "\"warning\",\"kind\":\"silent\","
    "\"machine\":\"carol\",\"text\":\"carol: no record for 180 s\",\"remedy\":\"look whether it "
    "runs\"},{\"level\":\"critical\","
    "\"kind\":\"split\",\"machine\":\"\",\"text\":\"half is gone\",\"remedy\":\"\"}],\"machines\":["
    "{\"name\":\"zoe\",\"self\":false,\"round\":810,\"behind\":2,\"samples_per_s\":3.25,\"share\":0.1,"
    "\"loss\":3.2,\"last_record_s\":1,"
    "\"linked\":true,\"training\":true,\"agrees\":true,\"left\":false,\"state\":\"training\"},"
    "{\"name\":\"carol\",\"self\":false,\"round\":-1,\"behind\":0,\"samples_per_s\":null,\"share\":0,"
    "\"loss\":null,\"last_record_s\":null,"
    "\"linked\":false,\"training\":false,\"agrees\":null,\"left\":false,\"state\":\"silent\"},"
    "{\"name\":\"(this "
    "machine)\",\"self\":true,\"round\":812,\"behind\":0,\"samples_per_s\":34,\"share\":0.9,\"loss\":3.1,"
    "\"last_record_s\":0,\"linked\":true,\"training\":true,\"agrees\":true,\"left\":false,\"state\":"
    "\"training\"}]}";

static char *head_of(const struct ob_terminal *terminal, const char *status, int lines) {
    char *printed = NULL;
    size_t bytes;
    json_t *root = test_json_parse(status);
    FILE *to = open_memstream(&printed, &bytes);
    (void)ob_status_head(terminal, to, root, lines);
    assert_int_equal(fclose(to), 0);
    json_decref(root);
    return printed;
}

static char *table_in(const struct ob_terminal *terminal, enum ob_machine_column by, bool descending,
                      int lines) {
    char *printed = NULL;
    size_t bytes;
    json_t *root = test_json_parse(STATUS);
    FILE *to = open_memstream(&printed, &bytes);
    ob_status_machines(terminal, to, root, by, descending, lines);
    assert_int_equal(fclose(to), 0);
    json_decref(root);
    return printed;
}

static char *table_of(enum ob_machine_column by, bool descending, int lines) {
    return table_in(&(struct ob_terminal){0}, by, descending, lines);
}

static void head_says_how_far_and_how_well(void **state) {
    (void)state;
    struct ob_terminal terminal = {.utf8 = true, .columns = 120};
    char *text = head_of(&terminal, STATUS, 0);
    static const char *const PARTS[] = {
        "rows \xc2\xb7 training \xc2\xb7 learning",
        "round 812 of 20000 (4 %), 9 h 40 min left (",
        ("loss   3.412 \xe2\x86\x92 3.187 in the last 200 rounds (start 3.610) \xc2\xb7 held out 3.201 "
         "\xc2\xb1 0.008 at round 768"),
        "\xe2\x96\x88",
        "swarm  2 of 3 training \xc2\xb7 37.2 samples/s \xc2\xb7 weights equal at round 768 on 2 machines\n",
        "!      carol: no record for 180 s; look whether it runs\n",
        "!!     half is gone\n"};
    for (size_t i = 0; i < sizeof PARTS / sizeof *PARTS; i++)
        if (!strstr(text, PARTS[i]))
            fail_msg("no \"%s\" in:\n%s", PARTS[i], text);
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
        assert_true(ob_terminal_width(line) <= 120);
    free(text);
}

static void line_is_broken_between_words(void **state) {
    (void)state;
    struct ob_terminal terminal = {.columns = 24};
    char *text = NULL;
    size_t bytes;
    FILE *to = open_memstream(&text, &bytes);
    assert_int_equal(ob_status_line(&terminal, to, "log", "273 records, 2184 samples, 57344 bytes"), 3);
    assert_int_equal(ob_status_line(&(struct ob_terminal){0}, to, "log", "273 records, 2184 samples"), 1);
    assert_int_equal(fclose(to), 0);
    assert_string_equal(text, "log    273 records, 2184\n       samples, 57344\n       bytes\n"
                              "log    273 records, 2184 samples\n");
    free(text);
}

static void narrow_terminal_gets_what_fits(void **state) {
    (void)state;
    struct ob_terminal terminal = {.utf8 = true, .columns = 40};
    char *text = head_of(&terminal, STATUS, 0);
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
        if (ob_terminal_width(line) > 40)
            fail_msg("wider than 40 columns: %s", line);
    free(text);
    terminal.columns = 100;
    text = head_of(&terminal, STATUS, 4);
    assert_non_null(strstr(text, "and 2 more problems"));
    free(text);
}

/* Whatever a daemon of another version leaves out, or a status while it still fetches has not. */
static void missing_fields_do_no_harm(void **state) {
    (void)state;
    struct ob_terminal terminal = {0};
    static const char *const STATUSES[] = {"{}", "{\"life\":\"fetching\",\"machines\":null}",
                                           "{\"machines\":[{}],\"problems\":[{}],\"curve\":[null]}"};
    for (size_t i = 0; i < sizeof STATUSES / sizeof *STATUSES; i++) {
        free(head_of(&terminal, STATUSES[i], 0));
        json_t *root = test_json_parse(STATUSES[i]);
        char *printed = NULL;
        size_t bytes;
        FILE *to = open_memstream(&printed, &bytes);
        for (int by = 0; by < OB_COLUMN_COUNT; by++)
            ob_status_machines(&terminal, to, root, (enum ob_machine_column)by, true, 0);
        assert_int_equal(fclose(to), 0);
        free(printed);
        json_decref(root);
    }
}

static void assert_order(enum ob_machine_column by, bool descending, const char *first, const char *second,
                         const char *third) {
    char *text = table_of(by, descending, 0);
    const char *a = strstr(text, first), *b = strstr(text, second), *c = strstr(text, third);
    if (!(a && b && c && a < b && b < c))
        fail_msg("not in the order %s, %s, %s:\n%s", first, second, third, text);
    free(text);
}

static void machines_are_sorted_by_any_column(void **state) {
    (void)state;
    assert_order(OB_COLUMN_NAME, false, "(this machine)", "carol", "zoe");
    assert_order(OB_COLUMN_RATE, false, "zoe", "(this machine)", "carol"); /* not known: last */
    assert_order(OB_COLUMN_RATE, true, "(this machine)", "zoe", "carol");
    assert_order(OB_COLUMN_STATE, false, "carol", "(this machine)", "zoe");
    char *text = table_of(OB_COLUMN_NAME, false, 3);
    assert_non_null(strstr(text, "and 2 more machines"));
    free(text);
}

static void narrow_terminal_loses_the_columns_that_say_least(void **state) {
    (void)state;
    static const struct {
        int columns;
        const char *titles;
    } CASES[] = {
        {0, "machine                 round  behind  samples/s   share      loss  last record  link  state"},
        {200, "machine                 round  behind  samples/s   share      loss  last record  link  state"},
        {98, "machine                 round  behind  samples/s   share      loss  last record  link  state"},
        {97, "machine                 round  behind  samples/s      loss  last record  link  state"},
        {80, "machine                 round  behind  samples/s  last record  link  state"},
        {40, "machine             behind  state"},
        {31, "machine             state"},
        {20, "machine  state"},
        {4, "m  s"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct ob_terminal terminal = {.utf8 = true, .columns = CASES[i].columns};
        char *text = table_in(&terminal, OB_COLUMN_NAME, false, 0), *end = strchr(text, '\n');
        assert_true(end && (size_t)(end - text) == strlen(CASES[i].titles));
        assert_memory_equal(text, CASES[i].titles, strlen(CASES[i].titles));
        for (char *line = strtok(text, "\n"); line && terminal.columns > 0; line = strtok(NULL, "\n"))
            if (ob_terminal_width(line) > terminal.columns)
                fail_msg("wider than %d columns: %s", terminal.columns, line);
        free(text);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(head_says_how_far_and_how_well),
        cmocka_unit_test(line_is_broken_between_words),
        cmocka_unit_test(narrow_terminal_gets_what_fits),
        cmocka_unit_test(missing_fields_do_no_harm),
        cmocka_unit_test(machines_are_sorted_by_any_column),
        cmocka_unit_test(narrow_terminal_loses_the_columns_that_say_least),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
