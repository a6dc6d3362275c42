/* Token ids against Hugging Face `tokenizers`, from the files that make_tokens.py wrote. */
#include "tests/unit/cmocka_all.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/tokenizer.h"

#define TOKENS  OB_SOURCE_ROOT "/tests/parity/tokens/"
#define STRINGS 10000

struct configuration {
    const char *name;
    const char *model;
    bool byte_level; /* no normalizer: what was encoded decodes to itself */
};

static const struct configuration CONFIGURATIONS[] = {
    {"gpt2", TOKENS "gpt2", true},
    {"opt", TOKENS "opt", true},
    {"smollm2", TOKENS "smollm2", true},
    {"llama3", TOKENS "llama3", true},
    {"mistral3", TOKENS "mistral3", false},
    {"gemma", TOKENS "gemma", false},
    {"kjv-1m", OB_SOURCE_ROOT "/examples/kjv-1m", true},
};

static uint32_t add_ids(uint32_t hash, const int32_t *ids, size_t count) {
    for (size_t i = 0; i < count; i++)
        for (unsigned shift = 0; shift < 32; shift += 8)
            hash = (hash ^ ((uint32_t)ids[i] >> shift & 0xff)) * 16777619U;
    return hash;
}

static void check_decoding(const struct configuration *configuration, const struct ob_tokenizer *tokenizer,
                           const json_t *string, size_t index, const int32_t *ids, size_t count) {
    char *text = NULL;
    size_t bytes = 0;
    struct ob_error error = {0};
    if (ob_tokenizer_decode(tokenizer, ids, count, false, &text, &bytes, &error))
        fail_msg("%s: string %zu: %s", configuration->name, index, error.text);
    if (bytes != json_string_length(string) || memcmp(text, json_string_value(string), bytes) != 0)
        fail_msg("%s: string %zu, '%s', decodes to '%s'", configuration->name, index,
                 json_string_value(string), text);
    free(text);
}

static void check_string(const struct configuration *configuration, const struct ob_tokenizer *tokenizer,
                         const json_t *string, size_t index, uint32_t expected_hash, size_t expected_count) {
    struct ob_tokenizer_frame frame = ob_tokenizer_frame(tokenizer);
    int32_t *ids = NULL;
    size_t count = 0;
    struct ob_error error = {0};
    if (ob_tokenizer_encode(tokenizer, json_string_value(string), json_string_length(string), &ids, &count,
                            &error))
        fail_msg("%s: string %zu: %s", configuration->name, index, error.text);
    uint32_t hash = add_ids(2166136261U, frame.before, frame.before_count);
    hash = add_ids(hash, ids, count);
    hash = add_ids(hash, frame.after, frame.after_count);
    size_t framed = frame.before_count + count + frame.after_count;
    if (framed != expected_count || hash != expected_hash)
        fail_msg("%s: string %zu, '%s': %zu ids of hash %08x, expected %zu of %08x", configuration->name,
                 index, json_string_value(string), framed, hash, expected_count, expected_hash);
    if (configuration->byte_level)
        check_decoding(configuration, tokenizer, string, index, ids, count);
    free(ids);
}

static void ids_are_those_of_tokenizers(void **state) {
    const struct configuration *configuration = *state;
    struct ob_tokenizer *tokenizer = NULL;
    struct ob_error error = {0};
    char path[512], line[64];
    json_t *strings = json_load_file(TOKENS "strings.json", JSON_ALLOW_NUL, NULL);
    assert_int_equal(json_array_size(strings), STRINGS);
    (void)snprintf(path, sizeof path, TOKENS "%s/expected.txt", configuration->name);
    FILE *expected = fopen(path, "r");
    assert_non_null(expected);
    if (ob_tokenizer_open(configuration->model, &tokenizer, &error))
        fail_msg("%s", error.text);
    for (size_t i = 0; i < STRINGS; i++) {
        char *end = NULL;
        assert_non_null(fgets(line, sizeof line, expected));
        uint32_t hash = (uint32_t)strtoul(line, &end, 16);
        check_string(configuration, tokenizer, json_array_get(strings, i), i, hash, strtoul(end, NULL, 10));
    }
    assert_null(fgets(line, sizeof line, expected));
    ob_tokenizer_free(tokenizer);
    (void)fclose(expected);
    json_decref(strings);
}

int main(void) {
    enum { COUNT = sizeof CONFIGURATIONS / sizeof *CONFIGURATIONS };
    struct CMUnitTest tests[COUNT];
    for (size_t i = 0; i < COUNT; i++)
        tests[i] = (struct CMUnitTest){.name = CONFIGURATIONS[i].name,
                                       .test_func = ids_are_those_of_tokenizers,
                                       .initial_state = (void *)(uintptr_t)&CONFIGURATIONS[i]};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
