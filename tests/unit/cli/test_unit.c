/* Names and words in a unit file of systemd. */
#include "tests/unit/cmocka_all.h"

#include <stdlib.h>
#include <string.h>

#include "cli/unit.h"

static void a_unit_is_named_after_the_state_directory(void **state) {
    (void)state;
    char name[OB_UNIT_NAME_MAX], path[OB_PATH_MAX];
    ob_unit_name("/home/a/.local/state/onebyte/rows", name);
    assert_string_equal(name, "onebyte-rows.service");
    ob_unit_name("/srv/my rows@%i\n", name);
    assert_string_equal(name, "onebyte-my_rows__i_.service");
    memset(path, 'a', sizeof path - 1);
    path[0] = '/';
    path[sizeof path - 1] = 0;
    ob_unit_name(path, name);
    assert_true(strlen(name) < sizeof name && strstr(name, ".service"));
}

static void a_path_is_one_word(void **state) {
    (void)state;
    char word[4 * OB_PATH_MAX], path[OB_PATH_MAX];
    struct ob_error error = {0};
    assert_int_equal(ob_unit_quote("/a b/c\"d\\e%f$g", word, NULL), OB_OK);
    assert_string_equal(word, "\"/a b/c\\\"d\\\\e%%f$$g\"");
    assert_int_equal(ob_unit_quote("/a\nExecStart=/bin/sh", word, &error), OB_EUSAGE);
    assert_non_null(strstr(error.text, "control character"));
    memset(path, '%', sizeof path - 1);
    path[sizeof path - 1] = 0;
    assert_int_equal(ob_unit_quote(path, word, NULL), OB_OK);
    assert_int_equal(strlen(word), 2 * (sizeof path - 1) + 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_unit_is_named_after_the_state_directory),
        cmocka_unit_test(a_path_is_one_word),
    };
    return cmocka_run_group_tests_name("unit", tests, NULL, NULL);
}
