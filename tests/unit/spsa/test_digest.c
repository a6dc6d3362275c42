#include "tests/unit/cmocka_all.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/spsa/fixture.h"

static void digest_does_not_depend_on_threads_and_sees_every_bit(void **state) {
    (void)state;
    struct fixture *f = fixture_new(6);
    struct ob_pool *pool = NULL;
    struct ob_hash one, two;
    assert_int_equal(ob_pool_new(3, &pool, NULL), OB_OK);
    struct ob_spsa_engine alone = ob_spsa_engine_best(NULL), many = ob_spsa_engine_best(pool);
    assert_int_equal(ob_spsa_digest(&alone, f->base, &one, NULL), OB_OK);
    assert_int_equal(ob_spsa_digest(&many, f->base, &two, NULL), OB_OK);
    assert_true(ob_hash_equal(&one, &two));
    f->base->values[2][39999] ^= 1;
    assert_int_equal(ob_spsa_digest(&many, f->base, &two, NULL), OB_OK);
    assert_false(ob_hash_equal(&one, &two));
    f->base->values[2][39999] ^= 1;
    f->base->values[2][40000] ^= 1; /* padding: no part of the model */
    assert_int_equal(ob_spsa_digest(&many, f->base, &two, NULL), OB_OK);
    assert_true(ob_hash_equal(&one, &two));
    ob_pool_free(pool);
    fixture_free(f);
}

static void checksum_change_predicts_the_checksum(void **state) {
    (void)state;
    struct fixture *f = fixture_new(7);
    for (size_t isa = 0; ob_spsa_engine_name_at(isa); isa++) {
        if (!ob_spsa_engine_with(isa, NULL).kernels)
            continue;
        struct ob_spsa_engine engine = ob_spsa_engine_with(isa, NULL);
        struct ob_spsa_weights *weights = fixture_copy(f);
        uint32_t before = ob_spsa_checksum(&engine, weights);
        uint32_t change = ob_spsa_checksum_change(&engine, weights, &f->rule, f->updates, 40);
        assert_int_equal(ob_spsa_apply(&engine, weights, &f->rule, f->updates, 40, NULL), OB_OK);
        assert_int_equal(ob_spsa_checksum(&engine, weights), before + change);
        weights->values[4][8999] ^= 1 << 20;
        assert_int_not_equal(ob_spsa_checksum(&engine, weights), before + change);
        ob_spsa_weights_free(weights);
    }
    fixture_free(f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(digest_does_not_depend_on_threads_and_sees_every_bit),
        cmocka_unit_test(checksum_change_predicts_the_checksum),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
