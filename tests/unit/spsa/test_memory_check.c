/* Sums that replay carries along, and replay of single leaves in scratch. */
#include "tests/unit/cmocka_all.h"

#include <stdlib.h>
#include <string.h>

#include "spsa/memory_check.h"
#include "tests/unit/spsa/fixture.h"

#define LEAVES 7
static const struct ob_spsa_tensor LAYOUT[] = {{1, 26, 3},
                                               {OB_SPSA_LEAF_ELEMENTS, 20, 0},
                                               {2 * OB_SPSA_LEAF_ELEMENTS + 777, 24, 2},
                                               {511, 26, -1},
                                               {9, 22, 0}};
#define TENSORS (sizeof LAYOUT / sizeof LAYOUT[0])

/* Several leaves, one of them whole, others with a last byte and a last block that are not. */
static struct ob_spsa_weights *several_leaves(uint64_t seed) {
    struct test_random random = {seed};
    struct ob_spsa_weights *weights = NULL;
    assert_int_equal(ob_spsa_weights_new(LAYOUT, TENSORS, &weights, NULL), OB_OK);
    for (size_t t = 0; t < TENSORS; t++)
        for (uint64_t i = 0; i < LAYOUT[t].elements; i++)
            weights->values[t][i] = (int32_t)test_random_next(&random) >> 4;
    return weights;
}

static void leaves_cover_each_element_once(void **state) {
    (void)state;
    uint64_t elements[TENSORS] = {0};
    struct ob_spsa_leaf leaf = ob_spsa_leaf_first(LAYOUT);
    size_t index = 0;
    do {
        struct ob_spsa_leaf at = ob_spsa_leaf_at(LAYOUT, TENSORS, index++);
        assert_true(at.tensor == leaf.tensor && at.number == leaf.number && at.first == leaf.first &&
                    at.count == leaf.count);
        assert_int_equal(leaf.first, elements[leaf.tensor]);
        assert_int_equal(leaf.first, leaf.number * OB_SPSA_LEAF_ELEMENTS);
        elements[leaf.tensor] += leaf.count;
    } while (ob_spsa_leaf_next(LAYOUT, TENSORS, &leaf, &leaf));
    assert_int_equal(index, LEAVES);
    assert_int_equal(ob_spsa_leaf_count(LAYOUT, TENSORS), LEAVES);
    for (size_t t = 0; t < TENSORS; t++)
        assert_int_equal(elements[t], LAYOUT[t].elements);
}

static void sums_follow_apply_and_unapply(void **state) {
    struct fixture *f = fixture_new(21);
    f->rule.distribution = fixture_distribution(state);
    for (size_t isa = 0; ob_spsa_engine_name_at(isa); isa++) {
        if (!ob_spsa_engine_with(isa, NULL).kernels)
            continue;
        struct ob_spsa_engine engine = ob_spsa_engine_with(isa, NULL);
        struct ob_spsa_weights *weights = several_leaves(22);
        bool wrong[LEAVES];
        assert_int_equal(ob_spsa_memory_check_start(&engine, weights, NULL), OB_OK);
        uint32_t before = ob_spsa_checksum(&engine, weights), sum = 0;
        uint32_t change = ob_spsa_checksum_change(&engine, weights, &f->rule, f->updates, 20);
        assert_int_equal(ob_spsa_apply(&engine, weights, &f->rule, f->updates, 20, NULL), OB_OK);
        assert_int_equal(ob_spsa_memory_check(&engine, weights, wrong), 0);
        for (size_t i = 0; i < LEAVES; i++)
            sum += weights->sums[i];
        assert_int_equal(sum, before + change); /* by another way */
        assert_int_not_equal(change, 0);
        assert_int_equal(ob_spsa_unapply(&engine, weights, &f->rule, f->updates + 3, 9, NULL), OB_OK);
        assert_int_equal(ob_spsa_memory_check(&engine, weights, wrong), 0);
        ob_spsa_weights_free(weights);
    }
    fixture_free(f);
}

/* Before, between and after updates: the prediction never looks at the weights again. */
static void any_flipped_bit_names_its_leaf(void **state) {
    struct fixture *f = fixture_new(23);
    f->rule.distribution = fixture_distribution(state);
    struct ob_pool *pool = NULL;
    assert_int_equal(ob_pool_new(2, &pool, NULL), OB_OK);
    struct ob_spsa_engine engine = ob_spsa_engine_best(pool);
    struct ob_spsa_weights *weights = several_leaves(24);
    bool wrong[LEAVES];
    assert_int_equal(ob_spsa_memory_check_start(&engine, weights, NULL), OB_OK);
    for (int bit = 0; bit < 32; bit++) {
        uint32_t *cell = (uint32_t *)&weights->values[2][2 * OB_SPSA_LEAF_ELEMENTS + 776 - bit];
        *cell ^= (uint32_t)1 << bit;
        assert_int_equal(ob_spsa_apply(&engine, weights, &f->rule, f->updates + bit, 1, NULL), OB_OK);
        assert_int_equal(ob_spsa_memory_check(&engine, weights, wrong), 1);
        assert_true(wrong[4]);
        assert_int_equal(ob_spsa_unapply(&engine, weights, &f->rule, f->updates + bit, 1, NULL), OB_OK);
        *cell ^= (uint32_t)1 << bit;
        assert_int_equal(ob_spsa_memory_check(&engine, weights, wrong), 0);
    }
    weights->values[0][0]++;
    weights->values[4][8]--; /* the sum over all is right, the leaves are not */
    assert_int_equal(ob_spsa_memory_check(&engine, weights, wrong), 2);
    assert_true(wrong[0] && wrong[6]);
    weights->values[4][9] ^= 1; /* padding: no part of the model */
    assert_int_equal(ob_spsa_memory_check(&engine, weights, wrong), 2);
    ob_spsa_weights_free(weights);
    ob_pool_free(pool);
    fixture_free(f);
}

/* Records taken out of copies of single leaves: what the whole weights were without them, bit for bit. */
static void pieces_in_scratch_are_the_weights_without_the_records(void **state) {
    struct fixture *f = fixture_new(25);
    f->rule.distribution = fixture_distribution(state);
    struct ob_spsa_engine engine = ob_spsa_engine_best(NULL);
    struct ob_spsa_weights *weights = several_leaves(26);
    static int32_t scratch[LEAVES][OB_SPSA_LEAF_ELEMENTS];
    struct ob_spsa_piece pieces[LEAVES];
    uint32_t sums[LEAVES] = {0};
    assert_int_equal(ob_spsa_apply(&engine, weights, &f->rule, f->updates, 30, NULL), OB_OK);
    struct ob_hash before, after, hashes[LEAVES];
    assert_int_equal(ob_spsa_digest(&engine, weights, &before, NULL), OB_OK);
    assert_int_equal(ob_spsa_apply(&engine, weights, &f->rule, f->updates + 30, 110, NULL), OB_OK);
    for (size_t i = 0; i < LEAVES; i++) {
        struct ob_spsa_leaf leaf = ob_spsa_leaf_at(LAYOUT, TENSORS, i);
        memcpy(scratch[i], weights->values[leaf.tensor] + leaf.first, leaf.count * sizeof(int32_t));
        pieces[i] = (struct ob_spsa_piece){.leaf = leaf, .values = scratch[i], .sum = &sums[i]};
        sums[i] = ob_spsa_sum(&engine, scratch[i], leaf.count);
    }
    /* some at a time, in another order */
    assert_int_equal(ob_spsa_replay_pieces(&engine, LAYOUT, &f->rule, f->updates + 30, 110, OB_SPSA_UNAPPLY,
                                           pieces + 3, 4, NULL),
                     OB_OK);
    assert_int_equal(ob_spsa_replay_pieces(&engine, LAYOUT, &f->rule, f->updates + 30, 110, OB_SPSA_UNAPPLY,
                                           pieces, 3, NULL),
                     OB_OK);
    for (size_t i = 0; i < LEAVES; i++) {
        hashes[i] = ob_spsa_leaf_hash(&pieces[i].leaf, scratch[i]);
        assert_int_equal(sums[i], ob_spsa_sum(&engine, scratch[i], pieces[i].leaf.count));
    }
    struct ob_hash root = ob_spsa_root_hash(LAYOUT, TENSORS, hashes);
    assert_true(ob_hash_equal(&root, &before));
    assert_int_equal(ob_spsa_digest(&engine, weights, &after, NULL), OB_OK);
    assert_false(ob_hash_equal(&after, &before)); /* and the weights themselves stayed */
    ob_spsa_weights_free(weights);
    fixture_free(f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(leaves_cover_each_element_once),
        cmocka_unit_test(sums_follow_apply_and_unapply),
        GAUSSIAN_CASE(sums_follow_apply_and_unapply),
        cmocka_unit_test(any_flipped_bit_names_its_leaf),
        GAUSSIAN_CASE(any_flipped_bit_names_its_leaf),
        cmocka_unit_test(pieces_in_scratch_are_the_weights_without_the_records),
        GAUSSIAN_CASE(pieces_in_scratch_are_the_weights_without_the_records),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
