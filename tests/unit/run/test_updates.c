#include "tests/unit/cmocka_all.h"

#include <string.h>

#include "run/updates.h"
#include "tests/support/random.h"

#define RECORDS 5000

/* Record number i; its bytes stay valid until the next call. */
static struct ob_record record_of(uint64_t i, uint8_t bytes[OB_SAMPLES_PER_ROUND_MAX]) {
    struct test_random random = {i};
    uint16_t n = (uint16_t)(1 + test_random_below(&random, 300));
    test_random_fill(&random, bytes, n);
    return (struct ob_record){.machine = {{(uint8_t)(i % 7)}},
                              .first = {i * 1000},
                              .round = {(uint32_t)i},
                              .live = (uint16_t)(1 + i % 9),
                              .n = n,
                              .exponent = (int8_t)(i % 5) - 2,
                              .bytes = bytes};
}

/* Their bytes moved many times while they grew. */
static void copies_outlive_what_they_were_made_of(void **state) {
    (void)state;
    struct ob_updates updates = {0};
    uint8_t bytes[OB_SAMPLES_PER_ROUND_MAX];
    for (uint64_t i = 0; i < RECORDS; i++) {
        struct ob_record record = record_of(i, bytes);
        assert_int_equal(ob_updates_add(&updates, &record, NULL), OB_OK);
    }
    assert_int_equal(updates.count, RECORDS);
    for (uint64_t i = 0; i < RECORDS; i++) {
        struct ob_record record = record_of(i, bytes);
        struct ob_spsa_update expected = ob_update_of(&record), *found = &updates.items[i];
        assert_memory_equal(found->machine.key, expected.machine.key, OB_KEY_BYTES);
        assert_true(found->first.index == expected.first.index && found->round.index == expected.round.index);
        assert_true(found->live == expected.live && found->n == expected.n);
        assert_int_equal(found->exponent, expected.exponent);
        assert_memory_equal(found->bytes, record.bytes, record.n);
    }
    assert_true(ob_updates_many(&updates));
    size_t capacity = updates.capacity;
    ob_updates_clear(&updates);
    assert_int_equal(updates.count, 0);
    assert_int_equal(updates.capacity, capacity);
    assert_false(ob_updates_many(&updates));
    ob_updates_done(&updates);
}

static void add_keeps_to_its_limit(void **state) {
    (void)state;
    struct ob_updates updates = {.bytes_max = 10000};
    uint8_t bytes[OB_SAMPLES_PER_ROUND_MAX];
    struct ob_error error = {0};
    enum ob_err failed = OB_OK;
    while (!failed && updates.count < 1000) {
        struct ob_record record = record_of(updates.count, bytes);
        failed = ob_updates_add(&updates, &record, &error);
    }
    assert_int_equal(failed, OB_ETOOBIG);
    assert_true(updates.count > 0 && updates.used + updates.count * sizeof *updates.items <= 10000);
    struct ob_record first = record_of(0, bytes); /* what is there stays */
    assert_memory_equal(updates.items[0].bytes, first.bytes, first.n);
    ob_updates_done(&updates);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copies_outlive_what_they_were_made_of),
        cmocka_unit_test(add_keeps_to_its_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
