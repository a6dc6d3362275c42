#include "tests/unit/cmocka_all.h"

#include <stdatomic.h>

#include "base/pool.h"

#define COUNT 1000

static atomic_int *calls_of(void *context) {
    return context;
}

static void count_call(void *context, size_t index, unsigned thread) {
    assert_true(thread < 4);
    atomic_fetch_add(&calls_of(context)[index], 1);
}

static void run_each_index_once(void **state) {
    (void)state;
    for (unsigned threads = 1; threads <= 4; threads++) {
        struct ob_pool *pool = NULL;
        assert_int_equal(ob_pool_new(threads, &pool, NULL), OB_OK);
        assert_int_equal(ob_pool_threads(pool), threads);
        for (int loop = 0; loop < 50; loop++) {
            atomic_int calls[COUNT] = {0};
            ob_pool_run(pool, COUNT, count_call, calls);
            for (int i = 0; i < COUNT; i++)
                assert_int_equal(atomic_load(&calls[i]), 1);
        }
        ob_pool_free(pool);
    }
}

static void run_without_pool_uses_caller(void **state) {
    (void)state;
    atomic_int calls[3] = {0};
    ob_pool_run(NULL, 3, count_call, calls);
    assert_int_equal(atomic_load(&calls[2]), 1);
    assert_int_equal(ob_pool_threads(NULL), 1);
    ob_pool_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(run_each_index_once),
        cmocka_unit_test(run_without_pool_uses_caller),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
