/* A log that somebody has edited: row checks and SQLite's structure are right, what the rows say is not. What
 * is wrong is dropped by name, what is good is kept, and nothing is in the way of what is fetched again. */
#include "tests/unit/cmocka_all.h"

#include "tests/unit/store/store_fixture.h"

#define RECORDS 100
#define SAMPLES 4

static void fill(struct fixture *f) {
    make(f);
    struct ob_store *store = open_store(f);
    for (int i = 0; i < RECORDS; i++) {
        put_other(f, store, 0, SAMPLES); /* as if own: without a sync for each */
        put_other(f, store, 1, SAMPLES);
        put_other(f, store, 2, SAMPLES);
    }
    ob_store_close(store);
}

static bool is_named(const struct ob_store_rescue *rescue, const char *words) {
    for (size_t i = 0; i < rescue->count && i < OB_STORE_DROPPED_MAX; i++)
        if (strstr(rescue->dropped[i], words))
            return true;
    return false;
}

/* Opens it; chains end at these records. */
static struct ob_store *expect(struct fixture *f, const char *words, uint64_t own, uint64_t first,
                               uint64_t second) {
    struct ob_store *store = open_store(f);
    struct reading reading = {.fixture = f};
    const struct ob_store_rescue *rescue = ob_store_rescued(store);
    assert_true(rescue->happened);
    if (!is_named(rescue, words))
        fail_msg("\"%s\" is not in \"%s\"", words, rescue->dropped[0]);
    assert_false(ob_store_may_start_alone(store));
    assert_int_equal(ob_store_each(store, read_one, &reading, NULL), OB_OK);
    assert_int_equal(reading.next[0], own * SAMPLES);
    assert_int_equal(reading.next[1], first * SAMPLES);
    assert_int_equal(reading.next[2], second * SAMPLES);
    assert_int_equal(rescue->records, own + first + second);
    return store;
}

/* The chains are whole again after what was dropped is handed in anew, as from a peer. */
static void fetch_again(struct fixture *f, struct ob_store *store, int chain, uint64_t from) {
    struct chain *c = &f->chains[chain], whole = *c;
    begin_again(f, chain);
    for (uint64_t i = 0; i < RECORDS; i++) {
        struct ob_record record = next_record(f, chain, SAMPLES);
        if (i >= from)
            assert_int_equal(ob_store_other(store, &record, NULL), OB_OK);
    }
    assert_memory_equal(&c->head, &whole.head, sizeof c->head);
}

static void forged_record_is_dropped_by_name_and_fetched_again(void **state) {
    (void)state;
    static const enum forgery KINDS[] = {FORGE_BYTE, FORGE_LIVE, FORGE_SIGNATURE};
    static const uint64_t AT[] = {0, 1, 31, 50, RECORDS - 1};
    for (size_t k = 0; k < sizeof KINDS / sizeof *KINDS; k++)
        for (size_t a = 0; a < sizeof AT / sizeof *AT; a++) {
            struct fixture f;
            char words[64];
            fill(&f);
            forge(&f, 1, AT[a] * SAMPLES, KINDS[k]);
            (void)snprintf(words, sizeof words, "the record of sample %d is damaged", (int)AT[a] * SAMPLES);
            /* a row that has prev says itself that the one before is wrong; by then its signature was seen */
            struct ob_store *store = expect(&f, words, RECORDS, AT[a], RECORDS);
            fetch_again(&f, store, 1, AT[a]);
            assert_complete(&f, store);
            ob_store_close(store);
            store = open_store(&f);
            assert_false(ob_store_rescued(store)->happened);
            ob_store_close(store);
            remove_all(&f);
        }
}

/* Else it would be published as ours, or others' true one be taken for a second use of our key. */
static void forged_own_record_is_dropped_too(void **state) {
    (void)state;
    struct fixture f;
    fill(&f);
    forge(&f, 0, 40 * SAMPLES, FORGE_BYTE);
    struct ob_store *store = expect(&f, "the record of sample 160 is damaged", 40, RECORDS, RECORDS);
    fetch_again(&f, store, 0, 40);
    assert_complete(&f, store);
    ob_store_close(store);
    remove_all(&f);
}

static void orphaned_rows_are_in_nobodys_way(void **state) {
    (void)state;
    static const struct {
        const char *sql, *words;
        uint64_t first, second;
    } CASES[] = {
        {"DELETE FROM machine WHERE number = 3", "machine number 3", RECORDS, 0},
        {"DELETE FROM machine WHERE number = 2", "machine number 2", 0, RECORDS},
        {"UPDATE record SET machine = 77 WHERE machine = 3", "machine number 77", RECORDS, 0},
        {"UPDATE record SET machine = -5 WHERE machine = 3", "machine number -5", RECORDS, 0},
        {"UPDATE machine SET key = x'00' WHERE number = 3", "machine number 3", RECORDS, 0},
        {"INSERT INTO record SELECT machine, -4, data FROM record WHERE machine = 2 AND first = 0",
         "below sample 0", RECORDS, RECORDS},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct fixture f;
        fill(&f);
        execute(&f, CASES[i].sql);
        struct ob_store *store = expect(&f, CASES[i].words, RECORDS, CASES[i].first, CASES[i].second);
        for (int chain = 1; chain <= 2; chain++)
            fetch_again(&f, store, chain, chain == 1 ? CASES[i].first : CASES[i].second);
        put_other(&f, store, 3, SAMPLES); /* one more machine: its number is free */
        assert_complete(&f, store);
        ob_store_close(store);
        store = open_store(&f);
        assert_false(ob_store_rescued(store)->happened);
        ob_store_close(store);
        remove_all(&f);
    }
}

/* The row changes under a store that is open: no conclusion may be drawn from it. */
static void find_refuses_what_was_changed_under_it(void **state) {
    (void)state;
    struct fixture f;
    uint8_t data[OB_RECORD_BYTES_MAX];
    size_t bytes = 0;
    struct ob_error error = {0};
    fill(&f);
    struct ob_store *store = open_store(&f);
    struct ob_sample sample = {40 * SAMPLES + 1};
    assert_int_equal(ob_store_find(store, &f.chains[1].machine, sample, data, &bytes, NULL), OB_OK);
    forge(&f, 1, 40 * SAMPLES, FORGE_BYTE);
    assert_int_equal(ob_store_find(store, &f.chains[1].machine, sample, data, &bytes, &error), OB_EFORMAT);
    assert_non_null(strstr(error.text, "sample 160 was changed on the disk"));
    sample.index -= SAMPLES; /* the one before it is what it was */
    assert_int_equal(ob_store_find(store, &f.chains[1].machine, sample, data, &bytes, NULL), OB_OK);
    ob_store_close(store);
    remove_all(&f);
}

static void put_goodbye(struct fixture *f, struct ob_store *store, int chain) {
    uint8_t payload[8] = {1}, entry[OB_CONTROL_PLAIN_BYTES_MAX];
    const struct ob_machine_id *machine = &f->chains[chain].machine;
    struct ob_control control = {.kind = OB_CONTROL_GOODBYE,
                                 .payload_bytes = sizeof payload,
                                 .signer = *machine,
                                 .subject = *machine,
                                 .sequence = 7,
                                 .payload = payload};
    size_t bytes = ob_control_sign(&f->options.run, &control, f->chains[chain].secret, entry);
    assert_int_equal(ob_control_decode(entry, bytes, &control, NULL), OB_OK);
    assert_int_equal(ob_store_control(store, &control, entry, bytes, NULL), OB_OK);
}

static enum ob_err count_entry(void *context, const struct ob_store_entry *entry, struct ob_error *error) {
    (void)error;
    *(size_t *)context += entry->bytes > 0;
    return OB_OK;
}

static void control_entries_are_worth_their_signature_in_their_own_row(void **state) {
    (void)state;
    static const struct {
        const char *sql, *words;
    } CASES[] = {
        {"UPDATE control SET kind = 5 WHERE rowid_of = 1", "another entry's row"},
        {"UPDATE control SET signer = x'00' WHERE rowid_of = 1", "another entry's row"},
        {"UPDATE control SET data = CAST(substr(data, 1, 77) || x'05' || substr(data, 79) AS BLOB) WHERE "
         "rowid_of = 1",
         "its signature is not its signer's"},
        {"UPDATE control SET data = x'01' WHERE rowid_of = 1", "an entry of the control table is damaged"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct fixture f;
        char sql[256];
        size_t entries = 0;
        fill(&f);
        struct ob_store *store = open_store(&f);
        put_goodbye(&f, store, 1);
        put_goodbye(&f, store, 2);
        ob_store_close(store);
        const char *where = strstr(CASES[i].sql, "WHERE");
        (void)snprintf(sql, sizeof sql, "%.*s WHERE subject = (SELECT key FROM machine WHERE number = 2)",
                       (int)(where - CASES[i].sql), CASES[i].sql);
        execute(&f, sql);
        store = expect(&f, CASES[i].words, RECORDS, RECORDS, RECORDS);
        assert_int_equal(ob_store_each_entry(store, count_entry, &entries, NULL), OB_OK);
        assert_int_equal(entries, 1);
        put_goodbye(&f, store, 1);
        ob_store_close(store);
        remove_all(&f);
    }
}

/* A machine after another, also when reading brings in one that comes before it. */
static enum ob_err add_machine(void *context, const struct ob_machine_id *machine, struct ob_error *error) {
    struct reading *reading = context;
    struct fixture *f = reading->fixture;
    (void)error;
    for (int i = 0; i < CHAINS; i++)
        if (ob_machine_equal(&f->chains[i].machine, machine))
            reading->next[i]++;
    reading->records++;
    return OB_OK;
}

static void each_machine_is_seen_once(void **state) {
    (void)state;
    struct fixture f;
    fill(&f);
    struct ob_store *store = open_store(&f);
    struct reading reading = {.fixture = &f};
    assert_int_equal(ob_store_each_machine(store, add_machine, &reading, NULL), OB_OK);
    assert_int_equal(reading.records, 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(reading.next[i], 1);
    ob_store_close(store);
    remove_all(&f);
}

static int setup(void **state) {
    (void)state;
    return sodium_init() < 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forged_record_is_dropped_by_name_and_fetched_again),
        cmocka_unit_test(forged_own_record_is_dropped_too),
        cmocka_unit_test(find_refuses_what_was_changed_under_it),
        cmocka_unit_test(orphaned_rows_are_in_nobodys_way),
        cmocka_unit_test(control_entries_are_worth_their_signature_in_their_own_row),
        cmocka_unit_test(each_machine_is_seen_once),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
