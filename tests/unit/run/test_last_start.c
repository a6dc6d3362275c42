#include "tests/unit/cmocka_all.h"

#include <stdlib.h>
#include <string.h>

#include "run/last_start.h"
#include "tests/support/folder.h"

static void what_was_written_is_read_as_absolute_paths(void **state) {
    (void)state;
    struct test_folder folder;
    struct ob_last_start start;
    char manifest[TEST_PATH_MAX], model[TEST_PATH_MAX];
    test_folder_make(&folder);
    test_folder_write(&folder, "run one.json", "x", 1);
    test_folder_write(&folder, "model.gguf", "x", 1);
    test_folder_path(&folder, "./run one.json", manifest);
    test_folder_path(&folder, "../model.gguf", model);
    (void)strcpy(strstr(model, "../"), "./model.gguf");
    assert_int_equal(ob_last_start_read(folder.path, &start, NULL), OB_ENOTFOUND);
    assert_int_equal(ob_last_start_write(folder.path, manifest, model, NULL), OB_OK);
    assert_int_equal(ob_last_start_write(folder.path, manifest, model, NULL), OB_OK); /* replaces */
    assert_int_equal(ob_last_start_read(folder.path, &start, NULL), OB_OK);
    assert_string_equal(start.manifest, test_folder_path(&folder, "run one.json", manifest));
    assert_string_equal(start.model, test_folder_path(&folder, "model.gguf", model));
    test_folder_remove(&folder);
}

static void what_does_not_exist_is_refused(void **state) {
    (void)state;
    struct test_folder folder;
    struct ob_error error = {0};
    test_folder_make(&folder);
    assert_int_equal(ob_last_start_write(folder.path, folder.path, "/nowhere/model", &error), OB_ENOTFOUND);
    assert_non_null(strstr(error.text, "/nowhere/model"));
    test_folder_remove(&folder);
}

static void damaged_files_are_refused(void **state) {
    (void)state;
    static const char *const BAD[] = {
        "",
        "onebyte-start-1\n",
        "onebyte-start-1\nmanifest /a\n",
        "onebyte-start-1\nmanifest /a\nmodel /b",
        "onebyte-start-1\nmanifest a\nmodel /b\n",
        "onebyte-start-1\nmodel /b\nmanifest /a\n",
        "onebyte-start-1\nmanifest /a\nmodel /b\nmore\n",
        "onebyte-start-2\nmanifest /a\nmodel /b\n",
    };
    struct test_folder folder;
    struct ob_last_start start;
    struct ob_error error = {0};
    test_folder_make(&folder);
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        test_folder_write(&folder, "start", BAD[i], strlen(BAD[i]));
        assert_int_equal(ob_last_start_read(folder.path, &start, &error), OB_EFORMAT);
        assert_non_null(strstr(error.text, "/start: "));
    }
    test_folder_write(&folder, "start", "onebyte-start-1\nmanifest /a\0b\nmodel /b\n", 39);
    assert_int_equal(ob_last_start_read(folder.path, &start, NULL), OB_EFORMAT);
    char *large = calloc(1, 20000);
    memset(large, 'x', 20000);
    test_folder_write(&folder, "start", large, 20000);
    assert_int_equal(ob_last_start_read(folder.path, &start, NULL), OB_ETOOBIG);
    free(large);
    test_folder_remove(&folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_written_is_read_as_absolute_paths),
        cmocka_unit_test(what_does_not_exist_is_refused),
        cmocka_unit_test(damaged_files_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
