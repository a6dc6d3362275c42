/* Conversations against `transformers`' apply_chat_template, from the files that make_chat.py wrote. */
#include "tests/unit/cmocka_all.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/convert/open_tokenizer.h"

#define CHAT          OB_SOURCE_ROOT "/tests/parity/chat/"
#define CONVERSATIONS 167
#define MESSAGES_MAX  16

struct configuration {
    const char *format, *tokenizer;
};

static const struct configuration CONFIGURATIONS[] = {
    {"chatml", "qwen"},
    {"smollm2", "smollm2"},
    {"qwen2", "qwen"},
    {"qwen2.5", "qwen"},
    {"qwen3", "qwen"},
    {"llama2", "llama2"},
    {"llama3", "llama3"},
    {"llama3.1", "llama3"},
    {"mistral-v0.1", "llama2"},
    {"mistral-v0.2", "llama2"},
    {"mistral-v1", "llama2"},
    {"mistral-v3", "mistral"},
    {"mistral-tekken", "mistral"},
    {"gemma", "gemma"},
    {"gemma3", "gemma"},
    {"zephyr", "llama2"},
};

static uint32_t add_byte(uint32_t hash, uint32_t byte) {
    return (hash ^ byte) * 16777619U;
}

static size_t read_messages(const json_t *conversation, struct ob_chat_message *ret_messages) {
    size_t count = json_array_size(conversation);
    assert_in_range(count, 1, MESSAGES_MAX);
    for (size_t i = 0; i < count; i++) {
        const json_t *message = json_array_get(conversation, i),
                     *content = json_object_get(message, "content");
        assert_true(ob_chat_role(json_string_value(json_object_get(message, "role")), &ret_messages[i].role));
        ret_messages[i].content = json_string_value(content);
        ret_messages[i].bytes = json_string_length(content);
    }
    return count;
}

/* The line of make_chat.py. */
static void describe(const struct ob_chat *chat, const struct ob_chat_message *messages, size_t count,
                     char ret_line[static 64]) {
    struct ob_chat_ids ids = {0};
    struct ob_error error = {0};
    enum ob_err err = ob_chat_encode(chat, NULL, messages, count, false, &ids, &error);
    uint32_t id_hash = 2166136261U, mark_hash = id_hash;
    size_t targets = 0;
    if (err == OB_EFORMAT && strstr(error.text, ob_chat_name(chat)) != NULL) {
        (void)snprintf(ret_line, 64, "refused\n");
        return;
    }
    if (err != OB_OK)
        fail_msg("%s", error.text);
    for (size_t i = 0; i < ids.count; i++) {
        for (unsigned shift = 0; shift < 32; shift += 8)
            id_hash = add_byte(id_hash, (uint32_t)ids.ids[i] >> shift & 0xff);
        mark_hash = add_byte(mark_hash, ids.targets[i]);
        targets += ids.targets[i];
    }
    (void)snprintf(ret_line, 64, "%08x %zu %08x %zu\n", id_hash, ids.count, mark_hash, targets);
    ob_chat_ids_done(&ids);
}

static void ids_and_targets_are_those_of_transformers(void **state) {
    const struct configuration *configuration = *state;
    struct ob_chat_message messages[MESSAGES_MAX];
    struct ob_tokenizer *tokenizer = NULL;
    struct ob_chat *chat = NULL;
    struct ob_error error = {0};
    char path[512], line[64], expected_line[64];
    json_t *conversations = json_load_file(CHAT "conversations.json", JSON_ALLOW_NUL, NULL);
    assert_int_equal(json_array_size(conversations), CONVERSATIONS);
    (void)snprintf(path, sizeof path, CHAT "%s.txt", configuration->format);
    FILE *expected = fopen(path, "r");
    assert_non_null(expected);
    (void)snprintf(path, sizeof path, CHAT "%s", configuration->tokenizer);
    if (ob_tokenizer_open(path, &tokenizer, &error) ||
        ob_chat_open(path, configuration->format, tokenizer, &chat, &error))
        fail_msg("%s", error.text);
    for (size_t i = 0; i < CONVERSATIONS; i++) {
        const json_t *conversation = json_array_get(conversations, i);
        size_t count = read_messages(conversation, messages);
        assert_non_null(fgets(expected_line, sizeof expected_line, expected));
        describe(chat, messages, count, line);
        if (strcmp(line, expected_line) != 0)
            fail_msg("%s: conversation %zu, %s: %s, expected %s", configuration->format, i,
                     json_dumps(conversation, 0), line, expected_line);
    }
    assert_null(fgets(expected_line, sizeof expected_line, expected));
    ob_chat_free(chat);
    ob_tokenizer_free(tokenizer);
    (void)fclose(expected);
    json_decref(conversations);
}

int main(void) {
    enum { COUNT = sizeof CONFIGURATIONS / sizeof *CONFIGURATIONS };
    struct CMUnitTest tests[COUNT];
    for (size_t i = 0; i < COUNT; i++)
        tests[i] = (struct CMUnitTest){.name = CONFIGURATIONS[i].format,
                                       .test_func = ids_and_targets_are_those_of_transformers,
                                       .initial_state = (void *)(uintptr_t)&CONFIGURATIONS[i]};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
