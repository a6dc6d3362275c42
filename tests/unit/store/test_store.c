#include "tests/unit/cmocka_all.h"

#include <sqlite3.h>

#include "tests/unit/store/store_fixture.h"

static void records_survive_and_come_in_chain_order(void **state) {
    (void)state;
    struct fixture f;
    make(&f);
    struct ob_store *store = open_store(&f);
    assert_true(ob_store_may_start_alone(store));
    put_other(&f, store, 1, 5);
    put_own(&f, store, 2);
    struct ob_record again = next_record(&f, 0, 3);
    assert_int_equal(ob_store_own(store, &again, NULL), OB_OK);
    assert_int_not_equal(ob_store_own(store, &again, NULL), OB_OK); /* one body for a sample, for ever */
    assert_complete(&f, store);
    ob_store_close(store);
    store = open_store(&f);
    assert_true(ob_store_may_start_alone(store));
    assert_complete(&f, store);
    struct ob_store_counts counts;
    assert_int_equal(ob_store_counts(store, &counts, NULL), OB_OK);
    assert_int_equal(counts.records, 3);
    assert_int_equal(counts.samples, 10);
    ob_store_close(store);
    remove_all(&f);
}

/* What a row does not keep is recomputed, from wherever reading starts, and after reopening. */
static void prev_is_recomputed_from_anywhere(void **state) {
    (void)state;
    struct fixture f;
    uint8_t data[OB_RECORD_BYTES_MAX];
    size_t bytes = 0;
    make(&f);
    struct ob_store *store = open_store(&f);
    for (int i = 0; i < 100; i++)
        put_other(&f, store, 1, (uint16_t)(1 + i % 7));
    ob_store_close(store);
    store = open_store(&f);
    for (int i = 0; i < 100; i++)
        put_other(&f, store, 1, 3);
    for (uint64_t sample = 0; sample < f.chains[1].next; sample++) {
        struct reading reading = {.fixture = &f};
        assert_int_equal(
            ob_store_from(store, &f.chains[1].machine, (struct ob_sample){sample}, read_one, &reading, NULL),
            OB_OK);
        assert_true(reading.first <= sample);
        assert_memory_equal(&reading.head[1], &f.chains[1].head, sizeof(struct ob_hash));
        assert_int_equal(
            ob_store_find(store, &f.chains[1].machine, (struct ob_sample){sample}, data, &bytes, NULL),
            OB_OK);
    }
    assert_int_equal(
        ob_store_find(store, &f.chains[1].machine, (struct ob_sample){f.chains[1].next}, data, &bytes, NULL),
        OB_ENOTFOUND);
    ob_store_close(store);
    remove_all(&f);
}

static void since_gives_the_late_rounds_of_every_machine(void **state) {
    (void)state;
    struct fixture f;
    make(&f);
    struct ob_store *store = open_store(&f);
    for (int i = 0; i < 50; i++)
        for (int chain = 0; chain < 3; chain++)
            put_other(&f, store, chain, 4);
    struct reading reading = {.fixture = &f}; /* rounds 0, 2, … 98 */
    assert_int_equal(ob_store_since(store, (struct ob_round){91}, read_one, &reading, NULL), OB_OK);
    assert_int_equal(reading.records, 3 * 4);
    assert_int_equal(reading.first, 46 * 4);
    reading = (struct reading){.fixture = &f};
    assert_int_equal(ob_store_since(store, (struct ob_round){0}, read_one, &reading, NULL), OB_OK);
    assert_int_equal(reading.records, 150);
    ob_store_close(store);
    remove_all(&f);
}

static void cut_of_our_own_records_is_remembered(void **state) {
    (void)state;
    struct fixture f;
    struct ob_sample next;
    make(&f);
    struct ob_store *store = open_store(&f);
    for (int i = 0; i < 5; i++)
        put_own(&f, store, 2);
    put_other(&f, store, 1, 2);
    assert_int_equal(ob_store_cut(store, &f.chains[1].machine, (struct ob_sample){0}, NULL), OB_OK);
    assert_int_equal(ob_store_signed(store, &next, NULL), OB_OK);
    assert_int_equal(next.index, 0);
    assert_int_equal(ob_store_cut(store, &f.chains[0].machine, (struct ob_sample){4}, NULL), OB_OK);
    assert_int_equal(ob_store_cut(store, &f.chains[0].machine, (struct ob_sample){2}, NULL), OB_OK);
    ob_store_close(store);
    store = open_store(&f);
    assert_int_equal(ob_store_signed(store, &next, NULL), OB_OK);
    assert_int_equal(next.index, 10);
    ob_store_close(store);
    remove_all(&f);
}

static void cut_forgets_and_the_chain_can_go_on(void **state) {
    (void)state;
    struct fixture f;
    make(&f);
    struct ob_store *store = open_store(&f);
    for (int i = 0; i < 10; i++)
        put_other(&f, store, 1, 2);
    struct chain kept = f.chains[1];
    for (int i = 0; i < 60; i++)
        put_other(&f, store, 1, 2);
    put_other(&f, store, 2, 9);
    assert_int_equal(ob_store_cut(store, &kept.machine, (struct ob_sample){kept.next}, NULL), OB_OK);
    f.chains[1] = kept;
    assert_complete(&f, store);
    struct ob_store_counts counts;
    assert_int_equal(ob_store_counts(store, &counts, NULL), OB_OK);
    assert_int_equal(counts.records, 11);
    assert_int_equal(counts.samples, 29);
    for (int i = 0; i < 40; i++)
        put_other(&f, store, 1, 3);
    ob_store_close(store);
    store = open_store(&f);
    assert_complete(&f, store);
    ob_store_close(store);
    remove_all(&f);
}

static void instance_rises_although_the_clock_was_set_back(void **state) {
    (void)state;
    struct fixture f;
    make(&f);
    uint64_t last = 0, now = 0;
    static const uint64_t CLOCKS[] = {1000, 2000, 500, 500, 3000};
    for (size_t i = 0; i < sizeof CLOCKS / sizeof *CLOCKS; i++, last = now) {
        struct ob_store *store = open_store(&f);
        assert_int_equal(ob_store_instance(store, CLOCKS[i], &now, NULL), OB_OK);
        assert_true(now > last && now >= CLOCKS[i] && now <= 3000);
        ob_store_close(store);
    }
    remove_all(&f);
}

static void another_run_machine_daemon_or_schema_is_refused(void **state) {
    (void)state;
    struct fixture f;
    struct ob_store *second = NULL;
    struct ob_error error = {0};
    make(&f);
    struct ob_store *store = open_store(&f);
    assert_int_equal(ob_store_open(&f.options, &second, &error), OB_EBUSY);
    assert_non_null(strstr(error.text, f.folder.path));
    ob_store_close(store);
    struct ob_store_options other = f.options;
    other.run.hash.bytes[0]++;
    assert_int_equal(ob_store_open(&other, &store, &error), OB_EMISMATCH);
    other = f.options;
    other.machine = &f.chains[1].machine;
    assert_int_equal(ob_store_open(&other, &store, &error), OB_EMISMATCH);
    execute(&f, "UPDATE meta SET value = '3' WHERE key = 'schema'");
    assert_int_equal(ob_store_open(&f.options, &store, &error), OB_EUNSUPPORTED);
    assert_non_null(strstr(error.text, "schema 3"));
    remove_all(&f);
}

/* At most 2.3 bytes a sample from 128 samples a round on, everything of SQLite included. */
static void log_at_rest_is_small(void **state) {
    (void)state;
    static const uint16_t SIZES[] = {1, 8, 128, 256, 1024};
    for (size_t s = 0; s < sizeof SIZES / sizeof *SIZES; s++) {
        struct fixture f;
        make(&f);
        f.options.bounds.samples_per_round = SIZES[s];
        struct ob_store *store = open_store(&f);
        struct ob_store_counts counts;
        for (int i = 0; i < 2000; i++)
            for (int chain = 0; chain < CHAINS; chain++)
                put_other(&f, store, chain, SIZES[s]);
        assert_complete(&f, store);
        assert_int_equal(ob_store_counts(store, &counts, NULL), OB_OK);
        double bytes = (double)counts.file_bytes / (double)counts.samples;
        print_message("%u samples a round: %.2f bytes a sample at rest\n", SIZES[s], bytes);
        assert_true(SIZES[s] < 128 || bytes <= 2.3);
        ob_store_close(store);
        remove_all(&f);
    }
}

static int setup(void **state) {
    (void)state;
    return sodium_init() < 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_survive_and_come_in_chain_order),
        cmocka_unit_test(prev_is_recomputed_from_anywhere),
        cmocka_unit_test(since_gives_the_late_rounds_of_every_machine),
        cmocka_unit_test(cut_forgets_and_the_chain_can_go_on),
        cmocka_unit_test(cut_of_our_own_records_is_remembered),
        cmocka_unit_test(instance_rises_although_the_clock_was_set_back),
        cmocka_unit_test(another_run_machine_daemon_or_schema_is_refused),
        cmocka_unit_test(log_at_rest_is_small),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
