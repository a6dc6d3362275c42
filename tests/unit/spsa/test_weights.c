#include "tests/unit/cmocka_all.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "spsa/kernels/gaussian.h"
#include "tests/unit/spsa/fixture.h"

static void exponent_for_known_magnitudes(void **state) {
    (void)state;
    assert_int_equal(ob_spsa_exponent_for(0.0f), 26);
    assert_int_equal(ob_spsa_exponent_for(1e-30f), 26);
    assert_int_equal(ob_spsa_exponent_for(4.0f), 26);  /* ceil(log2) = 2 */
    assert_int_equal(ob_spsa_exponent_for(4.01f), 25); /* ceil(log2) = 3 */
    assert_int_equal(ob_spsa_exponent_for(8.0f), 25);
    assert_int_equal(ob_spsa_exponent_for(1000.0f), 18);
    assert_int_equal(ob_spsa_exponent_for(0x1p-149f), 26);
    assert_int_equal(ob_spsa_exponent_for(0x1.fffffep127f),
                     OB_SPSA_EXPONENT_MIN < -100 ? -100 : OB_SPSA_EXPONENT_MIN);
}

static void set_rounds_half_to_even(void **state) {
    (void)state;
    const struct ob_spsa_tensor layout = {6, 2, 0}; /* unit 0.25 */
    const float base[6] = {0.125f, 0.375f, -0.125f, -0.375f, 0.3751f, -1e-40f};
    const int32_t expected[6] = {0, 2, 0, -2, 2, 0};
    struct ob_spsa_weights *weights = NULL;
    assert_int_equal(ob_spsa_weights_new(&layout, 1, &weights, NULL), OB_OK);
    assert_int_equal(ob_spsa_weights_set(weights, 0, 0, 6, base, NULL), OB_OK);
    assert_memory_equal(weights->values[0], expected, sizeof expected);
    ob_spsa_weights_free(weights);
}

static void set_error_is_at_most_half_a_unit(void **state) {
    (void)state;
    struct test_random random = {5};
    for (int32_t f = -10; f <= 26; f++) {
        const struct ob_spsa_tensor layout = {1, f, 0};
        struct ob_spsa_weights *weights = NULL;
        assert_int_equal(ob_spsa_weights_new(&layout, 1, &weights, NULL), OB_OK);
        for (int i = 0; i < 200; i++) {
            float base = (float)((2 * test_random_unit(&random) - 1.0) * exp2(28 - f));
            assert_int_equal(ob_spsa_weights_set(weights, 0, 0, 1, &base, NULL), OB_OK);
            assert_true(fabs((double)weights->values[0][0] * exp2(-f) - (double)base) <= exp2(-(f + 1)));
        }
        ob_spsa_weights_free(weights);
    }
}

static void set_refuses_what_is_not_a_weight(void **state) {
    (void)state;
    const struct ob_spsa_tensor layout = {3, 26, 0};
    struct ob_spsa_weights *weights = NULL;
    struct ob_error error = {0};
    const float nan_at_1[3] = {0.0f, NAN, 0.0f}, big[1] = {32.0f};
    assert_int_equal(ob_spsa_weights_new(&layout, 1, &weights, NULL), OB_OK);
    assert_int_equal(ob_spsa_weights_set(weights, 0, 0, 3, nan_at_1, &error), OB_ENOTFINITE);
    assert_non_null(strstr(error.text, "element 1"));
    assert_int_equal(ob_spsa_weights_set(weights, 0, 2, 1, big, &error), OB_ETOOBIG);
    ob_spsa_weights_free(weights);
}

/* Every slice, from every kernel table, is the definition's: m·2^-f ± ε·σ·z. */
static void read_pair_any_slice_and_isa(void **state) {
    struct fixture *f = fixture_new(3);
    f->base->distribution = fixture_distribution(state);
    bool gaussian = f->base->distribution == OB_SPSA_GAUSSIAN;
    struct ob_spsa_key key =
        ob_spsa_direction_key(&f->rule.run, &f->updates[0].machine, (struct ob_sample){17});
    const uint64_t firsts[] = {0, 1, 7, 8, 15, 511, 512, 513, 8191, 8192, 20001};
    const size_t counts[] = {1, 2, 15, 16, 17, 500, 513, 9000, 18000};
    static float plain[18000], plus[18000], minus[18000];
    static uint8_t bits[40960];
    ob_spsa_direction_bits(&key, 2, 0, 640, bits);
    for (size_t isa = 0; ob_spsa_engine_name_at(isa); isa++) {
        if (!ob_spsa_engine_with(isa, NULL).kernels)
            continue;
        struct ob_spsa_engine engine = ob_spsa_engine_with(isa, NULL);
        for (size_t a = 0; a < sizeof firsts / sizeof *firsts; a++)
            for (size_t b = 0; b < sizeof counts / sizeof *counts; b++) {
                ob_spsa_weights_read(&engine, f->base, 2, firsts[a], counts[b], plain);
                ob_spsa_weights_read_pair(&engine, f->base, &key, 1e-3f, 2, firsts[a], counts[b], plus,
                                          minus);
                for (size_t i = 0; i < counts[b]; i++) {
                    size_t at = (size_t)firsts[a] + i;
                    float weight = (float)f->base->values[2][at] * 0x1p-24f;
                    float step = (bits[at / 8] >> (at % 8)) & 1 ? -(1e-3f * 4.0f) : 1e-3f * 4.0f;
                    if (gaussian)
                        step = (float)ob_spsa_gaussian(bits[at]) * (1e-3f * 4.0f / 32.0f);
                    assert_true(plain[i] == weight && plus[i] == weight + step && minus[i] == weight - step);
                }
            }
    }
    fixture_free(f);
}

static void overrange_names_the_tensor(void **state) {
    (void)state;
    struct fixture *f = fixture_new(4);
    for (size_t isa = 0; ob_spsa_engine_name_at(isa); isa++) {
        if (!ob_spsa_engine_with(isa, NULL).kernels)
            continue;
        struct ob_spsa_engine engine = ob_spsa_engine_with(isa, NULL);
        f->base->values[3][510] = 0;
        assert_int_equal(ob_spsa_weights_overrange(&engine, f->base), -1);
        f->base->values[3][510] = -(1 << 30) - 1;
        assert_int_equal(ob_spsa_weights_overrange(&engine, f->base), 3);
        f->base->values[3][510] = (1 << 30) - 1;
        assert_int_equal(ob_spsa_weights_overrange(&engine, f->base), -1);
    }
    fixture_free(f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exponent_for_known_magnitudes),
        cmocka_unit_test(set_rounds_half_to_even),
        cmocka_unit_test(set_error_is_at_most_half_a_unit),
        cmocka_unit_test(set_refuses_what_is_not_a_weight),
        cmocka_unit_test(read_pair_any_slice_and_isa),
        GAUSSIAN_CASE(read_pair_any_slice_and_isa),
        cmocka_unit_test(overrange_names_the_tensor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
