#include "tests/unit/cmocka_all.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/convert/open_model.h"
#include "run/base_weights.h"

#define BASE OB_SOURCE_ROOT "/examples/kjv-1m"

/* Every element rounded half to even, whichever way it is read: whole, or in parts that cross the blocks. */
static void load_and_read_give_rounded_values(void **state) {
    (void)state;
    struct ob_model *model = NULL;
    assert_int_equal(ob_model_open(BASE, &model, NULL), OB_OK);
    for (size_t t = 0; t < model->tensor_count; t += 5) {
        uint64_t elements = model->tensors[t].elements;
        int32_t *whole = calloc(elements, sizeof *whole), part[9000];
        assert_non_null(whole);
        assert_int_equal(ob_base_load(model, t, 24, whole, NULL), OB_OK);
        for (uint64_t i = 0; i < elements; i++) {
            float value;
            ob_model_read(model, t, i, 1, &value);
            assert_true(whole[i] == (int32_t)rint(ldexp((double)value, 24)));
        }
        uint64_t first = elements / 3;
        size_t count = elements - first < 9000 ? (size_t)(elements - first) : 9000;
        assert_int_equal(ob_base_read(model, t, 24, first, count, part, NULL), OB_OK);
        assert_memory_equal(part, whole + first, count * sizeof *part);
        free(whole);
    }
    ob_model_free(model);
}

static void what_does_not_fit_is_named(void **state) {
    (void)state;
    struct ob_model *model = NULL;
    struct ob_error error = {0};
    assert_int_equal(ob_model_open(BASE, &model, NULL), OB_OK);
    int32_t *values = calloc(model->tensors[0].elements, sizeof *values);
    assert_non_null(values);
    assert_int_not_equal(ob_base_load(model, 0, 40, values, &error), OB_OK);
    assert_non_null(strstr(error.text, model->tensors[0].name));
    assert_non_null(strstr(error.text, "kjv-1m"));
    free(values);
    ob_model_free(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(load_and_read_give_rounded_values),
        cmocka_unit_test(what_does_not_fit_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
