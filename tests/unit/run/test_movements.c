/* Movements: exact sums that do not depend on order, shares, and who stands out. */
#include "tests/unit/cmocka_all.h"

#include <math.h>

#include "run/movements.h"
#include "tests/support/random.h"

#define N 8

static const uint64_t RATES[] = {1ull << 30};
static const struct ob_spsa_rule RULE = {.code = {96, 127},
                                         .combine = OB_SPSA_CAPPED,
                                         .s0 = 64,
                                         .rounds_per_rate = 1,
                                         .rate_count = 1,
                                         .rates = RATES};

static struct ob_record record_of(uint8_t machine, uint64_t first, int8_t exponent, const uint8_t *bytes) {
    return (struct ob_record){.machine = {{machine}},
                              .first = {first},
                              .round = {(uint32_t)(first / N)},
                              .live = 4,
                              .n = N,
                              .exponent = exponent,
                              .bytes = bytes};
}

static void honest(struct test_random *random, uint8_t bytes[N]) {
    for (size_t i = 0; i < N; i++)
        bytes[i] = (uint8_t)(64 + test_random_below(random, 40)); /* 2^-4 … 2^1 */
}

static void add(struct ob_movements *movements, const struct ob_record *record) {
    assert_int_equal(ob_movements_add(movements, record, NULL), OB_OK);
}

/* lr 2^-18, live · n below s0: 1.0 at code 96 is 2^-18, which is 2^46 in units of 2^-64. */
static void movement_is_rate_times_value(void **state) {
    (void)state;
    struct ob_movements movements = {.rule = &RULE};
    const uint8_t bytes[N] = {96, 0x80 | 96, 0, 0x80, 104, 88, 0, 0}; /* 1, 1, 0, abstain, 2, 1/2 */
    struct ob_record record = record_of(1, 0, 0, bytes), louder = record_of(2, 0, 3, bytes);
    add(&movements, &record);
    add(&movements, &louder);
    unsigned __int128 one = (unsigned __int128)1 << 46;
    assert_true(ob_movements_of(&movements, &record.machine)->sum == 4 * one + one / 2);
    assert_true(ob_movements_of(&movements, &louder.machine)->sum == 8 * (4 * one + one / 2));
    double share = ob_movements_share(&movements, ob_movements_of(&movements, &louder.machine));
    assert_true(fabs(share - 8.0 / 9.0) < 1e-12);
    assert_null(ob_movements_of(&movements, &(struct ob_machine_id){{3}}));
    ob_movements_done(&movements);
}

/* The largest code, the largest exponent, the largest rate: a sum, not an overflow that looks small. */
static void movement_has_an_upper_end(void **state) {
    (void)state;
    static const uint64_t MOST[] = {(1ull << 48) - 1};
    struct ob_spsa_rule rule = RULE;
    rule.rates = MOST;
    rule.code.c0 = -1024;
    struct ob_movements movements = {.rule = &rule};
    const uint8_t bytes[N] = {127, 127, 127, 127, 127, 127, 127, 127};
    struct ob_record record = record_of(1, 0, 40, bytes);
    add(&movements, &record);
    assert_true(ob_movements_of(&movements, &record.machine)->sum == (unsigned __int128)N << (64 + 48));
    rule.code.c0 = 1024;
    struct ob_record quiet = record_of(2, 0, -40, bytes);
    add(&movements, &quiet);
    assert_true(ob_movements_of(&movements, &quiet.machine)->sum == 0);
    ob_movements_done(&movements);
}

static void sums_do_not_depend_on_order_and_are_taken_back_exactly(void **state) {
    (void)state;
    struct test_random random = {7};
    struct ob_movements one = {.rule = &RULE}, other = {.rule = &RULE};
    uint8_t bytes[20][N];
    struct ob_record records[20];
    for (size_t i = 0; i < 20; i++) {
        honest(&random, bytes[i]);
        records[i] = record_of((uint8_t)(i % 3 + 1), i / 3 * N, (int8_t)((int)(i % 5) - 2), bytes[i]);
        add(&one, &records[i]);
    }
    for (size_t machine = 3; machine > 0; machine--)
        for (size_t i = machine - 1; i < 20; i += 3)
            add(&other, &records[i]);
    ob_movements_remove(&one, &records[19]);
    ob_movements_remove(&other, &records[19]);
    for (uint8_t machine = 1; machine <= 3; machine++) {
        const struct ob_machine_id id = {{machine}};
        assert_true(ob_movements_of(&one, &id)->sum == ob_movements_of(&other, &id)->sum);
        assert_int_equal(ob_movements_of(&one, &id)->samples, ob_movements_of(&other, &id)->samples);
    }
    ob_movements_done(&one);
    ob_movements_done(&other);
}

/* Three machines that train; what the first of them signs last is given. Returns whether it is called an outlier. */
static bool stands_out(struct ob_movements *movements, const uint8_t last[N], int8_t exponent) {
    struct test_random random = {11};
    uint8_t bytes[N];
    bool any = false;
    for (uint64_t round = 0; round < 100; round++)
        for (uint8_t machine = 1; machine <= 3; machine++) {
            honest(&random, bytes);
            struct ob_record record = record_of(machine, round * N, 0, bytes);
            add(movements, &record);
            any |= ob_movements_judge(movements, &record.machine);
        }
    assert_false(any);
    struct ob_record record = record_of(1, 100 * N, exponent, last);
    add(movements, &record);
    return ob_movements_judge(movements, &record.machine);
}

static void a_record_of_large_estimates_stands_out(void **state) {
    (void)state;
    const uint8_t usual[N] = {80, 90, 100, 90, 80, 70, 90, 100},
                  four[N] = {80, 70, 80, 90, 120, 120, 120, 120};
    struct ob_movements movements = {.rule = &RULE};
    assert_false(stands_out(&movements, usual, 0));
    ob_movements_done(&movements);
    movements.rule = &RULE;
    assert_true(stands_out(&movements, usual, 8));
    ob_movements_done(&movements);
    movements.rule = &RULE;
    assert_true(stands_out(&movements, four, 0));
    const struct ob_movement *m = ob_movements_of(&movements, &(struct ob_machine_id){{1}});
    assert_true(m->outlier && m->times >= OB_MOVEMENTS_OUTLIER);
    assert_int_equal(m->outlier_from, 100 * N + 4);
    struct ob_record again = record_of(1, 101 * N, 8, usual);
    add(&movements, &again);
    assert_false(ob_movements_judge(&movements, &again.machine)); /* it was before */
    assert_int_equal(m->outlier_from, 100 * N + 4);
    ob_movements_remove(&movements, &again);
    assert_true(m->outlier);
    struct ob_record first = record_of(1, 100 * N, 0, four);
    ob_movements_remove(&movements, &first); /* it was revoked from there */
    assert_false(m->outlier);
    ob_movements_done(&movements);
}

/* Eight directions of one row whose gradient is large are no sign of anything; sixteen rows of them in a row are. */
static void one_large_row_does_not_stand_out_where_samples_share_rows(void **state) {
    (void)state;
    const uint8_t row[N] = {112, 115, 110, 118, 113, 112, 116, 111}; /* 4 … 6.7, others 0.06 … 1.8 */
    struct ob_movements movements = {.rule = &RULE, .window = OB_MOVEMENTS_WINDOW_BASIS};
    assert_false(stands_out(&movements, row, 0));
    bool any = false;
    for (uint64_t i = 1; i < 32; i++) { /* windows begin where they did: a whole one is among so many */
        struct ob_record record = record_of(1, (100 + i) * N, 0, row);
        add(&movements, &record);
        any |= ob_movements_judge(&movements, &record.machine);
    }
    assert_true(any);
    ob_movements_done(&movements);
    movements = (struct ob_movements){.rule = &RULE};
    assert_true(stands_out(&movements, row, 0));
    ob_movements_done(&movements);
}

/* Nobody to hold it against. */
static void alone_nobody_stands_out(void **state) {
    (void)state;
    struct ob_movements movements = {.rule = &RULE};
    const uint8_t bytes[N] = {127, 127, 127, 127, 127, 127, 127, 127};
    for (uint64_t round = 0; round < 20; round++) {
        struct ob_record record = record_of(1, round * N, 16, bytes);
        add(&movements, &record);
        assert_false(ob_movements_judge(&movements, &record.machine));
    }
    ob_movements_done(&movements);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(movement_is_rate_times_value),
        cmocka_unit_test(movement_has_an_upper_end),
        cmocka_unit_test(sums_do_not_depend_on_order_and_are_taken_back_exactly),
        cmocka_unit_test(a_record_of_large_estimates_stands_out),
        cmocka_unit_test(one_large_row_does_not_stand_out_where_samples_share_rows),
        cmocka_unit_test(alone_nobody_stands_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
