/* Folders whose tokens stand outside tokenizer.json: the ids are those of transformers' AutoTokenizer, from the file that
 * make_folders.py wrote. */
#include "tests/unit/cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/convert/open_tokenizer.h"
#include "tests/support/folder.h"
#include "tests/support/json.h"

#define CASES_MAX 128

static json_t *root, *example;

/* The case's tokenizer.json and the files beside it. */
static void write_folder(const struct test_folder *folder, const json_t *one) {
    char path[TEST_PATH_MAX];
    const char *name;
    json_t *content, *tokenizer = json_copy(example);
    assert_int_equal(json_object_update(tokenizer, json_object_get(one, "changes")), 0);
    test_json_write(test_folder_path(folder, "tokenizer.json", path), tokenizer);
    json_object_foreach(json_object_get(one, "files"), name, content) {
        test_json_write(test_folder_path(folder, name, path), json_incref(content));
    }
}

static void check_ids(const struct ob_tokenizer *tokenizer, const json_t *expected) {
    struct ob_tokenizer_affixes affixes = ob_tokenizer_affixes(tokenizer);
    const char *text = json_string_value(json_object_get(root, "text"));
    int32_t all[256], *ids = NULL;
    size_t count = 0, used = 0;
    assert_int_equal(ob_tokenizer_encode(tokenizer, NULL, text, strlen(text), &ids, &count, NULL), OB_OK);
    assert_true(affixes.prefix_count + count + affixes.suffix_count <= 256);
    for (size_t i = 0; i < affixes.prefix_count; i++)
        all[used++] = affixes.prefix[i];
    for (size_t i = 0; i < count; i++)
        all[used++] = ids[i];
    for (size_t i = 0; i < affixes.suffix_count; i++)
        all[used++] = affixes.suffix[i];
    free(ids);
    for (size_t i = 0; i < used && i < json_array_size(expected); i++)
        if (all[i] != json_integer_value(json_array_get(expected, i)))
            fail_msg("id %zu is %d, not %d", i, all[i], (int)json_integer_value(json_array_get(expected, i)));
    assert_int_equal(used, json_array_size(expected));
}

static void ids_are_those_of_auto_tokenizer(void **state) {
    const json_t *one = *state;
    struct test_folder folder;
    struct ob_tokenizer *tokenizer = NULL;
    struct ob_error error = {0};
    test_folder_make(&folder);
    write_folder(&folder, one);
    if (ob_tokenizer_open(folder.path, &tokenizer, &error) != OB_OK)
        fail_msg("%s", error.text);
    test_folder_remove(&folder);
    check_ids(tokenizer, json_object_get(one, "ids"));
    ob_tokenizer_free(tokenizer);
}

static void bad_files_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *file, *content, *words;
    } BAD[] = {
        {"tokenizer_config.json", "{\"added_tokens_decoder\": {\"x\": {\"content\": \"<a>\"}}}",
         "tokenizer_config.json: \"added_tokens_decoder\" is not"},
        {"tokenizer_config.json", "{\"added_tokens_decoder\": {\"1\": \"<a>\"}}",
         "\"added_tokens_decoder\" is not"},
        {"tokenizer_config.json", "{\"extra_special_tokens\": [7]}", "special token 0"},
        {"tokenizer_config.json", "{\"eos_token\": ", "tokenizer_config.json"},
        {"added_tokens.json", "{\"<a>\": \"1\"}", "added_tokens.json: not {\"TOKEN\": ID}"},
        {"special_tokens_map.json", "[]", "special_tokens_map.json"},
    };
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        struct test_folder folder;
        struct ob_tokenizer *tokenizer = NULL;
        struct ob_error error = {0};
        char path[TEST_PATH_MAX];
        test_folder_make(&folder);
        test_json_write(test_folder_path(&folder, "tokenizer.json", path), json_incref(example));
        test_folder_print(&folder, BAD[i].file, "%s", BAD[i].content);
        enum ob_err err = ob_tokenizer_open(folder.path, &tokenizer, &error);
        if (err != OB_EFORMAT || strstr(error.text, BAD[i].words) == NULL ||
            strstr(error.text, folder.path) == NULL)
            fail_msg("%s: expected %s, not %s", BAD[i].content, BAD[i].words, error.text);
        test_folder_remove(&folder);
    }
}

int main(void) {
    static struct CMUnitTest tests[CASES_MAX + 1];
    root = test_json_read(OB_SOURCE_ROOT "/tests/parity/folders.json");
    example = test_json_read(OB_SOURCE_ROOT "/examples/kjv-1m/tokenizer.json");
    json_t *cases = json_object_get(root, "cases");
    size_t count = json_array_size(cases);
    if (count > CASES_MAX)
        return 1;
    for (size_t i = 0; i < count; i++) {
        json_t *one = json_array_get(cases, i);
        tests[i] = (struct CMUnitTest){.name = json_string_value(json_object_get(one, "name")),
                                       .test_func = ids_are_those_of_auto_tokenizer,
                                       .initial_state = one};
    }
    tests[count] = (struct CMUnitTest)cmocka_unit_test(bad_files_are_refused);
    int failed = _cmocka_run_group_tests("folders", tests, count + 1, NULL, NULL);
    json_decref(root);
    json_decref(example);
    return failed;
}
