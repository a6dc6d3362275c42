/* How a model's chat template is found, and rows with messages. That conversations become the right ids,
 * tests/parity/test_chat.c shows. */
#include "tests/unit/cmocka_all.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "model/chat/known.h"
#include "model/convert/open_tokenizer.h"
#include "model/data/corpus.h"
#include "tests/support/folder.h"
#include "tests/support/json.h"

#define QWEN OB_SOURCE_ROOT "/tests/parity/chat/qwen/tokenizer.json"
/* ChatML, which transformers had for models without a template. */
#define TURNS                                                                                                \
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + "         \
    "'<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% "      \
    "endif %}"

static struct test_folder place;
static const char *const folder = place.path;
static char tokenizer_path[TEST_PATH_MAX], config_path[TEST_PATH_MAX], jinja_path[TEST_PATH_MAX],
    rows_path[TEST_PATH_MAX];
static struct ob_tokenizer *tokenizer;

static int setup(void **state) {
    (void)state;
    struct ob_error error = {0};
    test_folder_make(&place);
    test_folder_path(&place, "tokenizer.json", tokenizer_path);
    test_folder_path(&place, "tokenizer_config.json", config_path);
    test_folder_path(&place, "chat_template.jinja", jinja_path);
    test_folder_path(&place, "rows.jsonl", rows_path);
    if (symlink(QWEN, tokenizer_path) != 0)
        return -1;
    return ob_tokenizer_open(folder, &tokenizer, &error) == OB_OK ? 0 : -1;
}

static int teardown(void **state) {
    (void)state;
    ob_tokenizer_free(tokenizer);
    test_folder_remove(&place);
    return 0;
}

static void write_text(const char *path, const char *text) {
    test_file_write(path, text, strlen(text));
}

/* Takes the configuration. */
static void write_config(json_t *config) {
    test_json_write(config_path, config);
}

static void expect_format(const char *format, const char *name) {
    struct ob_chat *chat = NULL;
    struct ob_error error = {0};
    if (ob_chat_open(folder, format, tokenizer, &chat, &error) != OB_OK)
        fail_msg("%s", error.text);
    assert_string_equal(ob_chat_name(chat), name);
    assert_int_equal(ob_chat_end(chat), ob_tokenizer_special(tokenizer, "<|im_end|>", 10));
    ob_chat_free(chat);
}

static void expect_refused(const char *format, enum ob_err code, const char *words) {
    struct ob_chat *chat = NULL;
    struct ob_error error = {0};
    enum ob_err err = ob_chat_open(folder, format, tokenizer, &chat, &error);
    if (err != code || strstr(error.text, words) == NULL)
        fail_msg("expected %s (%s), not %s: %s", ob_err_text(code), words, ob_err_text(err), error.text);
    assert_null(chat);
    assert_int_equal(ob_chat_open(folder, format, tokenizer, &chat, NULL), code);
}

static void open_knows_a_template_word_for_word(void **state) {
    (void)state;
    write_config(json_pack("{s:s}", "chat_template", TURNS));
    expect_format(NULL, "chatml");
    write_config(json_pack("{s:s}", "chat_template", TURNS "\n")); /* Jinja drops it */
    expect_format("", "chatml");
    write_config(json_pack("{s:[{s:s, s:s}, {s:s, s:s}]}", "chat_template", "name", "tool_use", "template",
                           "x", "name", "default", "template", TURNS));
    expect_format(NULL, "chatml");
    write_config(json_pack("{s:s}", "chat_template", " " TURNS)); /* one space more in every text */
    expect_refused(NULL, OB_EUNSUPPORTED, "unknown chat template");
    write_config(json_pack("{s:[{s:s, s:s}]}", "chat_template", "name", "tool_use", "template", TURNS));
    expect_refused(NULL, OB_EUNSUPPORTED,
                   "has no chat template; name one with --chat-template, or chat_template in [training]: "
                   "chatml, smollm2");
}

static void open_reads_the_file_before_the_configuration(void **state) {
    (void)state;
    write_config(json_pack("{s:s}", "chat_template", "{{ messages }}"));
    write_text(jinja_path, TURNS);
    expect_format(NULL, "chatml");
    write_text(jinja_path, "{{ messages }}");
    write_config(json_pack("{s:s}", "chat_template", TURNS));
    expect_refused(NULL, OB_EUNSUPPORTED, "unknown chat template");
    assert_int_equal(unlink(jinja_path), 0);
}

static void open_follows_the_name(void **state) {
    (void)state;
    write_config(json_pack("{s:s}", "chat_template", "{{ messages }}"));
    expect_format("qwen2.5", "qwen2.5");
    expect_refused("qwen", OB_EUSAGE, "chat_template \"qwen\" is not one of: chatml, ");
    expect_refused("gemma", OB_EUNSUPPORTED, "needs the bos_token");
    write_config(json_pack("{s:{s:s}}", "bos_token", "content", "<|endoftext|>"));
    expect_refused("gemma", OB_EUNSUPPORTED, "needs the special token \"<start_of_turn>\"");
    write_config(json_pack("{s:s, s:s}", "bos_token", "<|endoftext|>", "eos_token", "<think>"));
    expect_refused("zephyr", OB_EUNSUPPORTED, "needs the eos_token"); /* <think> is not special */
    assert_int_equal(unlink(config_path), 0);
    expect_format("chatml", "chatml"); /* needs nothing of it */
    expect_refused(NULL, OB_EUNSUPPORTED, "has no chat template");
}

static void hash_reads_line_ends_as_jinja_does(void **state) {
    (void)state;
    char one[OB_CHAT_HASH_HEX], other[OB_CHAT_HASH_HEX];
    static const char *const SAME[] = {"a\r\nb", "a\rb", "a\nb\n", "a\r\nb\r\n"};
    assert_int_equal(ob_chat_hash("a\nb", 3, one, NULL), OB_OK);
    for (size_t i = 0; i < sizeof SAME / sizeof *SAME; i++) {
        assert_int_equal(ob_chat_hash(SAME[i], strlen(SAME[i]), other, NULL), OB_OK);
        assert_string_equal(one, other);
    }
    assert_int_equal(ob_chat_hash("a\nb\n\n", 5, other, NULL), OB_OK);
    assert_string_not_equal(one, other);
    assert_int_equal(ob_chat_hash("", 0, other, NULL), OB_OK);
}

/* ---- rows ---- */

struct seen {
    struct ob_row_report reports[8];
    char why[8][256];
    size_t count;
};

static void note(void *context, const struct ob_row_report *report) {
    struct seen *seen = context;
    assert_in_range(seen->count, 0, 7);
    seen->reports[seen->count] = *report;
    (void)snprintf(seen->why[seen->count++], 256, "%s", report->why != NULL ? report->why : "");
}

static struct ob_corpus *open_rows(const char *rows, size_t length_max, struct seen *seen) {
    struct ob_corpus *corpus = NULL;
    struct ob_error error = {0};
    struct ob_corpus_options options = {.length_max = length_max,
                                        .model = folder,
                                        .chat_template = "chatml",
                                        .report = seen != NULL ? note : NULL,
                                        .context = seen};
    write_text(rows_path, rows);
    if (ob_corpus_open(rows_path, tokenizer, &options, &corpus, &error) != OB_OK)
        fail_msg("%s", error.text);
    return corpus;
}

#define MESSAGE(role, content) "{\"role\": \"" role "\", \"content\": \"" content "\"}"
#define ROW(messages)          "{\"messages\": [" messages "]}\n"

/* The targets of the only row, as text. */
static void expect_targets(const char *row, size_t length_max, const char *expected) {
    struct ob_corpus *corpus = open_rows(row, length_max, NULL);
    struct ob_batch *batch = NULL;
    int32_t targets[64];
    size_t count = 0, bytes = 0;
    char *text = NULL;
    assert_int_equal(ob_batch_new(1, 64, &batch, NULL), OB_OK);
    assert_true(ob_corpus_add(corpus, 0, batch));
    for (size_t i = 0; i < batch->tokens_used; i++)
        if (batch->loss_mask[i])
            targets[count++] = batch->tokens[i];
    assert_int_equal(ob_corpus_targets(corpus), count);
    assert_int_equal(ob_tokenizer_decode(tokenizer, targets, count, false, &text, &bytes, NULL), OB_OK);
    assert_string_equal(text, expected);
    free(text);
    ob_batch_free(batch);
    ob_corpus_free(corpus);
}

static void rows_train_on_answers(void **state) {
    (void)state;
    expect_targets(ROW(MESSAGE("user", "Hi") ", " MESSAGE("assistant", "Yes?")), 64, "Yes?<|im_end|>");
    expect_targets(ROW(MESSAGE("user", "a") "," MESSAGE("assistant", "b") "," MESSAGE(
                       "user", "c") "," MESSAGE("assistant", "") "," MESSAGE("assistant", "d")),
                   64, "b<|im_end|>d<|im_end|>");
    expect_targets(ROW(MESSAGE("user", "a") "," MESSAGE("assistant", "b<|im_end|>")), 64,
                   "b<|im_end|><|im_end|>");                              /* the first one is text */
    expect_targets(ROW(MESSAGE("assistant", "0123456789")), 12, "01234"); /* the header has 7 tokens */
}

static void rows_are_reported(void **state) {
    (void)state;
    struct seen seen = {0};
    struct ob_corpus *corpus =
        open_rows(ROW(MESSAGE("user", "a") "," MESSAGE("assistant", "b")) ROW(MESSAGE("user", "a"))
                      ROW(MESSAGE("user", "0123456789012345678901234567890123") "," MESSAGE("assistant", "b"))
                          ROW(MESSAGE("assistant", "0123456789012345678901234567890123"))
                              ROW(MESSAGE("tool", "a")) "{\"text\": \"both may be\"}\n",
                  32, &seen);
    static const enum ob_row_fate FATES[] = {OB_ROW_KEPT, OB_ROW_SKIPPED, OB_ROW_SKIPPED,
                                             OB_ROW_CUT,  OB_ROW_BAD,     OB_ROW_KEPT};
    static const char *const WHY[] = {
        "",
        "no answer that is not empty",
        "no answer within length",
        "longer than length: the conversation loses its end",
        ":5: message 1 of \"messages\": role \"tool\" is not supported; use system, user or assistant",
        ""};
    assert_int_equal(seen.count, 6);
    for (size_t i = 0; i < seen.count; i++) {
        assert_int_equal(seen.reports[i].fate, FATES[i]);
        assert_non_null(strstr(seen.why[i], WHY[i]));
    }
    assert_int_equal(seen.reports[0].kind, OB_ROW_CHAT);
    assert_int_equal(ob_corpus_sequences(corpus), 3);
    ob_corpus_free(corpus);
}

static void rows_need_a_template_only_when_they_have_messages(void **state) {
    (void)state;
    struct ob_corpus *corpus = NULL;
    struct ob_error error = {0};
    struct ob_corpus_options options = {.length_max = 32, .model = folder};
    write_config(json_pack("{s:s}", "chat_template", "{{ messages }}"));
    write_text(rows_path, "{\"text\": \"plain\"}\n");
    assert_int_equal(ob_corpus_open(rows_path, tokenizer, &options, &corpus, &error), OB_OK);
    ob_corpus_free(corpus);
    corpus = NULL;
    write_text(rows_path, "{\"text\": \"plain\"}\n" ROW(MESSAGE("assistant", "a")));
    assert_int_equal(ob_corpus_open(rows_path, tokenizer, &options, &corpus, &error), OB_EUNSUPPORTED);
    assert_non_null(strstr(error.text, "rows.jsonl:2: "));
    assert_non_null(strstr(error.text, "unknown chat template"));
    options.model = NULL;
    assert_int_equal(ob_corpus_open(rows_path, tokenizer, &options, &corpus, &error), OB_EUNSUPPORTED);
    options.chat_template = "none";
    assert_int_equal(ob_corpus_open(rows_path, tokenizer, &options, &corpus, &error), OB_EUSAGE);
    assert_null(corpus);
}

static void rows_refuse_what_templates_would_add(void **state) {
    (void)state;
    static const struct {
        const char *row, *words;
    } BAD[] = {
        {"{\"tools\": [{}], \"messages\": [" MESSAGE("user", "a") "]}\n", "\"tools\" are not supported"},
        {ROW("{\"role\": \"assistant\", \"content\": \"\", \"tool_calls\": [{}]}"), "\"tool_calls\""},
        {ROW("{\"role\": \"assistant\", \"content\": \"a\", \"reasoning_content\": \"b\"}"),
         "\"reasoning_content\""},
        {ROW("{\"role\": \"assistant\", \"content\": [{\"type\": \"image\"}]}"),
         "content part of type \"image\""},
        {ROW(MESSAGE("user\\u0000", "a")), "is not supported; use system"},
        {"{\"messages\": {}}\n", "is not an array or is empty"},
    };
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        struct seen seen = {0};
        char rows[512];
        (void)snprintf(rows, sizeof rows, "%s%s", BAD[i].row, ROW(MESSAGE("assistant", "fine")));
        struct ob_corpus *corpus = open_rows(rows, 32, &seen);
        assert_int_equal(seen.reports[0].fate, OB_ROW_BAD);
        if (strstr(seen.why[0], BAD[i].words) == NULL)
            fail_msg("%s", seen.why[0]);
        ob_corpus_free(corpus);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(open_knows_a_template_word_for_word),
        cmocka_unit_test(open_reads_the_file_before_the_configuration),
        cmocka_unit_test(open_follows_the_name),
        cmocka_unit_test(hash_reads_line_ends_as_jinja_does),
        cmocka_unit_test(rows_train_on_answers),
        cmocka_unit_test(rows_are_reported),
        cmocka_unit_test(rows_need_a_template_only_when_they_have_messages),
        cmocka_unit_test(rows_refuse_what_templates_would_add),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
