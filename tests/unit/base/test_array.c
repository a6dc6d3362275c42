#include "tests/unit/cmocka_all.h"

#include <stdlib.h>

#include "base/array.h"

static void reserve_keeps_what_is_there(void **state) {
    (void)state;
    uint64_t *items = NULL;
    size_t max = 0;
    for (size_t i = 0; i < 10000; i++) {
        assert_true(ob_array_reserve(&items, i, 1, sizeof *items, &max));
        assert_true(max > i);
        items[i] = i * i;
    }
    for (size_t i = 0; i < 10000; i++)
        assert_true(items[i] == i * i);
    free(items);
}

static void reserve_refuses_what_overflows(void **state) {
    (void)state;
    uint64_t *items = NULL;
    size_t max = 0;
    assert_true(ob_array_reserve(&items, 0, 1, sizeof *items, &max));
    uint64_t *before = items;
    size_t max_before = max;
    assert_false(ob_array_reserve(&items, 1, SIZE_MAX, sizeof *items, &max));
    assert_false(ob_array_reserve(&items, 1, SIZE_MAX / 5, sizeof *items, &max));
    assert_ptr_equal(items, before);
    assert_true(max == max_before);
    free(items);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reserve_keeps_what_is_there),
        cmocka_unit_test(reserve_refuses_what_overflows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
