/* The two lanes of a forward pass are two perturbed models, whatever is trained. */
#include "tests/parity/fixture.h"

#include <math.h>
#include <stdlib.h>

#include "model/forward/bf16.h"

/* Invariant 3, and the meaning of the two lanes: each is the loss of weights that were perturbed by hand.
 * Tensors that `trainable` leaves out are frozen: read from the checkpoint, the same in both lanes. */
static void compare_lanes(struct loaded *l, const int64_t *trainable) {
    const float epsilon =
        0.0078125f; /* 2^-7: a whole number of fixed-point steps, so that nothing is rounded */
    struct ob_spsa_engine engine = ob_spsa_engine_best(l->pool);
    struct ob_spsa_weights *weights = weights_of(l->model), *moved = weights_of(l->model);
    struct ob_spsa_key key = {{42}};
    struct ob_weight_source source = {.model = l->model,
                                      .weights = weights,
                                      .trainable = trainable,
                                      .engine = &engine,
                                      .key = &key,
                                      .epsilon = epsilon};
    double pair[2], single;
    assert_int_equal(ob_forward_losses(l->forward, &source, l->batch, pair, NULL), OB_OK);
    for (size_t t = 0; t < weights->count; t++)
        assert_memory_equal(weights->values[t], moved->values[t], weights->tensors[t].elements * 4);
    for (int lane = 0; lane < 2; lane++) {
        move(moved, weights, &key, lane == 0);
        struct ob_weight_source plain = {
            .model = l->model, .weights = moved, .trainable = trainable, .engine = &engine};
        assert_int_equal(ob_forward_losses(l->forward, &plain, l->batch, &single, NULL), OB_OK);
        assert_true(fabs(single - pair[lane]) < 1e-5 * fabs(single));
    }
    ob_spsa_weights_free(weights);
    ob_spsa_weights_free(moved);
}

static void two_lanes_are_two_perturbed_models(void **state) {
    (void)state;
    struct names names = checkpoints();
    for (size_t n = 0; n < names.count; n++) {
        char folder[512], expected[600];
        struct loaded l;
        folder_of(names.list[n], folder, expected);
        load(&l, folder, expected, 2);
        int64_t *some = calloc(l.model->tensor_count, sizeof *some);
        assert_non_null(some);
        for (size_t i = 0; i < l.model->tensor_count; i++)
            some[i] = i % 3 == 1 ? (int64_t)i : -1;
        compare_lanes(&l, NULL);
        compare_lanes(&l, some);
        shrink_tiles(l.forward);
        compare_lanes(&l, some);
        free(some);
        unload(&l);
    }
}

/* Terms of eight bits: a loss of these small models moves by less than a hundredth. Every family, every seam
 * between tiles. */
static void products_in_bfloat16(void **state) {
    (void)state;
    if (!ob_bf16_available())
        skip();
    struct names names = checkpoints();
    for (size_t n = 0; n < names.count; n++) {
        char folder[512], expected[600];
        struct loaded l;
        double exact, half[2];
        folder_of(names.list[n], folder, expected);
        load(&l, folder, expected, 2);
        struct ob_weight_source source = {.model = l.model};
        assert_int_equal(ob_forward_losses(l.forward, &source, l.batch, &exact, NULL), OB_OK);
        assert_int_equal(ob_forward_use_bf16(l.forward, NULL), OB_OK);
        assert_int_equal(ob_forward_losses(l.forward, &source, l.batch, &half[0], NULL), OB_OK);
        shrink_tiles(l.forward);
        assert_int_equal(ob_forward_losses(l.forward, &source, l.batch, &half[1], NULL), OB_OK);
        for (int i = 0; i < 2; i++)
            if (fabs(half[i] - exact) > 1e-2 * exact || half[i] == exact)
                fail_msg("%s: %.9g in bfloat16, %.9g in float32", names.list[n], half[i], exact);
        unload(&l);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_in_bfloat16),
        cmocka_unit_test(two_lanes_are_two_perturbed_models),
    };
    return cmocka_run_group_tests_name("lanes", tests, NULL, NULL);
}
