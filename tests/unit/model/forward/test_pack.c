/* Which of a mini-batch's tokens go through the layers, and which row is which target's. */
#include <string.h>

#include "model/forward/pass.h"
#include "tests/unit/cmocka_all.h"

#define ROOM 64

static int32_t inputs[ROOM], targets[ROOM];
static uint32_t starts[ROOM], positions[ROOM], rows[ROOM], packed_of[ROOM], targets_of[ROOM];
static struct ob_forward forward = {.inputs = inputs,
                                    .targets = targets,
                                    .starts = starts,
                                    .positions = positions,
                                    .packed_of = packed_of,
                                    .targets_of = targets_of,
                                    .target_rows = rows};
static struct ob_batch *batch;
static struct ob_pass pass = {.forward = &forward};

static int setup(void **state) {
    (void)state;
    return ob_batch_new(8, ROOM, &batch, NULL) ? -1 : 0;
}

static int teardown(void **state) {
    (void)state;
    ob_batch_free(batch);
    return 0;
}

static void add(const int32_t *tokens, size_t count, size_t first_target) {
    assert_true(ob_batch_add(batch, tokens, count, first_target));
}

static void expect_inputs(const int32_t *expected, size_t count, size_t sequences) {
    assert_int_equal(pass.tokens, count);
    assert_memory_equal(inputs, expected, count * sizeof *expected);
    assert_int_equal(pass.sequences, sequences);
    assert_int_equal(starts[sequences], count);
}

static void expect_row(size_t row, uint32_t place, int32_t target) {
    assert_int_equal(rows[row], place);
    assert_int_equal(targets[row], target);
}

static void candidates_of_one_token_share_their_prompt(void **state) {
    (void)state;
    ob_batch_clear(batch);
    add((int32_t[]){5, 6, 7, 1}, 4, 3);
    add((int32_t[]){5, 6, 7, 2}, 4, 3);
    add((int32_t[]){8, 9, 1}, 3, 2);
    add((int32_t[]){8, 9, 2}, 3, 2);
    ob_pass_pack(&pass, batch);
    expect_inputs((int32_t[]){5, 6, 7, 8, 9}, 5, 2);
    assert_int_equal(pass.target_count, 4);
    expect_row(0, 2, 1);
    expect_row(1, 2, 2);
    expect_row(2, 4, 1);
    expect_row(3, 4, 2);
    assert_int_equal(positions[2], 2);
    assert_int_equal(positions[3], 0);
}

static void longer_candidates_share_only_what_is_a_beginning(void **state) {
    (void)state;
    ob_batch_clear(batch);
    add((int32_t[]){5, 6, 1, 3}, 4, 2); /* needs 5 6 1 */
    add((int32_t[]){5, 6, 2}, 3, 2);    /* 5 6: there */
    add((int32_t[]){5, 6, 2, 3}, 4, 2); /* 5 6 2: not there */
    ob_pass_pack(&pass, batch);
    expect_inputs((int32_t[]){5, 6, 1, 5, 6, 2}, 6, 2);
    assert_int_equal(pass.target_count, 5);
    expect_row(0, 1, 1);
    expect_row(1, 2, 3);
    expect_row(2, 1, 2);
    expect_row(3, 4, 2);
    expect_row(4, 5, 3);
}

static void what_no_target_needs_is_left_out(void **state) {
    (void)state;
    ob_batch_clear(batch);
    assert_true(ob_batch_add_marked(batch, (int32_t[]){1, 2, 3, 4, 5}, (uint8_t[]){0, 1, 0, 1, 0}, 5));
    assert_true(ob_batch_add_marked(batch, (int32_t[]){6, 7}, (uint8_t[]){1, 0}, 2)); /* no target at all */
    add((int32_t[]){6, 8}, 2, 1);
    ob_pass_pack(&pass, batch);
    expect_inputs((int32_t[]){1, 2, 3, 6}, 4, 2);
    assert_int_equal(pass.target_count, 3);
    expect_row(0, 0, 2);
    expect_row(1, 2, 4);
    expect_row(2, 3, 8);
}

static void logits_need_their_sequence_up_to_the_position(void **state) {
    (void)state;
    ob_batch_clear(batch);
    add((int32_t[]){1, 2, 3}, 3, 1);
    add((int32_t[]){4, 5, 6}, 3, 1);
    ob_pass_pack_until(&pass, batch, 4);
    expect_inputs((int32_t[]){4, 5}, 2, 1);
    assert_int_equal(pass.target_count, 1);
    assert_int_equal(rows[0], 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(candidates_of_one_token_share_their_prompt),
        cmocka_unit_test(longer_candidates_share_only_what_is_a_beginning),
        cmocka_unit_test(what_no_target_needs_is_left_out),
        cmocka_unit_test(logits_need_their_sequence_up_to_the_position),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
