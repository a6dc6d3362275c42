#include "tests/unit/model/data/corpus_fixture.h"

#include <sys/stat.h>

#include "base/limits.h"

/* Sequence i has this text, and its first target is this token. */
static void expect_sequence(const struct ob_corpus *corpus, size_t i, const char *text, size_t first_target) {
    struct ob_batch *batch = NULL;
    char *back = NULL;
    size_t bytes = 0;
    assert_int_equal(ob_batch_new(1, 64, &batch, NULL), OB_OK);
    assert_true(ob_corpus_add(corpus, i, batch));
    assert_int_equal(
        ob_tokenizer_decode(tokenizer, batch->tokens, batch->tokens_used, false, &back, &bytes, NULL), OB_OK);
    assert_string_equal(back, text);
    for (size_t p = 0; p < batch->tokens_used; p++)
        assert_int_equal(batch->loss_mask[p] != 0, p >= first_target);
    free(back);
    ob_batch_free(batch);
}

static void expect_refused(const char *rows, size_t bytes, enum ob_err code, const char *words) {
    struct ob_corpus *corpus = NULL;
    struct ob_error error = {0};
    write_rows(rows, bytes);
    struct ob_corpus_options options = {.length_max = 8};
    enum ob_err err = ob_corpus_open(path, tokenizer, &options, &corpus, &error);
    if (err != code || strncmp(error.text, path, strlen(path)) != 0 || strstr(error.text, words) == NULL)
        fail_msg("expected %s (%s), not %s: %s", ob_err_text(code), words, ob_err_text(err), error.text);
    assert_null(corpus);
    assert_int_equal(ob_corpus_open(path, tokenizer, &options, &corpus, NULL), code);
}

static void open_text_and_pairs(void **state) {
    (void)state;
    struct ob_corpus *corpus = open_rows("{\"text\": \"hello world\", \"id\": 7}\n"
                                         "\n  \t\r\n"
                                         "{\"prompt\": \"he\", \"completion\": \"llo\"}\r\n"
                                         "{\"text\": \"a\"}\n"
                                         "{\"text\": \"\"}\n"
                                         "{\"prompt\": \"he\", \"completion\": \"\"}\n"
                                         "{\"prompt\": \"\", \"completion\": \"ll\"}\n"
                                         "{\"prompt\": \"\", \"completion\": \"llo\"}\n"
                                         "{\"text\": \"x\\u0000y\"}",
                                         16);
    assert_int_equal(ob_corpus_sequences(corpus), 4);
    assert_int_equal(ob_corpus_skipped(corpus), 4);
    assert_int_equal(ob_corpus_tokens(corpus), 5 + 3 + 2 + 3);
    expect_sequence(corpus, 0, "hello world", 1);
    expect_sequence(corpus, 1, "hello", 1); /* he, ll, o: prompt and completion are not merged */
    expect_sequence(corpus, 2, "llo", 1);
    struct ob_batch *batch = NULL;
    assert_int_equal(ob_batch_new(1, 8, &batch, NULL), OB_OK);
    assert_true(ob_corpus_add(corpus, 3, batch));
    static const int32_t WITH_NUL[] = {'x', 0, 'y'};
    assert_memory_equal(batch->tokens, WITH_NUL, sizeof WITH_NUL);
    assert_false(ob_corpus_add(corpus, 0, batch));
    ob_batch_free(batch);
    ob_corpus_free(corpus);
    ob_corpus_free(NULL);
}

static void open_cuts_long_rows(void **state) {
    (void)state;
    struct ob_corpus *corpus = open_rows("{\"text\": \"bcdfgijkm\"}\n"
                                         "{\"text\": \"bcdfgijkmn\"}\n"
                                         "{\"prompt\": \"bcdfg\", \"completion\": \"ij\"}\n"
                                         "{\"prompt\": \"bcdfg\", \"completion\": \"ijkmn\"}\n"
                                         "{\"prompt\": \"bc\", \"completion\": \"ij\"}\n"
                                         "{\"prompt\": \"\", \"completion\": \"ijkmn\"}\n",
                                         4);
    assert_int_equal(ob_corpus_sequences(corpus), 2 + 3 + 4);
    expect_sequence(corpus, 0, "bcdf", 1);
    expect_sequence(corpus, 1, "gijk", 1); /* the m that is left is dropped */
    expect_sequence(corpus, 4, "mn", 1);
    expect_sequence(corpus, 5, "fgij", 2);
    expect_sequence(corpus, 6, "gijk", 1);
    expect_sequence(corpus, 7, "bcij", 2);
    expect_sequence(corpus, 8, "ijk", 1);
    assert_int_equal(ob_corpus_skipped(corpus), 0);
    ob_corpus_free(corpus);
}

static void expect_marks(const struct ob_batch *batch, size_t sequence, const char *marks) {
    size_t first = batch->offsets[sequence], count = batch->offsets[sequence + 1] - first;
    assert_int_equal(count, strlen(marks));
    for (size_t i = 0; i < count; i++)
        assert_int_equal(batch->loss_mask[first + i], marks[i] == '+');
}

static void open_choices_are_groups(void **state) {
    (void)state;
    struct ob_corpus *corpus = open_rows(
        "{\"prompt\": \"bcdfg\", \"choices\": [\"i\", \"jk\", \"m\"], \"label\": 2}\n"
        "{\"prompt\": \"bcdfgijkmn\", \"choices\": [\"pq\", \"r\"], \"label\": 0}\n" /* loses b c d f */
        "{\"prompt\": \"b\", \"choices\": [\"\", \"r\"], \"label\": 0}\n"            /* no target */
        "{\"prompt\": \"\", \"choices\": [\"b\", \"cd\"], \"label\": 0}\n"           /* no target in b */
        "{\"prompt\": \"b\", \"choices\": [\"c\", \"bcdfgijk\"], \"label\": 0}\n"    /* no room */
        "{\"prompt\": \"\", \"choices\": [\"bc\", \"dfg\"], \"label\": 1}\n",
        8);
    assert_true(ob_corpus_has_choices(corpus));
    assert_int_equal(ob_corpus_items(corpus), 3);
    assert_int_equal(ob_corpus_sequences(corpus), 3 + 2 + 2);
    assert_int_equal(ob_corpus_skipped(corpus), 3);
    assert_int_equal(ob_corpus_item_sequences(corpus), 3);
    assert_int_equal(ob_corpus_item_tokens(corpus), 6 + 7 + 6);
    struct ob_batch *batch = NULL;
    assert_int_equal(ob_batch_new(6, 40, &batch, NULL), OB_OK);
    assert_true(ob_corpus_add(corpus, 0, batch));
    assert_true(ob_corpus_add(corpus, 1, batch));
    assert_false(ob_corpus_add(corpus, 1, batch)); /* half of it would fit */
    assert_int_equal(batch->sequences, 5);
    assert_int_equal(batch->groups, 2);
    assert_int_equal(batch->group_first[1], 3);
    assert_int_equal(batch->group_first[2], 5);
    assert_int_equal(batch->labels[0], 2);
    assert_int_equal(batch->labels[1], 0);
    expect_marks(batch, 0, "-----+");
    expect_marks(batch, 1, "-----++");
    expect_marks(batch, 3, "------++");
    expect_marks(batch, 4, "------+");
    assert_int_equal(batch->tokens[batch->offsets[3]], 'g');
    assert_int_equal(batch->tokens[batch->offsets[4]], 'g'); /* all candidates see the same prompt */
    ob_batch_clear(batch);
    assert_true(ob_corpus_add(corpus, 2, batch));
    expect_marks(batch, 0, "-+");
    expect_marks(batch, 1, "-++");
    ob_corpus_draw(corpus, 1, 0, 2, batch);
    assert_in_range(batch->groups, 1, 2);
    ob_batch_free(batch);
    ob_corpus_free(corpus);
}

static struct ob_row_report reports[8];
static size_t reports_count;

static void note_report(void *context, const struct ob_row_report *report) {
    assert_ptr_equal(context, reports);
    assert_in_range(reports_count, 0, 7);
    reports[reports_count] = *report;
    reports[reports_count++].why = NULL;
}

static void open_reports_on_each_row(void **state) {
    (void)state;
    static const char ROWS[] =
        "{\"text\": \"bcdfg\"}\n\n{\"text\": \"b\"}\n{\"text\": 7}\n"
        "{\"prompt\": \"bcd\", \"completion\": \"fg\"}\nnonsense\n{\"text\": \"bcd\"}\n";
    static const struct ob_row_report EXPECTED[] = {
        {1, OB_ROW_CUT, OB_ROW_TEXT, 5, 4, 0, 0, NULL}, {3, OB_ROW_SKIPPED, OB_ROW_TEXT, 1, 0, 0, 0, NULL},
        {4, OB_ROW_BAD, 0, 0, 0, 0, 0, NULL},           {5, OB_ROW_CUT, OB_ROW_PAIR, 5, 2, 0, 0, NULL},
        {6, OB_ROW_BAD, 0, 0, 0, 0, 0, NULL},           {7, OB_ROW_KEPT, OB_ROW_TEXT, 3, 2, 0, 0, NULL}};
    write_rows(ROWS, sizeof ROWS - 1);
    struct ob_corpus_options options = {.length_max = 4, .report = note_report, .context = reports};
    struct ob_corpus *corpus = NULL;
    reports_count = 0;
    assert_int_equal(ob_corpus_open(path, tokenizer, &options, &corpus, NULL), OB_OK);
    assert_int_equal(reports_count, sizeof EXPECTED / sizeof *EXPECTED);
    for (size_t i = 0; i < reports_count; i++) {
        assert_int_equal(reports[i].line, EXPECTED[i].line);
        assert_int_equal(reports[i].fate, EXPECTED[i].fate);
        assert_int_equal(reports[i].tokens, EXPECTED[i].tokens);
        assert_int_equal(reports[i].targets, EXPECTED[i].targets);
    }
    ob_corpus_free(corpus);
}

static void open_keeps_its_shard(void **state) {
    (void)state;
    static const char ROWS[] =
        "{\"text\": \"b0\"}\n\n{\"text\": \"b1\"}\n{\"text\": \"b2\"}\n{\"text\": \"b3\"}\n"
        "{\"text\": \"b4\"}\n";
    write_rows(ROWS, sizeof ROWS - 1);
    struct ob_corpus *corpus = NULL;
    struct ob_error error = {0};
    struct ob_corpus_options options = {.length_max = 4, .shard = 1, .shards = 3};
    assert_int_equal(ob_corpus_open(path, tokenizer, &options, &corpus, &error), OB_OK);
    assert_int_equal(ob_corpus_sequences(corpus), 2);
    expect_sequence(corpus, 0, "b1", 1);
    expect_sequence(corpus, 1, "b4", 1);
    ob_corpus_free(corpus);
    corpus = NULL;
    options = (struct ob_corpus_options){.length_max = 4, .shard = 6, .shards = 7};
    assert_int_equal(ob_corpus_open(path, tokenizer, &options, &corpus, &error), OB_EFORMAT);
    assert_non_null(strstr(error.text, "shard 6 of 7"));
    options.shard = 7;
    assert_int_equal(ob_corpus_open(path, tokenizer, &options, &corpus, &error), OB_EUSAGE);
    options = (struct ob_corpus_options){.length_max = 1};
    assert_int_equal(ob_corpus_open(path, tokenizer, &options, &corpus, &error), OB_EUSAGE);
    assert_null(corpus);
}

static void open_refuses_bad_rows(void **state) {
    (void)state;
    static const struct {
        const char *rows, *words;
    } BAD[] = {
        {"{\"text\": \"ab\"}\n\n{\"text\": ", ":3: column"},
        {"{\"text\": 7}\n", ":1: \"text\" is not a string"},
        {"{\"text\": null}\n", ":1: none of"},
        {"{\"txt\": \"ab\"}\n", ":1: none of"},
        {"{\"prompt\": \"ab\"}\n", ":1: \"prompt\" without \"completion\" or \"choices\""},
        {"{\"completion\": \"ab\"}\n", ":1: \"completion\" without \"prompt\""},
        {"{\"text\": \"ab\", \"prompt\": \"ab\"}\n", ":1: more than one of"},
        {"{\"prompt\": \"ab\", \"choices\": [\"a\", \"b\"]}\n", ":1: \"choices\" without \"label\""},
        {"{\"choices\": [\"a\", \"b\"], \"label\": 0}\n", ":1: \"choices\" without \"prompt\""},
        {"{\"prompt\": \"ab\", \"completion\": \"c\", \"choices\": [\"a\", \"b\"], \"label\": 0}\n",
         ":1: both \"completion\" and \"choices\""},
        {"{\"prompt\": \"ab\", \"choices\": [\"a\"], \"label\": 0}\n", ":1: fewer than two"},
        {"{\"prompt\": \"ab\", \"choices\": \"ab\", \"label\": 0}\n", ":1: \"choices\" is not an array"},
        {"{\"prompt\": \"ab\", \"choices\": [\"a\", 1], \"label\": 0}\n",
         ":1: one of \"choices\" is not a string"},
        {"{\"prompt\": \"ab\", \"choices\": [\"a\", \"b\"], \"label\": 2}\n",
         ":1: \"label\" is out of range"},
        {"{\"prompt\": \"ab\", \"choices\": [\"a\", \"b\"], \"label\": -1}\n",
         ":1: \"label\" is out of range"},
        {"{\"prompt\": \"ab\", \"choices\": [\"a\", \"b\"], \"label\": \"c\"}\n",
         ":1: \"label\" \"c\" is none"},
        {"{\"text\": \"ab\"}\n{\"prompt\": \"ab\", \"choices\": [\"a\", \"b\"], \"label\": 0}\n",
         ":2: a file cannot mix rows with"},
        {"{\"prompt\": \"ab\", \"choices\": [\"a\", \"b\"], \"label\": 0}\n{\"text\": \"ab\"}\n",
         ":2: a file cannot mix rows with"},
        {"{\"prompt\": \"ab\", \"choices\": [\"a\", \"b\"], \"label\": 1.0}\n", ":1: \"label\" is neither"},
        {"{\"prompt\": \"ab\", \"choices\": [\"a\", \"b\"], \"label\": 4294967296}\n",
         ":1: \"label\" is out of range"},
        {"{\"prompt\": \"ab\", \"choices\": [\"a\", \"b\"], \"label\": 99999999999999999999}\n",
         ":1: \"label\" is neither"},
        {"{\"messages\": []}\n", ":1: \"messages\" is not an array or is empty"},
        {"{\"messages\": [{\"role\": \"user\"}]}\n", ":1: message 1 of \"messages\""},
        {"{\"text\": \"ab\"}\n[\"text\"]\n", ":2: not a JSON object"},
        {"\"text\"\n", ":1: not a JSON object"},
        {"{\"text\": \"ab\"} {\"text\": \"ab\"}\n", ":1: column"},
        {"{\"text\": \"a\xff\"}\n", ":1: column"},
        {"{\"text\": \"\\ud800\"}\n", ":1: \"text\" contains half"},
        {"", "no usable row"},
        {"\n\n", "no usable row"},
        {"{\"text\": \"a\"}\n", "no usable row (1 skipped)"},
    };
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++)
        expect_refused(BAD[i].rows, strlen(BAD[i].rows), OB_EFORMAT, BAD[i].words);
    expect_refused("{\"text\": \"ab\"}\n\0\n", 17, OB_EFORMAT, ":2: column");
}

static void open_bounds_the_row(void **state) {
    (void)state;
    size_t bytes = OB_CORPUS_ROW_MAX + 16;
    char *rows = malloc(bytes);
    assert_non_null(rows);
    memset(rows, 'a', bytes);
    memcpy(rows, "{\"text\": \"b\"}\n{\"text\":\"", 23);
    memcpy(rows + 14 + OB_CORPUS_ROW_MAX - 2, "\"}\n", 2);
    struct ob_corpus_options options = {.length_max = 1024};
    struct ob_corpus *corpus = NULL;
    write_rows(rows, 14 + OB_CORPUS_ROW_MAX);
    assert_int_equal(ob_corpus_open(path, tokenizer, &options, &corpus, NULL), OB_OK);
    assert_int_equal(ob_corpus_tokens(corpus), (OB_CORPUS_ROW_MAX - 11 + 1) / 2);
    ob_corpus_free(corpus);
    memcpy(rows + 14 + OB_CORPUS_ROW_MAX - 2, "a\"}\n", 3);
    expect_refused(rows, 14 + OB_CORPUS_ROW_MAX + 1, OB_ETOOBIG, ":2: line is longer than");
    free(rows);
}

/* Who looks for problems hears of it as of any other bad row, and of the rows behind it. */
static void open_reports_a_row_beyond_the_bound(void **state) {
    (void)state;
    static const char BEFORE[] = "{\"text\": \"ab\"}\n", AFTER[] = "\n{\"text\": \"cd\"}\n";
    size_t middle = 3 * (size_t)OB_CORPUS_ROW_MAX, bytes = sizeof BEFORE - 1 + middle + sizeof AFTER - 1;
    char *rows = malloc(bytes);
    assert_non_null(rows);
    memcpy(rows, BEFORE, sizeof BEFORE - 1);
    memset(rows + sizeof BEFORE - 1, ' ', middle); /* blank, but too long to be passed over */
    memcpy(rows + bytes - (sizeof AFTER - 1), AFTER, sizeof AFTER - 1);
    write_rows(rows, bytes);
    free(rows);
    struct ob_corpus_options options = {.length_max = 4, .report = note_report, .context = reports};
    struct ob_corpus *corpus = NULL;
    reports_count = 0;
    assert_int_equal(ob_corpus_open(path, tokenizer, &options, &corpus, NULL), OB_OK);
    assert_int_equal(reports_count, 3);
    assert_int_equal(reports[1].fate, OB_ROW_BAD);
    assert_int_equal(reports[1].line, 2);
    assert_int_equal(reports[2].fate, OB_ROW_KEPT);
    assert_int_equal(reports[2].line, 3);
    ob_corpus_free(corpus);
    options.report = NULL;
    corpus = NULL;
    assert_int_equal(ob_corpus_open(path, tokenizer, &options, &corpus, NULL), OB_ETOOBIG);
    assert_null(corpus);
}

static void open_bounds_the_nesting(void **state) {
    (void)state;
    char rows[2 * 3000 + 64];
    size_t used = (size_t)snprintf(rows, sizeof rows, "{\"text\": \"ab\"}\n{\"more\": ");
    memset(rows + used, '[', 3000);
    memset(rows + used + 3000, ']', 3000);
    memcpy(rows + used + 6000, "}\n", 2);
    expect_refused(rows, used + 6002, OB_ETOOBIG, ":2: column");
}

static void open_missing_file_or_folder(void **state) {
    (void)state;
    struct ob_corpus_options options = {.length_max = 8};
    struct ob_corpus *corpus = NULL;
    struct ob_error error = {0};
    assert_int_equal(ob_corpus_open("/tmp/no/such", tokenizer, &options, &corpus, &error), OB_ENOTFOUND);
    assert_non_null(strstr(error.text, "/tmp/no/such"));
    assert_int_equal(ob_corpus_open("/tmp", tokenizer, &options, &corpus, &error), OB_EIO);
    assert_null(corpus);
}

static void open_names_the_row_that_cannot_be_encoded(void **state) {
    (void)state;
    json_t *root = fixture_json();
    json_t *pre = json_pack("{s:s, s:[{s:s, s:{s:s}, s:s}, {s:s, s:b}]}", "type", "Sequence", "pretokenizers",
                            "type", "Split", "pattern", "Regex", "(a|a|aa)*b", "behavior", "Isolated", "type",
                            "ByteLevel", "use_regex", 0);
    assert_int_equal(json_object_set_new(root, "pre_tokenizer", pre), 0);
    struct ob_tokenizer *slow = NULL;
    struct ob_error error = {0};
    assert_int_equal(fixture_parse(root, &slow, &error), OB_OK);
    char rows[256], text[100];
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = 0;
    (void)snprintf(rows, sizeof rows, "{\"text\": \"ab\"}\n{\"text\": \"%scb\"}\n", text);
    write_rows(rows, strlen(rows));
    struct ob_corpus_options options = {.length_max = 8};
    struct ob_corpus *corpus = NULL;
    assert_int_equal(ob_corpus_open(path, slow, &options, &corpus, &error), OB_ETOOBIG);
    assert_non_null(strstr(error.text, ":2: matching the tokenizer's pattern"));
    assert_null(corpus);
    ob_tokenizer_free(slow);
}

/* The vocabulary of the fixture ends with <|end|>. */
static void open_refuses_tokens_beyond_the_embedding(void **state) {
    (void)state;
    static const char ROWS[] = "{\"text\": \"ab\"}\n{\"text\": \"ab<|end|>\"}\n{\"text\": \"cd\"}\n"
                               "{\"prompt\": \"ab<|end|>\", \"completion\": \"c\"}\n";
    write_rows(ROWS, sizeof ROWS - 1);
    struct ob_corpus_options options = {.length_max = 8, .embedding_rows = END + 1};
    struct ob_corpus *corpus = NULL;
    struct ob_error error = {0};
    assert_int_equal(ob_corpus_open(path, tokenizer, &options, &corpus, &error), OB_OK);
    ob_corpus_free(corpus);
    corpus = NULL;
    options.embedding_rows = END;
    assert_int_equal(ob_corpus_open(path, tokenizer, &options, &corpus, &error), OB_EMISMATCH);
    assert_non_null(
        strstr(error.text, ":2: token 263 (\"<|end|>\") has no row in the model's embedding, which has 263"));
    assert_null(corpus);
    options.report = note_report;
    options.context = reports;
    reports_count = 0;
    assert_int_equal(ob_corpus_open(path, tokenizer, &options, &corpus, &error), OB_OK);
    assert_int_equal(reports_count, 4);
    assert_int_equal(reports[1].fate, OB_ROW_BAD);
    assert_int_equal(reports[3].fate, OB_ROW_BAD);
    assert_int_equal(ob_corpus_sequences(corpus), 2);
    ob_corpus_free(corpus);
}

/* Whatever the number of threads, the same rows in the same order, and the first bad one is the one that is named. */
static void open_in_many_threads_is_the_same(void **state) {
    (void)state;
    enum { ROWS = 4000, LENGTH = 40 };
    char *rows = malloc((size_t)ROWS * 64);
    size_t used = 0;
    for (int i = 0; i < ROWS; i++)
        used += (size_t)sprintf(rows + used, "{\"text\": \"hello world %d\"}\n", i);
    write_rows(rows, used);
    struct ob_pool *pool = NULL;
    struct ob_corpus *one = NULL, *many = NULL;
    struct ob_corpus_options options = {.length_max = LENGTH};
    assert_int_equal(ob_pool_new(4, &pool, NULL), OB_OK);
    assert_int_equal(ob_corpus_open(path, tokenizer, &options, &one, NULL), OB_OK);
    options.pool = pool;
    assert_int_equal(ob_corpus_open(path, tokenizer, &options, &many, NULL), OB_OK);
    assert_int_equal(ob_corpus_sequences(many), ROWS);
    struct ob_batch *left = NULL, *right = NULL;
    assert_int_equal(ob_batch_new(1, LENGTH, &left, NULL), OB_OK);
    assert_int_equal(ob_batch_new(1, LENGTH, &right, NULL), OB_OK);
    for (size_t i = 0; i < ROWS; i++) {
        ob_batch_clear(left);
        ob_batch_clear(right);
        assert_true(ob_corpus_add(one, i, left) && ob_corpus_add(many, i, right));
        assert_int_equal(left->tokens_used, right->tokens_used);
        assert_memory_equal(left->tokens, right->tokens, left->tokens_used * sizeof *left->tokens);
    }
    ob_corpus_free(one);
    ob_corpus_free(many);
    many = NULL;
    memcpy(rows + used / 2, "{{{{", 4);
    memcpy(rows + used - 8, "{{{{", 4);
    write_rows(rows, used);
    struct ob_error first = {0}, error = {0};
    options.pool = NULL;
    assert_int_equal(ob_corpus_open(path, tokenizer, &options, &many, &first), OB_EFORMAT);
    options.pool = pool;
    assert_int_equal(ob_corpus_open(path, tokenizer, &options, &many, &error), OB_EFORMAT);
    assert_string_equal(error.text, first.text);
    ob_batch_free(left);
    ob_batch_free(right);
    ob_pool_free(pool);
    free(rows);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(open_text_and_pairs),
        cmocka_unit_test(open_cuts_long_rows),
        cmocka_unit_test(open_choices_are_groups),
        cmocka_unit_test(open_reports_on_each_row),
        cmocka_unit_test(open_keeps_its_shard),
        cmocka_unit_test(open_refuses_bad_rows),
        cmocka_unit_test(open_bounds_the_row),
        cmocka_unit_test(open_reports_a_row_beyond_the_bound),
        cmocka_unit_test(open_bounds_the_nesting),
        cmocka_unit_test(open_missing_file_or_folder),
        cmocka_unit_test(open_names_the_row_that_cannot_be_encoded),
        cmocka_unit_test(open_refuses_tokens_beyond_the_embedding),
        cmocka_unit_test(open_in_many_threads_is_the_same),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
