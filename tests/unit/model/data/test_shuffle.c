/* The order in which rows are drawn. */
#include "tests/unit/model/data/corpus_fixture.h"

#include "model/data/shuffle.h"

static struct ob_corpus *open_numbered(int rows) {
    char text[1 << 14];
    size_t used = 0;
    for (int i = 0; i < rows; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "{\"text\": \"%c%c%c\"}\n", 'A' + i / 26,
                                 'A' + i % 26, 'b');
    return open_rows(text, 8);
}

/* Counts how often each row is in the batch. */
static void count_rows(const struct ob_batch *batch, int *seen) {
    for (size_t i = 0; i < batch->sequences; i++) {
        const int32_t *tokens = batch->tokens + batch->offsets[i];
        seen[(tokens[0] - 'A') * 26 + tokens[1] - 'A']++;
    }
}

static void draw_visits_all_once_an_epoch(void **state) {
    (void)state;
    enum { ROWS = 101 };
    struct ob_corpus *corpus = open_numbered(ROWS);
    struct ob_batch *batch = NULL;
    assert_int_equal(ob_batch_new(ROWS, 3 * ROWS, &batch, NULL), OB_OK);
    static const size_t SIZES[] = {1, 7, 8, 50, 100, 101, 1000};
    for (size_t size = 0; size < sizeof SIZES / sizeof *SIZES; size++) {
        uint64_t draw = 0;
        for (int epoch = 1; epoch <= 3; epoch++) {
            int seen[ROWS] = {0};
            size_t total = 0;
            while (total < ROWS) {
                ob_corpus_draw(corpus, 5, draw++, SIZES[size], batch);
                assert_in_range(batch->sequences, 1, SIZES[size]);
                assert_true(batch->sequences + 1 >= (SIZES[size] < ROWS ? SIZES[size] / 2 : ROWS));
                count_rows(batch, seen);
                total += batch->sequences;
            }
            for (int i = 0; i < ROWS; i++)
                assert_int_equal(seen[i], 1);
        }
    }
    ob_batch_free(batch);
    ob_corpus_free(corpus);
}

static void draw_is_a_function_of_seed_and_draw(void **state) {
    (void)state;
    struct ob_corpus *corpus = open_numbered(200);
    struct ob_batch *batch = NULL, *again = NULL;
    assert_int_equal(ob_batch_new(8, 64, &batch, NULL), OB_OK);
    assert_int_equal(ob_batch_new(8, 64, &again, NULL), OB_OK);
    int same = 0;
    for (uint64_t draw = 0; draw < 100; draw++) {
        ob_corpus_draw(corpus, 1, draw, 8, batch);
        ob_corpus_draw(corpus, 1, draw, 8, again);
        assert_memory_equal(batch->tokens, again->tokens, 24 * sizeof *batch->tokens);
        ob_corpus_draw(corpus, 2, draw, 8, again);
        same += memcmp(batch->tokens, again->tokens, 24 * sizeof *batch->tokens) == 0;
        ob_corpus_draw(corpus, 1, draw + 25, 8, again); /* the same place of the next epoch */
        same += memcmp(batch->tokens, again->tokens, 24 * sizeof *batch->tokens) == 0;
    }
    assert_int_equal(same, 0);
    ob_batch_free(batch);
    ob_batch_free(again);
    ob_corpus_free(corpus);
}

static void draw_stops_when_the_batch_is_full(void **state) {
    (void)state;
    struct ob_corpus *corpus = open_numbered(20);
    struct ob_batch *batch = NULL;
    assert_int_equal(ob_batch_new(8, 10, &batch, NULL), OB_OK);
    ob_corpus_draw(corpus, 1, 0, 8, batch);
    assert_int_equal(batch->sequences, 3);
    ob_batch_free(batch);
    ob_corpus_free(corpus);
}

/* What does not fit leaves no trace; what fits is what a mini-batch of its own has. */
static void draw_more_adds_all_or_nothing(void **state) {
    (void)state;
    struct ob_corpus *corpus = open_numbered(20);
    struct ob_batch *batch = NULL, *one = NULL;
    assert_int_equal(ob_batch_new(20, 100, &batch, NULL), OB_OK);
    assert_int_equal(ob_batch_new(8, 100, &one, NULL), OB_OK);
    assert_true(ob_corpus_draw_more(corpus, 1, 0, 3, batch));
    size_t sequences = batch->sequences, tokens = batch->tokens_used;
    assert_true(ob_corpus_draw_more(corpus, 1, 1, 3, batch));
    ob_corpus_draw(corpus, 1, 1, 3, one);
    assert_int_equal(batch->sequences, sequences + one->sequences);
    assert_memory_equal(batch->tokens + tokens, one->tokens, one->tokens_used * sizeof *one->tokens);
    ob_batch_free(one);
    assert_int_equal(ob_batch_new(8, tokens + 1, &one, NULL), OB_OK);
    assert_true(ob_corpus_draw_more(corpus, 1, 0, 3, one));
    assert_false(ob_corpus_draw_more(corpus, 1, 1, 3, one));
    assert_int_equal(one->sequences, sequences);
    assert_int_equal(one->tokens_used, tokens);
    assert_memory_equal(batch->tokens, one->tokens, tokens * sizeof *one->tokens);
    ob_batch_free(one);
    ob_batch_free(batch);
    ob_corpus_free(corpus);
}

static void walk_orders_are_even(void **state) {
    (void)state;
    enum { ITEMS = 7, EPOCHS = 7000 };
    int seen[ITEMS][ITEMS] = {0};
    for (uint64_t epoch = 0; epoch < EPOCHS; epoch++)
        for (uint64_t place = 0; place < ITEMS; place++)
            seen[place][ob_shuffle_item(ITEMS, 9, epoch, place)]++;
    for (int place = 0; place < ITEMS; place++)
        for (int item = 0; item < ITEMS; item++)
            assert_in_range(seen[place][item], 850, 1150); /* 1000 +- 5 sigma */
}

/* From the description in the header, computed apart. */
static void walk_golden(void **state) {
    (void)state;
    static const uint64_t GOLDEN[] = {437, 372, 129, 186, 390, 486, 537, 660, 220, 310};
    for (uint64_t place = 0; place < 10; place++)
        assert_int_equal(ob_shuffle_item(1000, 42, 3, place), GOLDEN[place]);
    assert_int_equal(ob_shuffle_item(1, 42, 3, 0), 0);
    static const uint8_t OWNER[32] = {3};
    assert_int_equal(ob_shuffle_seed(5, OWNER, sizeof OWNER), 2449071454138970269u); /* hashlib.blake2b */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(draw_visits_all_once_an_epoch),
        cmocka_unit_test(draw_is_a_function_of_seed_and_draw),
        cmocka_unit_test(draw_stops_when_the_batch_is_full),
        cmocka_unit_test(draw_more_adds_all_or_nothing),
        cmocka_unit_test(walk_orders_are_even),
        cmocka_unit_test(walk_golden),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
