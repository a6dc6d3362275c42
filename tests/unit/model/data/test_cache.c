/* Tokens that are kept for the next start: the same as those of the rows, or not used. */
#include "tests/unit/model/data/corpus_fixture.h"

#include "model/data/cache.h"
#include "tests/support/folder.h"

static struct test_folder folder;
static char cache[TEST_PATH_MAX];

static int cache_setup(void **state) {
    test_folder_make(&folder);
    test_folder_path(&folder, "rows.cache", cache);
    return setup(state);
}

static int cache_teardown(void **state) {
    test_folder_remove(&folder);
    return teardown(state);
}

static struct ob_corpus_options options_of(size_t length_max) {
    return (struct ob_corpus_options){.length_max = length_max, .cache = cache, .embedding_rows = END + 1};
}

static struct ob_corpus *open_cached(const struct ob_corpus_options *options, bool is_cached) {
    struct ob_corpus *corpus = NULL;
    struct ob_error error = {0};
    if (ob_corpus_open(path, tokenizer, options, &corpus, &error) != OB_OK)
        fail_msg("%s", error.text);
    if (ob_corpus_is_cached(corpus) != is_cached)
        fail_msg("cached: %d", !is_cached);
    return corpus;
}

static void expect_same(const struct ob_corpus *one, const struct ob_corpus *other) {
    struct ob_batch *left = NULL, *right = NULL;
    assert_int_equal(ob_corpus_items(one), ob_corpus_items(other));
    assert_int_equal(ob_corpus_skipped(one), ob_corpus_skipped(other));
    assert_int_equal(ob_corpus_item_tokens(one), ob_corpus_item_tokens(other));
    assert_int_equal(ob_corpus_item_sequences(one), ob_corpus_item_sequences(other));
    assert_int_equal(ob_batch_new(8, 64, &left, NULL), OB_OK);
    assert_int_equal(ob_batch_new(8, 64, &right, NULL), OB_OK);
    for (size_t i = 0; i < ob_corpus_items(one); i++) {
        ob_batch_clear(left);
        ob_batch_clear(right);
        assert_true(ob_corpus_add(one, i, left) && ob_corpus_add(other, i, right));
        assert_int_equal(left->tokens_used, right->tokens_used);
        assert_int_equal(left->groups, right->groups);
        assert_memory_equal(left->tokens, right->tokens, left->tokens_used * sizeof *left->tokens);
        assert_memory_equal(left->loss_mask, right->loss_mask, left->tokens_used);
        if (left->groups > 0)
            assert_int_equal(left->labels[0], right->labels[0]);
    }
    ob_batch_free(left);
    ob_batch_free(right);
}

static const char TEXTS[] =
    "{\"text\": \"hello world\"}\n{\"text\": \"a\"}\n{\"prompt\": \"he\", \"completion\": \"llo\"}\n";
static const char CHOICES[] = "{\"prompt\": \"b\", \"choices\": [\"c\", \"dfg\"], \"label\": 1}\n"
                              "{\"prompt\": \"bcd\", \"choices\": [\"c\", \"d\", \"fg\"], \"label\": 2}\n";

static void open_keeps_and_uses(void **state) {
    (void)state;
    static const char *const ROWS[] = {TEXTS, CHOICES};
    for (size_t i = 0; i < 2; i++) {
        struct ob_corpus_options options = options_of(8);
        write_rows(ROWS[i], strlen(ROWS[i]));
        struct ob_corpus *first = open_cached(&options, false), *second = open_cached(&options, true);
        assert_null(ob_corpus_cache_problem(first));
        assert_null(ob_corpus_cache_problem(second));
        expect_same(first, second);
        ob_corpus_free(first);
        ob_corpus_free(second);
    }
}

/* Whatever decides what becomes of a row. */
static void open_makes_a_stale_one_anew(void **state) {
    (void)state;
    struct ob_corpus_options options = options_of(8);
    write_rows(TEXTS, sizeof TEXTS - 1);
    ob_corpus_free(open_cached(&options, false));
    options.length_max = 7;
    ob_corpus_free(open_cached(&options, false));
    ob_corpus_free(open_cached(&options, true));
    options.shards = 2;
    ob_corpus_free(open_cached(&options, false));
    options.shard = 1;
    options.length_max = 8;
    write_rows(CHOICES, sizeof CHOICES - 1);
    ob_corpus_free(open_cached(&options, false));
    options.embedding_rows = 0;
    ob_corpus_free(open_cached(&options, false));
    ob_corpus_free(open_cached(&options, true));
    struct ob_tokenizer *ours = tokenizer;
    tokenizer = NULL;
    assert_int_equal(fixture_parse(fixture_json_without("z"), &tokenizer, NULL), OB_OK);
    ob_corpus_free(open_cached(&options, false));
    ob_tokenizer_free(tokenizer);
    tokenizer = ours;
}

static void open_uses_no_damaged_one(void **state) {
    (void)state;
    struct ob_corpus_options options = options_of(8);
    size_t bytes = 0;
    write_rows(CHOICES, sizeof CHOICES - 1);
    struct ob_corpus *right = open_cached(&options, false);
    char *good = test_file_read(cache, &bytes);
    for (long at = 0; at < (long)bytes; at += 3) {
        test_file_write(cache, good, bytes);
        test_file_flip(cache, at, 0x10);
        struct ob_corpus *corpus = open_cached(&options, false);
        if (at >= 40) /* before, it is another's */
            assert_non_null(strstr(ob_corpus_cache_problem(corpus), "damaged"));
        expect_same(right, corpus);
        ob_corpus_free(corpus);
        ob_corpus_free(open_cached(&options, true)); /* made anew */
    }
    for (size_t cut = 0; cut < bytes; cut += 7) {
        test_file_write(cache, good, cut);
        ob_corpus_free(open_cached(&options, false));
    }
    free(good);
    ob_corpus_free(right);
}

static void open_goes_on_without_room_for_it(void **state) {
    (void)state;
    struct ob_corpus_options options = options_of(8);
    options.cache = "/no/such/folder/rows.cache";
    write_rows(TEXTS, sizeof TEXTS - 1);
    struct ob_corpus *corpus = open_cached(&options, false);
    assert_non_null(strstr(ob_corpus_cache_problem(corpus), "/no/such/folder"));
    ob_corpus_free(corpus);
}

struct stop {
    int calls, last; /* false at the last one */
    uint64_t done, size;
};

static bool tell(void *context, const char *what, uint64_t done, uint64_t size) {
    struct stop *stop = context;
    assert_non_null(what);
    assert_true(done <= size);
    stop->done = done;
    stop->size = size;
    return ++stop->calls != stop->last;
}

static void open_ends_when_it_is_told_to(void **state) {
    (void)state;
    enum { BYTES = 6 << 20 };
    char *rows = malloc(BYTES);
    size_t used = 0;
    while (used + 64 < BYTES)
        used += (size_t)sprintf(rows + used, "{\"text\": \"hello world %zu\"}\n", used);
    write_rows(rows, used);
    free(rows);
    struct stop stop = {0};
    struct ob_progress_callback progress = {tell, &stop};
    struct ob_corpus_options options = options_of(8);
    options.progress = &progress;
    struct ob_corpus *corpus = open_cached(&options, false);
    assert_true(stop.calls > 3);
    assert_int_equal(stop.done, used);
    assert_int_equal(stop.size, used);
    ob_corpus_free(corpus);
    corpus = NULL;
    int all = stop.calls;
    test_remove(cache);
    for (int last = 1; last <= all; last += all / 3) {
        struct ob_error error = {0};
        stop = (struct stop){.last = last};
        assert_int_equal(ob_corpus_open(path, tokenizer, &options, &corpus, &error), OB_ESTATE);
        assert_non_null(strstr(error.text, "stopped while"));
        assert_int_equal(stop.calls, last);
        assert_null(corpus);
        assert_int_not_equal(access(cache, F_OK), 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(open_keeps_and_uses),          cmocka_unit_test(open_makes_a_stale_one_anew),
        cmocka_unit_test(open_uses_no_damaged_one),     cmocka_unit_test(open_goes_on_without_room_for_it),
        cmocka_unit_test(open_ends_when_it_is_told_to),
    };
    return cmocka_run_group_tests(tests, cache_setup, cache_teardown);
}
