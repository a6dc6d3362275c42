/* Vectors from golden.py, an implementation that shares nothing with this one. */
#include "tests/unit/cmocka_all.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "spsa/digest.h"
#include "spsa/replay.h"

static struct ob_run_id run;
static struct ob_machine_id machine;

static int setup(void **state) {
    (void)state;
    for (int i = 0; i < 32; i++) {
        run.hash.bytes[i] = (uint8_t)i;
        machine.key[i] = (uint8_t)(100 + i);
    }
    return sodium_init() < 0;
}

static void assert_hex(const uint8_t *bytes, size_t count, const char *expected) {
    char text[129];
    assert_true(count <= 64);
    sodium_bin2hex(text, sizeof text, bytes, count);
    assert_string_equal(text, expected);
}

static void direction_matches(void **state) {
    (void)state;
    struct ob_spsa_key key = ob_spsa_direction_key(&run, &machine, (struct ob_sample){7});
    assert_hex(key.bytes, 32, "e8d48895393b273dfc13b73877f17ee2610d7c181050a9f8e4b48a750e40ac6d");
    uint8_t bits[6 * 64];
    ob_spsa_direction_bits(&key, 3, 0, 6, bits);
    assert_hex(bits, 64,
               "cda292b189fbf52b4215da0cf05e65fa156d92be2212ed5dcbb9aa866f08e6cb"
               "b8bfb7efe27e53378e831791fc913dbe400602becd6de3e9ad48a61d63da5ad2");
    uint8_t later[64];
    ob_spsa_direction_bits(&key, 3, 5, 1, later);
    assert_hex(later, 64,
               "6f5b6cc1713996ddfdffdf8b30d5afb5f529e4526d63ccf0fdf4f6f25fb7de82"
               "1a351bcc349a5d66f880c50f06b377d004668c9f3b1b017ffb530a96731657d0");
    assert_memory_equal(bits + 5 * 64, later, 64);
    assert_true(ob_spsa_step_randomness(&key, 3) == 0x865327c6ec5d84d2);
    assert_true(ob_spsa_byte_randomness(&key) == 0x6b5c149702edead);
}

static void steps_and_digest_match(void **state) {
    bool gaussian = *state != NULL;
    const struct ob_spsa_tensor layout[2] = {{1000, 20, 0}, {700, 26, 3}};
    static const int32_t RADEMACHER[10] = {14, 7158, -22, -11039, 0, 0, 0, 0, 8, 4256},
                         GAUSSIAN[10] = {0, 224, -1, -344, 0, 0, 0, 0, 0, 133};
    const int32_t *expected = gaussian ? GAUSSIAN : RADEMACHER;
    const uint8_t bytes[5] = {0x60, 0xe5, 0x00, 0x80, 0x5a};
    const uint64_t rate = 28147497671;
    struct ob_spsa_rule rule = {.run = run,
                                .code = {96, 127},
                                .combine = OB_SPSA_CAPPED,
                                .distribution = gaussian ? OB_SPSA_GAUSSIAN : OB_SPSA_RADEMACHER,
                                .s0 = 8,
                                .rounds_per_rate = 1,
                                .rate_count = 1,
                                .rates = &rate};
    struct ob_spsa_update update = {
        .machine = machine, .first = {41}, .live = 3, .n = 5, .exponent = -2, .bytes = bytes};
    for (size_t i = 0; i < 10; i++) {
        struct ob_spsa_key key = ob_spsa_direction_key(&run, &machine, (struct ob_sample){41 + i / 2});
        assert_int_equal(ob_spsa_step(&rule, &update, i / 2, &key, &layout[i % 2], (uint32_t)(i % 2)),
                         expected[i]);
    }
    for (size_t isa = 0; ob_spsa_engine_name_at(isa); isa++) {
        if (!ob_spsa_engine_with(isa, NULL).kernels)
            continue;
        struct ob_spsa_engine engine = ob_spsa_engine_with(isa, NULL);
        struct ob_spsa_weights *weights = NULL;
        struct ob_hash digest;
        assert_int_equal(ob_spsa_weights_new(layout, 2, &weights, NULL), OB_OK);
        assert_int_equal(ob_spsa_apply(&engine, weights, &rule, &update, 1, NULL), OB_OK);
        assert_int_equal(ob_spsa_digest(&engine, weights, &digest, NULL), OB_OK);
        assert_hex(digest.bytes, 32,
                   gaussian ? "96e491d2160d9fc60372252e125572f32bc0a6d8996e0506ccc3c8d07003db89"
                            : "3299a0adff0920ca48be2d98466f4923d1ce751a6eb79a2b049ffefe4bb217bb");
        ob_spsa_weights_free(weights);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(direction_matches),
        cmocka_unit_test(steps_and_digest_match),
        {"steps_and_digest_match (gaussian)", steps_and_digest_match, NULL, NULL, "gaussian"},
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
