/* fixture - a small model and random records for the tests of spsa/. */
#ifndef OB_TESTS_SPSA_FIXTURE_H
#define OB_TESTS_SPSA_FIXTURE_H

#include "spsa/digest.h"
#include "spsa/replay.h"
#include "tests/support/random.h"

#define FIXTURE_TENSORS 5
#define FIXTURE_UPDATES 300
#define FIXTURE_BYTES   16

static const struct ob_spsa_tensor FIXTURE_LAYOUT[FIXTURE_TENSORS] = {
    {1, 26, 3}, {513, 20, 0}, {40000, 24, 2}, {511, 26, -1}, {9000, 22, 0},
};

struct fixture {
    struct ob_spsa_rule rule;
    uint64_t rates[4];
    struct ob_spsa_update updates[FIXTURE_UPDATES];
    uint8_t bytes[FIXTURE_UPDATES][FIXTURE_BYTES];
    struct ob_spsa_weights *base;
};

static inline struct fixture *fixture_new(uint64_t seed) {
    struct test_random random = {seed};
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    for (int i = 0; i < 4; i++)
        f->rates[i] = (uint64_t)28147497671 >> i; /* 1e-4, falling */
    f->rule = (struct ob_spsa_rule){.code = {96, 127},
                                    .combine = OB_SPSA_CAPPED,
                                    .s0 = 32,
                                    .rounds_per_rate = 50,
                                    .rate_count = 4,
                                    .rates = f->rates};
    memset(f->rule.run.hash.bytes, 7, 32);
    for (int i = 0; i < FIXTURE_UPDATES; i++) {
        struct ob_spsa_update *u = &f->updates[i];
        memset(u->machine.key, 1 + i % 3, OB_KEY_BYTES);
        u->first.index = (uint64_t)(i / 3) * FIXTURE_BYTES;
        u->round.index = (uint32_t)i;
        u->live = (uint16_t)(1 + test_random_next(&random) % 5);
        u->n = (uint16_t)(1 + test_random_next(&random) % FIXTURE_BYTES);
        u->exponent = (int8_t)((int)(test_random_next(&random) % 5) - 2);
        for (int b = 0; b < FIXTURE_BYTES; b++)
            f->bytes[i][b] = (uint8_t)test_random_next(&random);
        u->bytes = f->bytes[i];
    }
    assert_int_equal(ob_spsa_weights_new(FIXTURE_LAYOUT, FIXTURE_TENSORS, &f->base, NULL), OB_OK);
    for (uint32_t t = 0; t < FIXTURE_TENSORS; t++)
        for (uint64_t i = 0; i < FIXTURE_LAYOUT[t].elements; i++) {
            float value = (float)(test_random_unit(&random) - 0.5);
            assert_int_equal(ob_spsa_weights_set(f->base, t, i, 1, &value, NULL), OB_OK);
        }
    return f;
}

/* Of tests that run for each distribution: cmocka's prestate is its name. */
#define GAUSSIAN_CASE(test)                                                                                  \
    { #test " (gaussian)", test, NULL, NULL, "gaussian" }
static inline enum ob_spsa_distribution fixture_distribution(void **state) {
    return *state ? (enum ob_spsa_distribution)ob_spsa_distribution_from_name(*state) : OB_SPSA_RADEMACHER;
}

static inline struct ob_spsa_weights *fixture_copy(const struct fixture *f) {
    struct ob_spsa_weights *copy = NULL;
    assert_int_equal(ob_spsa_weights_new(FIXTURE_LAYOUT, FIXTURE_TENSORS, &copy, NULL), OB_OK);
    ob_spsa_weights_copy(copy, f->base);
    return copy;
}

static inline void fixture_free(struct fixture *f) {
    ob_spsa_weights_free(f->base);
    free(f);
}

/* What counts: the elements, not the padding. */
static inline void assert_same_bits(const struct ob_spsa_weights *a, const struct ob_spsa_weights *b) {
    for (size_t t = 0; t < a->count; t++)
        assert_memory_equal(a->values[t], b->values[t], a->tensors[t].elements * sizeof(int32_t));
}

#endif
