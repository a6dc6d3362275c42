/* One line into a row: what people's files hold, and what is refused. */
#include "tests/unit/cmocka_all.h"

#include <string.h>

#include "model/data/row.h"

static struct ob_row read_row(const char *line) {
    struct ob_row row = {0};
    struct ob_error error = {0};
    if (ob_row_read(line, strlen(line), &row, &error) != OB_OK)
        fail_msg("%s: %s", line, error.text);
    return row;
}

static void expect_text(const struct ob_row_text *text, const char *expected) {
    assert_int_equal(text->bytes, strlen(expected));
    assert_memory_equal(text->data, expected, text->bytes);
}

static void read_text_passes_over_other_keys(void **state) {
    (void)state;
    static const char *const LINES[] = {
        "{\"text\":\"In the beginning\",\"id\":18446744073709551615}",
        "{\"text\":\"In the beginning\",\"id\":123456789012345678901234567890}",
        "{\"text\":\"In the beginning\",\"score\":NaN}",
        "{\"text\":\"In the beginning\",\"score\":-Infinity}",
        "{\"text\":\"In the beginning\",\"meta\":{\"a\":1,\"a\":2}}",
        "{\"text\":\"In the beginning\",\"raw\":\"\\ud83d\"}",
        "{\"text\":\"In the beginning\",\"prompt\":null,\"completion\":null}",
        "{\"text\":\"In the beginning\",\"messages\":null,\"choices\":null,\"label\":null}",
        "{\"text\":\"In the beginning\",\"label\":3}",
        "{\"text\":\"In the beginning\",\"instruction\":\"x\",\"output\":\"y\"}",
        "{\"text\":\"In the beginning\",\"conversations\":7}",
        "{\"text\":\"In the end\",\"text\":\"In the beginning\"}", /* as json.loads: the last one */
        "\xef\xbb\xbf{\"text\":\"In the beginning\"}",
    };
    for (size_t i = 0; i < sizeof LINES / sizeof *LINES; i++) {
        struct ob_row row = read_row(LINES[i]);
        assert_int_equal(row.kind, OB_ROW_TEXT);
        expect_text(&row.text, "In the beginning");
        ob_row_done(&row);
    }
}

static void expect_chat(const char *line, const char *system, const char *user, const char *assistant) {
    struct ob_row row = read_row(line);
    const struct ob_chat_message *m = row.messages;
    assert_int_equal(row.kind, OB_ROW_CHAT);
    assert_int_equal(row.messages_count, system != NULL ? 3 : 2);
    if (system != NULL) {
        assert_int_equal(m->role, OB_CHAT_SYSTEM);
        expect_text(&(struct ob_row_text){m->content, m->bytes}, system);
        m++;
    }
    assert_int_equal(m[0].role, OB_CHAT_USER);
    assert_int_equal(m[1].role, OB_CHAT_ASSISTANT);
    expect_text(&(struct ob_row_text){m[0].content, m[0].bytes}, user);
    expect_text(&(struct ob_row_text){m[1].content, m[1].bytes}, assistant);
    ob_row_done(&row);
}

#define HI    "{\"role\":\"user\",\"content\":\"hi\"}"
#define HELLO "{\"role\":\"assistant\",\"content\":\"hello\"}"

static void read_messages_of_many_writers(void **state) {
    (void)state;
    expect_chat("{\"messages\":[" HI "," HELLO "]}", NULL, "hi", "hello");
    expect_chat("{\"prompt\":\"hi\",\"prompt_id\":\"abc\",\"messages\":[" HI "," HELLO "]}", NULL, "hi",
                "hello");
    expect_chat("{\"tools\":[],\"messages\":[" HI
                ",{\"role\":\"assistant\",\"content\":\"hello\",\"tool_calls\":[],"
                "\"reasoning_content\":\"\"}]}",
                NULL, "hi", "hello");
    expect_chat("{\"tools\":null,\"messages\":[" HI ",{\"role\":\"assistant\",\"content\":\"hello\","
                "\"tool_calls\":null}]}",
                NULL, "hi", "hello");
    expect_chat("{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"h\"},{\"type\":"
                "\"text\",\"text\":\"i\"}]}," HELLO "]}",
                NULL, "hi", "hello");
    expect_chat("{\"messages\":[{\"role\":\"user\",\"content\":[]}," HELLO "]}", NULL, "", "hello");
}

static void read_share_gpt(void **state) {
    (void)state;
    expect_chat(
        "{\"conversations\":[{\"from\":\"human\",\"value\":\"hi\"},{\"from\":\"gpt\",\"value\":\"hello\"}]}",
        NULL, "hi", "hello");
    expect_chat("{\"system\":\"be kind\",\"conversations\":[{\"from\":\"user\",\"value\":\"hi\"},{\"from\":"
                "\"assistant\",\"value\":\"hello\"}]}",
                "be kind", "hi", "hello");
    expect_chat("{\"system\":\"no\",\"conversations\":[{\"from\":\"system\",\"value\":\"be kind\"},{\"from\":"
                "\"human\",\"value\":\"hi\"},{\"from\":\"chatgpt\",\"value\":\"hello\"}]}",
                "be kind", "hi", "hello");
    expect_chat("{\"system\":\"\",\"tools\":\"\",\"conversations\":[" HI "," HELLO "]}", NULL, "hi", "hello");
}

static void read_alpaca(void **state) {
    (void)state;
    struct ob_row row = read_row("{\"instruction\":\"Add.\",\"input\":\"1 and 2\",\"output\":\"3\"}");
    assert_int_equal(row.kind, OB_ROW_PAIR);
    expect_text(&row.prompt,
                "Below is an instruction that describes a task, paired with an input that provides "
                "further context. Write a response that appropriately completes the request.\n\n"
                "### Instruction:\nAdd.\n\n### Input:\n1 and 2\n\n### Response:");
    expect_text(&row.completion, "3");
    ob_row_done(&row);
    static const char *const WITHOUT[] = {"{\"instruction\":\"Hi.\",\"output\":\"Yes\"}",
                                          "{\"instruction\":\"Hi.\",\"input\":\"\",\"output\":\"Yes\"}",
                                          "{\"instruction\":\"Hi.\",\"input\":null,\"output\":\"Yes\"}"};
    for (size_t i = 0; i < 3; i++) {
        row = read_row(WITHOUT[i]);
        expect_text(&row.prompt,
                    "Below is an instruction that describes a task. Write a response that appropriately "
                    "completes the request.\n\n### Instruction:\nHi.\n\n### Response:");
        ob_row_done(&row);
    }
}

#define CHOICES "\"prompt\":\"p\",\"choices\":[\"good\",\"bad\",\"bad\"],"

static void read_labels(void **state) {
    (void)state;
    struct ob_row row = read_row("{" CHOICES "\"label\":2}");
    assert_int_equal(row.label, 2);
    ob_row_done(&row);
    row = read_row("{" CHOICES "\"label\":\"good\"}");
    assert_int_equal(row.kind, OB_ROW_CHOICE);
    assert_int_equal(row.label, 0);
    ob_row_done(&row);
}

static void read_refuses_by_name(void **state) {
    (void)state;
    static const struct {
        const char *line, *words;
    } BAD[] = {
        {"{\"text\":\"In the \\ud83d beginning\"}", "\"text\" contains half of a surrogate pair"},
        {"{\"text\":7}", "\"text\" is not a string"},
        {"{\"text\":null}", "none of \"text\""},
        {"{\"text\":NaN}", "\"text\" is not a string"},
        {"{\"text\":\"a\",\"messages\":[" HI "]}", "more than one of"},
        {"{\"messages\":[" HI "],\"completion\":\"a\"}", "more than one of"},
        {"{\"prompt\":null,\"completion\":\"a\"}", "\"completion\" without \"prompt\""},
        {"{" CHOICES "\"label\":\"bad\"}", "\"label\" \"bad\" is more than one of \"choices\""},
        {"{" CHOICES "\"label\":\"0\"}", "\"label\" \"0\" is none of \"choices\""},
        {"{" CHOICES "\"label\":99999999999999999999}", "\"label\" is neither a whole number"},
        {"{" CHOICES "\"label\":1.0}", "\"label\" is neither a whole number"},
        {"{" CHOICES "\"label\":null}", "\"choices\" without \"label\""},
        {"{\"tools\":[{}],\"messages\":[" HI "]}", "\"tools\" are not supported"},
        {"{\"messages\":[" HI ",{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{}]}]}",
         "message 2 of \"messages\": \"tool_calls\" are not supported"},
        {"{\"messages\":[" HI ",{\"role\":\"assistant\",\"content\":null}]}",
         "message 2 of \"messages\": \"content\" is missing"},
        {"{\"messages\":[{\"role\":\"tool\",\"content\":\"a\"}]}",
         "message 1 of \"messages\": role \"tool\" is not supported"},
        {"{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image\"}]}]}",
         "content part of type \"image\""},
        {"{\"conversations\":[{\"from\":\"observation\",\"value\":\"a\"}]}",
         "role \"observation\" is not supported"},
        {"{\"conversations\":[{\"from\":\"human\",\"text\":\"a\"}]}", "\"content\" is missing"},
        {"{\"conversations\":[]}", "\"conversations\" is not an array or is empty"},
        {"{\"messages\":[{\"from\":\"human\",\"value\":\"hi\"}]}", "\"role\" is missing or not a string"},
        {"{\"instruction\":\"a\"}", "\"instruction\" without \"output\""},
        {"[{\"text\":\"a\"}]", "not a JSON object"},
    };
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        struct ob_row row = {0};
        struct ob_error error = {0};
        enum ob_err err = ob_row_read(BAD[i].line, strlen(BAD[i].line), &row, &error);
        if (err == OB_OK || strstr(error.text, BAD[i].words) == NULL)
            fail_msg("%s: expected %s, not %s", BAD[i].line, BAD[i].words, error.text);
        assert_null(row.root);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(read_text_passes_over_other_keys),
        cmocka_unit_test(read_messages_of_many_writers),
        cmocka_unit_test(read_share_gpt),
        cmocka_unit_test(read_alpaca),
        cmocka_unit_test(read_labels),
        cmocka_unit_test(read_refuses_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
