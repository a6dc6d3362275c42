/* A log that somebody edits while it is open: which record is wrong, and what may be put in its place. */
#include "tests/unit/cmocka_all.h"

#include "tests/unit/store/store_fixture.h"

#define RECORDS 100
#define SAMPLES 4

/* The records of chain 1 as they are, with storage of their own. */
struct truth {
    struct ob_record records[RECORDS];
    uint8_t bytes[RECORDS][SAMPLES], signatures[RECORDS][OB_RECORD_SIGNATURE_BYTES];
    struct ob_hash head;
};

static struct ob_store *fill(struct fixture *f, struct truth *truth) {
    make(f);
    struct ob_store *store = open_store(f);
    for (int i = 0; i < RECORDS; i++) {
        struct ob_record record = next_record(f, 1, SAMPLES);
        assert_int_equal(ob_store_other(store, &record, NULL), OB_OK);
        memcpy(truth->bytes[i], record.bytes, SAMPLES);
        memcpy(truth->signatures[i], record.signature, OB_RECORD_SIGNATURE_BYTES);
        record.bytes = truth->bytes[i];
        record.signature = truth->signatures[i];
        truth->records[i] = record;
    }
    truth->head = f->chains[1].head;
    assert_int_equal(ob_store_flush(store, NULL), OB_OK);
    return store;
}

static bool find_bad(struct fixture *f, struct ob_store *store, uint64_t from, uint64_t *ret_first) {
    struct ob_sample first = {0};
    bool bad = ob_store_find_bad(store, &f->chains[1].machine, (struct ob_sample){from},
                                 (struct ob_sample){RECORDS * SAMPLES}, RECORDS, &first);
    *ret_first = first.index;
    return bad;
}

/* What an editor may do to the record at `at`. */
enum edit { EDIT_BYTE, EDIT_SIGNATURE, EDIT_NOISE, EDIT_MOVED, EDIT_GONE, EDITS };

static void edit(struct fixture *f, enum edit what, uint64_t at) {
    static const char *const SQL[] = {
        [EDIT_NOISE] = "UPDATE record SET data = x'0102' WHERE first = ",
        [EDIT_MOVED] = "UPDATE record SET first = first + 1 WHERE first = ",
        [EDIT_GONE] = "DELETE FROM record WHERE first = ",
    };
    char sql[200];
    if (what == EDIT_BYTE || what == EDIT_SIGNATURE) {
        forge(f, 1, at, what == EDIT_BYTE ? FORGE_BYTE : FORGE_SIGNATURE);
        return;
    }
    (void)snprintf(sql, sizeof sql, "%s%llu", SQL[what], (unsigned long long)at);
    execute(f, sql);
}

static void edited_record_is_found_and_replaced_by_the_true_one(void **state) {
    (void)state;
    static struct truth truth;
    static const size_t AT[] = {0, 1, 31, 32, 50, RECORDS - 1};
    for (int what = 0; what < EDITS; what++)
        for (size_t a = 0; a < sizeof AT / sizeof *AT; a++) {
            struct fixture f;
            struct ob_store *store = fill(&f, &truth);
            uint64_t first, place = AT[a] * SAMPLES;
            size_t mended = 0;
            assert_false(find_bad(&f, store, 0, &first));
            edit(&f, (enum edit)what, place);
            assert_true(find_bad(&f, store, place, &first));
            assert_int_equal(first, place);
            if (AT[a] > 0) { /* a later place is looked at from a row before it that is good */
                assert_true(find_bad(&f, store, place - 1, &first));
                assert_int_equal(first, place);
            }
            assert_int_equal(
                ob_store_mend(store, &truth.records[AT[a]], RECORDS - AT[a], &truth.head, &mended, NULL),
                OB_OK);
            assert_int_equal(mended, 1);
            assert_false(find_bad(&f, store, 0, &first));
            assert_complete(&f, store);
            ob_store_close(store);
            store = open_store(&f);
            assert_false(ob_store_rescued(store)->happened);
            assert_complete(&f, store);
            ob_store_close(store);
            remove_all(&f);
        }
}

static void several_wrong_records_in_a_row_are_replaced_at_once(void **state) {
    (void)state;
    static struct truth truth;
    struct fixture f;
    struct ob_store *store = fill(&f, &truth);
    uint64_t first;
    size_t mended = 0;
    for (uint64_t i = 40; i < 45; i++)
        edit(&f, i % 2 ? EDIT_GONE : EDIT_BYTE, i * SAMPLES);
    assert_true(find_bad(&f, store, 0, &first));
    assert_int_equal(first, 40 * SAMPLES);
    assert_int_equal(ob_store_mend(store, &truth.records[40], 20, &truth.head, &mended, NULL), OB_OK);
    assert_int_equal(mended, 5);
    assert_complete(&f, store);
    ob_store_close(store);
    remove_all(&f);
}

/* Signed by the same machine, but not of this chain: a fork, or records that stop before it can be told. */
static void what_does_not_lead_on_is_not_taken(void **state) {
    (void)state;
    static struct truth truth;
    struct fixture f;
    struct ob_store *store = fill(&f, &truth);
    struct ob_record other = truth.records[50];
    uint8_t bytes[SAMPLES], signature[OB_RECORD_SIGNATURE_BYTES];
    size_t mended = 7;
    uint64_t first;
    edit(&f, EDIT_BYTE, 50 * SAMPLES);
    memcpy(bytes, other.bytes, SAMPLES);
    bytes[0] ^= 1;
    other.bytes = bytes;
    ob_record_sign(&f.options.run, &other, f.chains[1].secret, signature);
    other.signature = signature;
    struct ob_record forked[] = {other, truth.records[51]},
                     unsigned_one[] = {truth.records[50], truth.records[51]};
    assert_int_equal(ob_store_mend(store, forked, 2, &truth.head, &mended, NULL), OB_EMISMATCH);
    assert_int_equal(ob_store_mend(store, forked, 1, &truth.head, &mended, NULL), OB_EMISMATCH);
    assert_int_equal(ob_store_mend(store, &truth.records[50], 1, &truth.head, &mended, NULL), OB_EMISMATCH);
    assert_int_equal(ob_store_mend(store, &truth.records[51], 2, &truth.head, &mended, NULL),
                     OB_EFORMAT); /* behind a wrong one */
    unsigned_one[0].signature = signature;
    assert_int_equal(ob_store_mend(store, unsigned_one, 2, &truth.head, &mended, NULL), OB_EMISMATCH);
    assert_int_equal(ob_store_mend(store, NULL, 0, &truth.head, &mended, NULL), OB_EMISMATCH);
    assert_int_equal(mended, 7);
    assert_true(find_bad(&f, store, 0, &first));
    assert_int_equal(first, 50 * SAMPLES);
    ob_store_close(store);
    remove_all(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(edited_record_is_found_and_replaced_by_the_true_one),
        cmocka_unit_test(several_wrong_records_in_a_row_are_replaced_at_once),
        cmocka_unit_test(what_does_not_lead_on_is_not_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
