/* Token ids, and what they decode to, against Hugging Face `tokenizers`, from the files that make_tokens.py
 * wrote. */
#include "tests/unit/cmocka_all.h"

#include <glob.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/convert/open_tokenizer.h"

#define TOKENS             OB_SOURCE_ROOT "/tests/parity/tokens/"
#define STRINGS            10000
#define BLOCK              10 /* strings a line of the expectations stands for */
#define EMPTY              2166136261U
#define CONFIGURATIONS_MAX 64

struct hashes {
    uint32_t ids, texts;
};

static uint32_t add_bytes(uint32_t hash, const char *data, size_t bytes) {
    for (size_t i = 0; i < bytes; i++)
        hash = (hash ^ (uint8_t)data[i]) * 16777619U;
    return hash;
}

static uint32_t add_number(uint32_t hash, uint32_t value) {
    const char bytes[4] = {(char)(value & 0xff), (char)(value >> 8 & 0xff), (char)(value >> 16 & 0xff),
                           (char)(value >> 24)};
    return add_bytes(hash, bytes, sizeof bytes);
}

static uint32_t add_ids(uint32_t hash, const int32_t *ids, size_t count) {
    for (size_t i = 0; i < count; i++)
        hash = add_number(hash, (uint32_t)ids[i]);
    return hash;
}

/* What is remembered of earlier texts changes nothing. */
static void expect_same_with_scratch(const struct ob_tokenizer *tokenizer,
                                     struct ob_tokenizer_scratch *scratch, const json_t *string,
                                     const int32_t *ids, size_t count) {
    struct ob_encode_options options = {.position = OB_TEXT_FIRST, .scratch = scratch};
    int32_t *again = NULL;
    size_t again_count = 0;
    assert_int_equal(ob_tokenizer_encode(tokenizer, &options, json_string_value(string),
                                         json_string_length(string), &again, &again_count, NULL),
                     OB_OK);
    assert_int_equal(again_count, count);
    if (count > 0)
        assert_memory_equal(again, ids, count * sizeof *ids);
    free(again);
}

static void add_string(const struct ob_tokenizer *tokenizer, struct ob_tokenizer_scratch *scratch,
                       const json_t *string, struct hashes *hashes) {
    struct ob_tokenizer_affixes affixes = ob_tokenizer_affixes(tokenizer);
    int32_t *ids = NULL;
    char *text = NULL;
    size_t count = 0, bytes = 0;
    struct ob_error error = {0};
    if (ob_tokenizer_encode(tokenizer, NULL, json_string_value(string), json_string_length(string), &ids,
                            &count, &error) ||
        ob_tokenizer_decode(tokenizer, ids, count, false, &text, &bytes, &error))
        fail_msg("'%s': %s", json_string_value(string), error.text);
    expect_same_with_scratch(tokenizer, scratch, string, ids, count);
    hashes->ids = add_number(hashes->ids, (uint32_t)(affixes.prefix_count + count + affixes.suffix_count));
    hashes->ids = add_ids(hashes->ids, affixes.prefix, affixes.prefix_count);
    hashes->ids = add_ids(hashes->ids, ids, count);
    hashes->ids = add_ids(hashes->ids, affixes.suffix, affixes.suffix_count);
    hashes->texts = add_bytes(add_number(hashes->texts, (uint32_t)bytes), text, bytes);
    free(text);
    free(ids);
}

/* NAME.json with its model put in; kjv-1m is one of the examples. */
static struct ob_tokenizer *open_configuration(const char *name) {
    char path[512];
    struct ob_tokenizer *tokenizer = NULL;
    struct ob_error error = {0};
    if (strcmp(name, "kjv-1m") == 0) {
        if (ob_tokenizer_open(OB_SOURCE_ROOT "/examples/kjv-1m", &tokenizer, &error))
            fail_msg("%s", error.text);
        return tokenizer;
    }
    (void)snprintf(path, sizeof path, TOKENS "%s.json", name);
    json_t *root = json_load_file(path, 0, NULL), *models = json_load_file(TOKENS "models.json", 0, NULL);
    json_t *changes = json_object_get(root, "model");
    json_t *model = json_object_get(models, json_string_value(json_object_get(changes, "name")));
    assert_non_null(model);
    assert_int_equal(json_object_del(changes, "name"), 0);
    assert_int_equal(json_object_update(model, changes), 0);
    assert_int_equal(json_object_set(root, "model", model), 0);
    char *text = json_dumps(root, 0);
    assert_non_null(text);
    if (ob_tokenizer_parse(text, strlen(text), name, &tokenizer, &error))
        fail_msg("%s", error.text);
    free(text);
    json_decref(root);
    json_decref(models);
    return tokenizer;
}

static void check_block(const char *name, const char *line, const struct hashes *hashes,
                        const json_t *strings, size_t first) {
    char ours[64];
    (void)snprintf(ours, sizeof ours, "%08x %08x\n", hashes->ids, hashes->texts);
    if (strcmp(line, ours) == 0)
        return;
    for (size_t i = first; i < first + BLOCK; i++)
        print_message("%zu: '%s'\n", i, json_string_value(json_array_get(strings, i)));
    fail_msg("%s: of one of these strings the %s not as expected", name,
             strncmp(line, ours, 8) != 0 ? "ids are" : "decoded text is");
}

static void ids_are_those_of_tokenizers(void **state) {
    const char *name = *state;
    char path[512], line[64];
    json_t *strings = json_load_file(TOKENS "strings.json", JSON_ALLOW_NUL, NULL);
    assert_int_equal(json_array_size(strings), STRINGS);
    (void)snprintf(path, sizeof path, TOKENS "%s.txt", name);
    FILE *expected = fopen(path, "r");
    assert_non_null(expected);
    struct ob_tokenizer *tokenizer = open_configuration(name);
    struct ob_tokenizer_scratch *scratch = NULL;
    assert_int_equal(ob_tokenizer_scratch_new(tokenizer, &scratch, NULL), OB_OK);
    for (size_t first = 0; first < STRINGS; first += BLOCK) {
        struct hashes hashes = {EMPTY, EMPTY};
        assert_non_null(fgets(line, sizeof line, expected));
        for (size_t i = first; i < first + BLOCK; i++)
            add_string(tokenizer, scratch, json_array_get(strings, i), &hashes);
        check_block(name, line, &hashes, strings, first);
    }
    assert_null(fgets(line, sizeof line, expected));
    ob_tokenizer_scratch_free(scratch);
    ob_tokenizer_free(tokenizer);
    (void)fclose(expected);
    json_decref(strings);
}

/* Each NAME.txt is a configuration. */
int main(void) {
    struct CMUnitTest tests[CONFIGURATIONS_MAX];
    char names[CONFIGURATIONS_MAX][64];
    glob_t files;
    size_t count = 0, folder = strlen(TOKENS);
    if (glob(TOKENS "*.txt", 0, NULL, &files) != 0)
        return 1;
    for (; count < files.gl_pathc && count < CONFIGURATIONS_MAX; count++) {
        const char *name = files.gl_pathv[count] + folder;
        (void)snprintf(names[count], sizeof names[count], "%.*s", (int)strlen(name) - 4, name);
        tests[count] = (struct CMUnitTest){
            .name = names[count], .test_func = ids_are_those_of_tokenizers, .initial_state = names[count]};
    }
    globfree(&files);
    return _cmocka_run_group_tests("tokens", tests, count, NULL, NULL);
}
