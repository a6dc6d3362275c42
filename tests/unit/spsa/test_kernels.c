/* Each kernel of each instruction set that this processor has, against the definition. */
#include "tests/unit/cmocka_all.h"

#include <stdlib.h>
#include <string.h>

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
        cmocka_unit_test(accumulate_any_count_is_the_definition),
        cmocka_unit_test(count_bits_is_the_definition),
        cmocka_unit_test(sum_and_reach_are_the_definitions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
