/* Invariants 1 and 2: any order, grouping, thread count and instruction set gives the same bits, and what was
 * applied can be taken back. */
#include "tests/unit/cmocka_all.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/spsa/fixture.h"

static void shuffle(struct ob_spsa_update *updates, size_t count, uint64_t seed) {
    struct test_random random = {seed};
    for (size_t i = count; i > 1; i--) {
        size_t j = (size_t)(test_random_next(&random) % i);
        struct ob_spsa_update held = updates[i - 1];
        updates[i - 1] = updates[j];
        updates[j] = held;
    }
}

/* The definition: one record at a time, reference kernels, one thread. */
static struct ob_spsa_weights *plain_replay(struct fixture *f) {
    struct ob_spsa_engine engine = ob_spsa_engine_with(0, NULL);
    struct ob_spsa_weights *weights = fixture_copy(f);
    for (size_t i = 0; i < FIXTURE_UPDATES; i++)
        assert_int_equal(ob_spsa_apply(&engine, weights, &f->rule, &f->updates[i], 1, NULL), OB_OK);
    return weights;
}

static void apply_in_groups(const struct ob_spsa_engine *engine, struct fixture *f,
                            struct ob_spsa_weights *weights, uint64_t seed) {
    struct test_random random = {seed};
    for (size_t at = 0; at < FIXTURE_UPDATES;) {
        size_t count = 1 + (size_t)(test_random_next(&random) % 100);
        if (count > FIXTURE_UPDATES - at)
            count = FIXTURE_UPDATES - at;
        assert_int_equal(ob_spsa_apply(engine, weights, &f->rule, f->updates + at, count, NULL), OB_OK);
        at += count;
    }
}

static void apply_any_order_grouping_threads_and_isa(void **state) {
    struct fixture *f = fixture_new(1);
    f->rule.distribution = fixture_distribution(state);
    struct ob_spsa_weights *expected = plain_replay(f);
    struct test_random random = {99};
    for (size_t isa = 0; ob_spsa_engine_name_at(isa); isa++) {
        if (!ob_spsa_engine_with(isa, NULL).kernels) {
            print_message("skipped: this processor has no %s\n", ob_spsa_engine_name_at(isa));
            continue;
        }
        for (unsigned threads = 1; threads <= 3; threads++) {
            struct ob_pool *pool = NULL;
            assert_int_equal(ob_pool_new(threads, &pool, NULL), OB_OK);
            struct ob_spsa_engine engine = ob_spsa_engine_with(isa, pool);
            struct ob_spsa_weights *weights = fixture_copy(f);
            shuffle(f->updates, FIXTURE_UPDATES, test_random_next(&random));
            apply_in_groups(&engine, f, weights, test_random_next(&random));
            assert_same_bits(weights, expected);
            ob_spsa_weights_free(weights);
            ob_pool_free(pool);
        }
    }
    ob_spsa_weights_free(expected);
    fixture_free(f);
}

static void unapply_one_machine_is_never_having_applied_it(void **state) {
    struct fixture *f = fixture_new(2);
    f->rule.distribution = fixture_distribution(state);
    struct ob_spsa_engine engine = ob_spsa_engine_best(NULL);
    struct ob_spsa_weights *all = fixture_copy(f), *without = fixture_copy(f);
    struct ob_spsa_update cut[FIXTURE_UPDATES], kept[FIXTURE_UPDATES];
    size_t cut_count = 0, kept_count = 0;
    for (size_t i = 0; i < FIXTURE_UPDATES; i++)
        if (f->updates[i].machine.key[0] == 2)
            cut[cut_count++] = f->updates[i];
        else
            kept[kept_count++] = f->updates[i];
    assert_int_equal(ob_spsa_apply(&engine, all, &f->rule, f->updates, FIXTURE_UPDATES, NULL), OB_OK);
    assert_int_equal(ob_spsa_unapply(&engine, all, &f->rule, cut, cut_count, NULL), OB_OK);
    assert_int_equal(ob_spsa_apply(&engine, without, &f->rule, kept, kept_count, NULL), OB_OK);
    assert_same_bits(all, without);
    assert_int_equal(ob_spsa_unapply(&engine, all, &f->rule, kept, kept_count, NULL), OB_OK);
    assert_same_bits(all, f->base);
    ob_spsa_weights_free(all);
    ob_spsa_weights_free(without);
    fixture_free(f);
}

static void apply_wraps_like_the_integers(void **state) {
    (void)state;
    const struct ob_spsa_tensor layout = {3, 26, 16};
    uint64_t rate = ((uint64_t)1 << 48) - 1;
    struct ob_spsa_rule rule = {
        .code = {0, 127}, .combine = OB_SPSA_SUM, .rounds_per_rate = 1, .rate_count = 1, .rates = &rate};
    uint8_t byte = 127;
    struct ob_spsa_update update = {.live = 1, .n = 1, .exponent = 40, .bytes = &byte};
    struct ob_spsa_engine engine = ob_spsa_engine_best(NULL);
    struct ob_spsa_weights *weights = NULL;
    assert_int_equal(ob_spsa_weights_new(&layout, 1, &weights, NULL), OB_OK);
    weights->values[0][0] = weights->values[0][1] = weights->values[0][2] = INT32_MAX - 5;
    for (int i = 0; i < 500; i++) {
        update.first.index = (uint64_t)i;
        assert_int_equal(ob_spsa_apply(&engine, weights, &rule, &update, 1, NULL), OB_OK);
    }
    assert_true(ob_spsa_weights_overrange(&engine, weights) >= -1);
    for (int i = 0; i < 500; i++) {
        update.first.index = (uint64_t)i;
        assert_int_equal(ob_spsa_unapply(&engine, weights, &rule, &update, 1, NULL), OB_OK);
    }
    for (int i = 0; i < 3; i++)
        assert_int_equal(weights->values[0][i], INT32_MAX - 5);
    ob_spsa_weights_free(weights);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(apply_any_order_grouping_threads_and_isa),
        GAUSSIAN_CASE(apply_any_order_grouping_threads_and_isa),
        cmocka_unit_test(unapply_one_machine_is_never_having_applied_it),
        GAUSSIAN_CASE(unapply_one_machine_is_never_having_applied_it),
        cmocka_unit_test(apply_wraps_like_the_integers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
