#include "tests/unit/cmocka_all.h"

#include "daemon/sampling.h"

static void assert_sampling(const struct ob_config *config, const struct ob_manifest *manifest,
                            struct ob_sampling expected) {
    struct ob_sampling sampling = ob_sampling_of(config, manifest);
    assert_int_equal(sampling.rows, expected.rows);
    assert_int_equal(sampling.rows_per_sample, expected.rows_per_sample);
    assert_int_equal(sampling.directions, expected.directions);
    assert_int_equal(sampling.one_sided, expected.one_sided);
}

/* As read from a file that says nothing of samples. */
static const struct ob_config SILENT = {.batch = 8, .rows_per_sample = 1, .sides = OB_SIDES_AUTO};

static void sampling_that_suits_the_run(void **state) {
    (void)state;
    struct ob_manifest whole = {.bounds.samples_per_round = 64}, basis = whole, random = whole;
    basis.has_basis = true;
    basis.lora_rank = random.lora_rank = 4;
    assert_sampling(&SILENT, &whole, (struct ob_sampling){8, 8, 1, false});
    assert_sampling(&SILENT, &random, (struct ob_sampling){8, 8, 1, false});
    assert_sampling(&SILENT, &basis, (struct ob_sampling){8, 1, 8, true});
}

/* A pass is never cut by a round. */
static void sampling_keeps_to_a_round(void **state) {
    (void)state;
    struct ob_manifest basis = {.has_basis = true, .lora_rank = 1, .bounds.samples_per_round = 1024};
    struct ob_config config = SILENT;
    for (int64_t round = 1; round <= 100; round++) {
        config.samples_per_round = round;
        struct ob_sampling sampling = ob_sampling_of(&config, &basis);
        assert_int_equal(ob_sampling_round(&config, &basis), round);
        assert_in_range(ob_sampling_pass(&sampling), 1, round);
    }
    config.samples_per_round = 1;
    assert_sampling(&config, &basis, (struct ob_sampling){1, 1, 1, false});
    config.samples_per_round = 16;
    assert_sampling(&config, &basis, (struct ob_sampling){2, 1, 8, true});
    config.samples_per_round = 0;
    basis.bounds.samples_per_round = 12;
    assert_sampling(&config, &basis, (struct ob_sampling){1, 1, 8, true});
}

static void sampling_that_was_asked_for(void **state) {
    (void)state;
    struct ob_manifest basis = {.has_basis = true, .lora_rank = 1, .bounds.samples_per_round = 64};
    struct ob_config config = SILENT;
    config.rows = 16; /* then all that is not said is plain */
    assert_sampling(&config, &basis, (struct ob_sampling){16, 1, 1, false});
    config.rows_per_sample = 8;
    config.directions_per_row = 4;
    config.sides = OB_SIDES_ONE;
    assert_sampling(&config, &basis, (struct ob_sampling){16, 8, 4, true});
    config = SILENT;
    config.sides = OB_SIDES_TWO;
    config.directions_per_row = 2;
    assert_sampling(&config, &basis, (struct ob_sampling){8, 1, 2, false});
    basis.has_basis = false;
    config.batch = 3;
    assert_sampling(&config, &basis, (struct ob_sampling){3, 3, 2, false});
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sampling_that_suits_the_run),
        cmocka_unit_test(sampling_keeps_to_a_round),
        cmocka_unit_test(sampling_that_was_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
