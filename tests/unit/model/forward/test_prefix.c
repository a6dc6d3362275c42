/* States that are kept come back as they were; what does not fit is not kept. */
#include <stdlib.h>
#include <string.h>

#include "model/forward/prefix.h"
#include "tests/unit/cmocka_all.h"

enum { WIDTH = 8 };

static void states_of(int32_t seed, size_t count, float *ret_states) {
    for (size_t i = 0; i < count * WIDTH; i++)
        ret_states[i] = (float)seed + (float)i / 3.0f;
}

static void put_many(struct ob_prefix *prefix, int32_t from, int32_t to) {
    float states[3 * WIDTH];
    for (int32_t i = from; i < to; i++) {
        states_of(i, 3, states);
        ob_prefix_put(prefix, (int32_t[]){i, 7, i}, 3, 0, states);
    }
}

static size_t count_right(struct ob_prefix *prefix, int32_t to) {
    float states[3 * WIDTH];
    size_t found = 0;
    for (int32_t i = 0; i < to; i++) {
        const float *kept = ob_prefix_get(prefix, (int32_t[]){i, 7, i}, 3, 0);
        states_of(i, 3, states);
        if (kept)
            assert_memory_equal(kept, states, sizeof states);
        found += kept != NULL;
    }
    return found;
}

static void what_is_put_comes_back(void **state) {
    (void)state;
    struct ob_prefix *prefix;
    assert_int_equal(ob_prefix_new(WIDTH, 1 << 20, NULL, 0, &prefix, NULL), OB_OK);
    put_many(prefix, 0, 5000); /* the table grows */
    assert_int_equal(count_right(prefix, 5000), 5000);
    assert_null(ob_prefix_get(prefix, (int32_t[]){1, 7}, 2, 0));       /* a beginning is another sequence */
    assert_null(ob_prefix_get(prefix, (int32_t[]){1, 7, 1}, 3, 4096)); /* the same at other positions, too */
    struct ob_prefix_counters counters = ob_prefix_counters(prefix);
    assert_int_equal(counters.hits, 5000);
    assert_int_equal(counters.misses, 2);
    ob_prefix_clear(prefix);
    assert_int_equal(count_right(prefix, 5000), 0);
    put_many(prefix, 0, 10);
    assert_int_equal(count_right(prefix, 10), 10);
    ob_prefix_free(prefix);
}

static void memory_then_file_then_nothing(void **state) {
    (void)state;
    struct ob_prefix *prefix;
    const size_t one = 3 * WIDTH * sizeof(float);
    assert_int_equal(ob_prefix_new(WIDTH, 100 * one, "/tmp", 200 * one, &prefix, NULL), OB_OK);
    put_many(prefix, 0, 1000);
    put_many(prefix, 0, 1000); /* again: they are there, or there is no room */
    assert_int_equal(count_right(prefix, 1000), 300);
    struct ob_prefix_counters counters = ob_prefix_counters(prefix);
    assert_int_equal(counters.memory_bytes, 100 * one);
    assert_int_equal(counters.file_bytes, 200 * one);
    ob_prefix_free(prefix);
}

static void a_folder_that_is_not_there_is_named(void **state) {
    (void)state;
    struct ob_prefix *prefix;
    struct ob_error error = {0};
    assert_int_equal(ob_prefix_new(WIDTH, 0, "/nowhere/at/all", 4096, &prefix, &error), OB_EIO);
    assert_non_null(strstr(error.text, "/nowhere/at/all"));
    ob_prefix_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_put_comes_back),
        cmocka_unit_test(memory_then_file_then_nothing),
        cmocka_unit_test(a_folder_that_is_not_there_is_named),
    };
    return cmocka_run_group_tests_name("prefix", tests, NULL, NULL);
}
