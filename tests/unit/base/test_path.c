#include "tests/unit/cmocka_all.h"

#include <stdio.h>
#include <string.h>

#include "base/path.h"

static void join_and_append(void **state) {
    (void)state;
    char path[OB_PATH_MAX], longer[OB_PATH_MAX];
    assert_int_equal(ob_path_join(path, "/var/lib/onebyte", "log.sqlite", NULL), OB_OK);
    assert_string_equal(path, "/var/lib/onebyte/log.sqlite");
    assert_int_equal(ob_path_append(longer, path, "-wal", NULL), OB_OK);
    assert_string_equal(longer, "/var/lib/onebyte/log.sqlite-wal");
}

static void join_refuses_what_does_not_fit(void **state) {
    (void)state;
    char folder[OB_PATH_MAX + 8], path[OB_PATH_MAX] = "untouched";
    struct ob_error error = {0};
    memset(folder, 'f', sizeof folder);
    folder[OB_PATH_MAX - 3] = 0; /* with "/n" one byte too many for the NUL */
    assert_int_equal(ob_path_join(path, folder, "n", &error), OB_OK);
    assert_int_equal(strlen(path), OB_PATH_MAX - 1);
    (void)snprintf(path, sizeof path, "untouched");
    assert_int_equal(ob_path_join(path, folder, "nn", &error), OB_EUSAGE);
    assert_string_equal(path, "untouched");
    assert_non_null(strstr(error.text, "too long"));
    folder[OB_PATH_MAX - 3] = 'f';
    folder[OB_PATH_MAX + 7] = 0;
    assert_int_equal(ob_path_append(path, folder, "", &error), OB_EUSAGE);
    assert_string_equal(path, "untouched");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(join_and_append),
        cmocka_unit_test(join_refuses_what_does_not_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
