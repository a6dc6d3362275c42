/* Each kernel of each instruction set that this processor has, against the definition. */
#include "tests/unit/cmocka_all.h"

#include <stdlib.h>
#include <string.h>

#include "spsa/kernels/gaussian.h"
#include "spsa/kernels/kernels.h"
#include "spsa/kernels/reference.h"
#include "tests/unit/spsa/fixture.h"

#define STREAM_BLOCKS 70
#define MARK          0xa5

/* Every number of blocks across the kernels' sets of 8, 16 and 32, at counters up to the last one; nothing is
 * written behind the last block. */
static void keystream_is_libsodiums(void **state) {
    (void)state;
    static uint8_t expected[STREAM_BLOCKS * 64 + 64], got[sizeof expected];
    struct test_random random = {11};
    for (size_t isa = 0; ob_spsa_engine_name_at(isa); isa++) {
        if (!ob_spsa_engine_with(isa, NULL).kernels) {
            print_message("skipped: this processor has no %s\n", ob_spsa_engine_name_at(isa));
            continue;
        }
        struct ob_spsa_engine engine = ob_spsa_engine_with(isa, NULL);
        for (size_t blocks = 0; blocks <= STREAM_BLOCKS; blocks++) {
            const uint32_t firsts[] = {0, (uint32_t)test_random_next(&random) >> 1, (uint32_t)(0u - blocks)};
            for (size_t i = 0; i < (blocks ? 3 : 2); i++) {
                struct ob_spsa_key key;
                uint32_t tensor = (uint32_t)test_random_next(&random);
                test_random_fill(&random, key.bytes, sizeof key.bytes);
                memset(expected, MARK, sizeof expected);
                memset(got, MARK, sizeof got);
                ob_spsa_direction_bits(&key, tensor, firsts[i], blocks, expected);
                engine.kernels->keystream(&key, tensor, firsts[i], blocks, got);
                assert_memory_equal(got, expected, sizeof got);
            }
        }
    }
}

/* Blocks of many keys at once: any number of keys and blocks, every use; nothing is written behind a key's last block. */
static void keystreams_are_those_of_each_key(void **state) {
    (void)state;
    enum { KEYS = 67, BLOCKS = 5, ROOM = BLOCKS * 64 + 16 };
    static uint8_t expected[KEYS][ROOM], got[KEYS][ROOM];
    static struct ob_spsa_key keys[KEYS];
    uint8_t *to[2][KEYS];
    struct test_random random = {16};
    test_random_fill(&random, keys, sizeof keys);
    for (size_t j = 0; j < KEYS; j++) {
        to[0][j] = expected[j];
        to[1][j] = got[KEYS - 1 - j]; /* in any order */
    }
    for (size_t isa = 0; ob_spsa_engine_name_at(isa); isa++) {
        if (!ob_spsa_engine_with(isa, NULL).kernels)
            continue;
        const struct ob_spsa_kernels *kernels = ob_spsa_engine_with(isa, NULL).kernels;
        for (size_t count = 1; count <= KEYS; count += count < 34 ? 1 : 11)
            for (size_t blocks = 1; blocks <= BLOCKS; blocks++) {
                uint32_t tensor = (uint32_t)test_random_next(&random), use = (uint32_t)(count + blocks) % 3;
                uint32_t first = count % 2 ? 0 : (uint32_t)(0u - blocks);
                memset(expected, MARK, sizeof expected);
                memset(got, MARK, sizeof got);
                for (size_t j = 0; j < count; j++)
                    ob_spsa_keystream(&keys[j], tensor, use, first, blocks * 64, to[0][j]);
                kernels->keystreams(keys, count, tensor, use, first, blocks, to[1]);
                for (size_t j = 0; j < KEYS; j++)
                    assert_memory_equal(to[1][j], to[0][j], ROOM);
            }
    }
}

/* Every number of records across the groups of eight and sixty-four, with the largest steps and sums that
 * wrap. */
static void accumulate_any_count_is_the_definition(void **state) {
    (void)state;
    enum { BLOCKS = 3, RECORDS = 140 };
    static int32_t base[BLOCKS * 512], expected[BLOCKS * 512], got[BLOCKS * 512];
    static uint8_t streams[RECORDS][BLOCKS * 64 + OB_SPSA_BITS_SLACK];
    const uint8_t *bits[RECORDS];
    int32_t q[RECORDS];
    struct test_random random = {12};
    test_random_fill(&random, base, sizeof base);
    test_random_fill(&random, streams, sizeof streams);
    for (size_t j = 0; j < RECORDS; j++) {
        bits[j] = streams[j];
        q[j] = (int32_t)(test_random_next(&random) % (2 * OB_SPSA_STEP_MAX + 1)) - OB_SPSA_STEP_MAX;
    }
    q[2] = q[9] = OB_SPSA_STEP_MAX;
    q[5] = -OB_SPSA_STEP_MAX;
    for (size_t isa = 1; ob_spsa_engine_name_at(isa); isa++) {
        if (!ob_spsa_engine_with(isa, NULL).kernels)
            continue;
        struct ob_spsa_engine engine = ob_spsa_engine_with(isa, NULL);
        for (size_t count = 1; count <= RECORDS; count += count < 20 || (count > 60 && count < 70) ? 1 : 7)
            for (size_t blocks = 1; blocks <= BLOCKS; blocks++) {
                memcpy(expected, base, sizeof base);
                memcpy(got, base, sizeof base);
                ob_spsa_kernels_reference.accumulate(expected, blocks, bits, q, count);
                engine.kernels->accumulate(got, blocks, bits, q, count);
                assert_memory_equal(got, expected, sizeof got);
            }
    }
}

/* Every byte, the largest steps, sums that wrap, and ends of every length. */
static void gaussian_is_the_definition(void **state) {
    (void)state;
    enum { BLOCKS = 9, RECORDS = 70 };
    static int32_t base[BLOCKS * 64], expected[BLOCKS * 64], got[BLOCKS * 64];
    static uint8_t streams[RECORDS][BLOCKS * 64 + OB_SPSA_BITS_SLACK];
    static float wanted[2][BLOCKS * 64], found[2][BLOCKS * 64];
    const uint8_t *bytes[RECORDS];
    int32_t q[RECORDS];
    struct test_random random = {15};
    test_random_fill(&random, base, sizeof base);
    test_random_fill(&random, streams, sizeof streams);
    for (size_t j = 0; j < RECORDS; j++) {
        bytes[j] = streams[j];
        q[j] = (int32_t)(test_random_next(&random) % (2 * OB_SPSA_STEP_MAX + 1)) - OB_SPSA_STEP_MAX;
    }
    for (size_t i = 0; i < 256; i++)
        streams[0][i] = (uint8_t)i;
    q[2] = OB_SPSA_STEP_MAX;
    for (size_t isa = 1; ob_spsa_engine_name_at(isa); isa++) {
        if (!ob_spsa_engine_with(isa, NULL).kernels)
            continue;
        const struct ob_spsa_kernels *kernels = ob_spsa_engine_with(isa, NULL).kernels;
        for (size_t count = 1; count <= RECORDS; count += 7)
            for (size_t blocks = 1; blocks <= BLOCKS; blocks++) {
                memcpy(expected, base, sizeof base);
                memcpy(got, base, sizeof base);
                ob_spsa_kernels_reference.accumulate_gaussian(expected, blocks, bytes, q, count);
                kernels->accumulate_gaussian(got, blocks, bytes, q, count);
                assert_memory_equal(got, expected, sizeof got);
            }
        for (size_t count = 0; count <= BLOCKS * 64; count++) {
            ob_spsa_kernels_reference.read_gaussian(base, count, 0x1p-24f, streams[0], 1e-3f, wanted[0],
                                                    wanted[1]);
            kernels->read_gaussian(base, count, 0x1p-24f, streams[0], 1e-3f, found[0], found[1]);
            assert_memory_equal(found, wanted, sizeof found);
            assert_int_equal(kernels->sum_gaussian(streams[0], count),
                             ob_spsa_reference_sum_gaussian(streams[0], count));
        }
    }
}

/* What gaussian.h says of the table. */
static void gaussian_table_is_what_it_says(void **state) {
    (void)state;
    int64_t sum = 0, squares = 0, fourths = 0;
    for (unsigned b = 0; b < 256; b++) {
        int64_t z = ob_spsa_gaussian((uint8_t)b);
        assert_int_equal(z, -ob_spsa_gaussian((uint8_t)(b ^ 128)));
        assert_true(b % 128 == 0 ||
                    OB_SPSA_GAUSSIAN_MAGNITUDES[b % 128] >= OB_SPSA_GAUSSIAN_MAGNITUDES[b % 128 - 1]);
        sum += z;
        squares += z * z;
        fourths += z * z * z * z;
    }
    assert_int_equal(sum, 0);
    assert_int_equal(squares, 2 * 131090);
    double variance = (double)squares / 256, fourth = (double)fourths / 256 / (variance * variance);
    assert_true(fourth > 2.964 && fourth < 2.966);
    assert_int_equal(ob_spsa_gaussian(127), OB_SPSA_GAUSSIAN_MAX);
}

static void count_bits_is_the_definition(void **state) {
    (void)state;
    static uint8_t bytes[3000];
    struct test_random random = {14};
    test_random_fill(&random, bytes, sizeof bytes);
    memset(bytes, 0xff, 200);
    for (size_t isa = 1; ob_spsa_engine_name_at(isa); isa++) {
        if (!ob_spsa_engine_with(isa, NULL).kernels)
            continue;
        struct ob_spsa_engine engine = ob_spsa_engine_with(isa, NULL);
        for (size_t count = 0; count < sizeof bytes; count += count < 200 ? 1 : 97)
            assert_int_equal(engine.kernels->count_bits(bytes, count),
                             ob_spsa_reference_count_bits(bytes, count));
    }
}

static void sum_and_reach_are_the_definitions(void **state) {
    (void)state;
    static int32_t values[3000];
    struct test_random random = {13};
    test_random_fill(&random, values, sizeof values);
    for (size_t isa = 1; ob_spsa_engine_name_at(isa); isa++) {
        if (!ob_spsa_engine_with(isa, NULL).kernels)
            continue;
        struct ob_spsa_engine engine = ob_spsa_engine_with(isa, NULL);
        for (size_t count = 0; count < 3000; count += count < 70 ? 1 : 97) {
            assert_int_equal(engine.kernels->sum(values, count),
                             ob_spsa_kernels_reference.sum(values, count));
            /* what counts of reach is whether it is at least 2^30 */
            assert_int_equal(engine.kernels->reach(values, count) >> 30,
                             ob_spsa_kernels_reference.reach(values, count) >> 30);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keystream_is_libsodiums),
        cmocka_unit_test(keystreams_are_those_of_each_key),
        cmocka_unit_test(accumulate_any_count_is_the_definition),
        cmocka_unit_test(gaussian_is_the_definition),
        cmocka_unit_test(gaussian_table_is_what_it_says),
        cmocka_unit_test(count_bits_is_the_definition),
        cmocka_unit_test(sum_and_reach_are_the_definitions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
