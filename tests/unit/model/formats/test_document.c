/* JSON files beside a checkpoint: lenient where json.loads is, and what is wrong is said with the file's name. */
#include "tests/unit/cmocka_all.h"

#include <string.h>

#include "model/formats/document.h"
#include "tests/support/folder.h"

static void read_takes_what_python_takes(void **state) {
    struct test_folder *folder = *state;
    struct ob_document document = {0};
    struct ob_error error = {0};
    static const char TEXT[] = "\xef\xbb\xbf{\"time_step_limit\": [0.0, Infinity], \"a\": 1, \"a\": 2,"
                               " \"model_max_length\": 1000000000000000019884624838656}";
    test_folder_write(folder, "config.json", TEXT, strlen(TEXT));
    if (ob_document_read(folder->path, "config.json", &document, &error))
        fail_msg("%s", error.text);
    assert_non_null(strstr(document.name, "/config.json"));
    assert_int_equal(json_integer_value(json_object_get(document.root, "a")), 2);
    assert_false(json_is_integer(json_object_get(document.root, "model_max_length")));
    ob_document_done(&document);
}

static void read_says_what_is_wrong(void **state) {
    static const struct {
        const char *text;
        enum ob_err code;
        const char *message;
    } FILES[] = {{NULL, OB_ENOTFOUND, "config.json"},
                 {"{", OB_EFORMAT, "config.json: line 1, column 2: the text ends too early"},
                 {"[]", OB_EFORMAT, "config.json: not a JSON object"},
                 {"", OB_EFORMAT, "config.json: line 1"}};
    struct test_folder *folder = *state;
    for (size_t i = 0; i < sizeof FILES / sizeof *FILES; i++) {
        struct ob_document document = {0};
        struct ob_error error = {0};
        if (FILES[i].text)
            test_folder_write(folder, "config.json", FILES[i].text, strlen(FILES[i].text));
        assert_int_equal(ob_document_read(folder->path, "config.json", &document, &error), FILES[i].code);
        if (!strstr(error.text, FILES[i].message))
            fail_msg("\"%s\", expected \"%s\"", error.text, FILES[i].message);
        assert_null(document.root);
    }
}

static int set_up(void **state) {
    static struct test_folder folder;
    test_folder_make(&folder);
    *state = &folder;
    return 0;
}

static int tear_down(void **state) {
    test_folder_remove(*state);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(read_takes_what_python_takes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(read_says_what_is_wrong, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
