#include "tests/unit/cmocka_all.h"

#include <sodium.h>
#include <string.h>

#include "store/row.h"
#include "tests/support/random.h"

static uint8_t bytes[OB_SAMPLES_PER_ROUND_MAX], signature[OB_RECORD_SIGNATURE_BYTES];

static struct ob_record record_with(uint64_t first, uint32_t round, uint16_t live, uint16_t n) {
    struct test_random random = {first + n};
    test_random_fill(&random, bytes, n);
    test_random_fill(&random, signature, sizeof signature);
    struct ob_record record = {.machine = {{5}},
                               .first = {first},
                               .round = {round},
                               .live = live,
                               .n = n,
                               .exponent = -3,
                               .profile = 1,
                               .bytes = bytes,
                               .signature = signature};
    if (first > 0)
        memset(record.prev.bytes, 8, OB_HASH_BYTES);
    return record;
}

static void decode_gives_back_what_was_encoded(void **state) {
    (void)state;
    static const struct {
        uint64_t first;
        uint32_t round;
        uint16_t live, n;
        bool with_prev;
    } ROWS[] = {{0, 0, 1, 1, false},
                {1, 63, 127, 1, false},
                {1, 64, 128, 8, true},
                {OB_SAMPLE_END - 1, UINT32_MAX, UINT16_MAX, OB_SAMPLES_PER_ROUND_MAX, true}};
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        uint8_t data[OB_STORE_ROW_BYTES_MAX];
        struct ob_record in = record_with(ROWS[i].first, ROWS[i].round, ROWS[i].live, ROWS[i].n);
        struct ob_store_row row;
        size_t size = ob_store_row_encode(&in, ROWS[i].with_prev, data);
        assert_int_equal(ob_store_row_decode(&in.machine, in.first, data, size, &row, NULL), OB_OK);
        assert_true(row.has_prev == ROWS[i].with_prev);
        assert_true(row.record.round.index == in.round.index && row.record.live == in.live &&
                    row.record.n == in.n && row.record.exponent == in.exponent &&
                    row.record.profile == in.profile);
        assert_memory_equal(row.record.bytes, bytes, in.n);
        assert_memory_equal(row.record.signature, signature, sizeof signature);
        if (row.has_prev)
            assert_memory_equal(&row.record.prev, &in.prev, OB_HASH_BYTES);
    }
}

/* The check covers the row's key as well: a row that was moved to another place is damage. */
static void decode_refuses_every_flipped_bit_and_every_other_place(void **state) {
    (void)state;
    uint8_t data[OB_STORE_ROW_BYTES_MAX];
    struct ob_record in = record_with(16, 9, 3, 4);
    struct ob_store_row row;
    size_t size = ob_store_row_encode(&in, true, data);
    for (size_t bit = 0; bit < 8 * size; bit++) {
        data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(ob_store_row_decode(&in.machine, in.first, data, size, &row, NULL), OB_EFORMAT);
        data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    for (size_t less = 1; less <= size; less++)
        assert_int_equal(ob_store_row_decode(&in.machine, in.first, data, size - less, &row, NULL),
                         OB_EFORMAT);
    struct ob_machine_id other = {{6}};
    assert_int_equal(ob_store_row_decode(&other, in.first, data, size, &row, NULL), OB_EFORMAT);
    assert_int_equal(ob_store_row_decode(&in.machine, (struct ob_sample){17}, data, size, &row, NULL),
                     OB_EFORMAT);
    assert_int_equal(ob_store_row_decode(&in.machine, in.first, data, size, &row, NULL), OB_OK);
}

static int set_up(void **state) {
    (void)state;
    return sodium_init() < 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decode_gives_back_what_was_encoded),
        cmocka_unit_test(decode_refuses_every_flipped_bit_and_every_other_place),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
