/* The two lanes of a forward pass are two perturbed models, whatever is trained. */
#include "tests/parity/fixture.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/forward/products.h"

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
 * between tiles, packed once (frozen) and packed for each pass (trained). */
static void compare_products(struct loaded *l, const char *checkpoint, const struct ob_products *products) {
    double exact, rough[3];
    struct ob_weight_source frozen = {.model = l->model}, trained = frozen;
    struct ob_spsa_engine engine = ob_spsa_engine_best(l->pool);
    trained.weights = weights_of(l->model);
    trained.engine = &engine;
    assert_int_equal(ob_forward_losses(l->forward, &frozen, l->batch, &exact, NULL), OB_OK);
    assert_int_equal(ob_forward_use(l->forward, products, NULL), OB_OK);
    assert_int_equal(ob_forward_losses(l->forward, &frozen, l->batch, &rough[0], NULL), OB_OK);
    assert_int_equal(ob_forward_losses(l->forward, &trained, l->batch, &rough[1], NULL), OB_OK);
    shrink_tiles(l->forward);
    assert_int_equal(ob_forward_losses(l->forward, &trained, l->batch, &rough[2], NULL), OB_OK);
    for (int i = 0; i < 3; i++)
        if (fabs(rough[i] - exact) > 1e-2 * exact)
            fail_msg("%s: %.9g in %s, %.9g in float32", checkpoint, rough[i], products->name, exact);
    ob_spsa_weights_free((struct ob_spsa_weights *)(uintptr_t)trained.weights);
}

/* Every checkpoint by every way that this processor has, from way number `first` on. */
static void each_way(size_t first, void (*check)(struct loaded *, const char *, const struct ob_products *)) {
    struct names names = checkpoints();
    for (size_t n = 0; n < names.count; n++)
        for (size_t i = first; ob_products_at(i); i++) {
            char folder[512], expected[600];
            struct loaded l;
            if (!ob_products_available(ob_products_at(i), NULL))
                continue;
            folder_of(names.list[n], folder, expected);
            load(&l, folder, expected, 2);
            check(&l, names.list[n], ob_products_at(i));
            unload(&l);
        }
}

static void products_in_bfloat16(void **state) {
    (void)state;
    each_way(1, compare_products);
}

static double loss_in(struct loaded *l, const struct ob_products *products) {
    struct ob_weight_source frozen = {.model = l->model};
    double loss;
    assert_int_equal(ob_forward_use(l->forward, products, NULL), OB_OK);
    assert_ptr_equal(ob_forward_products(l->forward), products);
    assert_int_equal(ob_forward_losses(l->forward, &frozen, l->batch, &loss, NULL), OB_OK);
    return loss;
}

/* Going from way to way gives each way's own bits, and what was packed for it is still there on return. */
static void ways_that_are_kept(void **state) {
    (void)state;
    struct names names = checkpoints();
    for (size_t n = 0; n < names.count; n++) {
        char folder[512], expected[600];
        struct loaded l;
        double losses[8] = {0};
        size_t bytes[8] = {0};
        const struct ob_products *way;
        folder_of(names.list[n], folder, expected);
        load(&l, folder, expected, 2);
        for (int round = 0; round < 3; round++) { /* forgotten, kept, kept */
            ob_forward_keep_ways(l.forward, round >= 1);
            for (size_t i = 0; (way = ob_products_at(i)); i++) {
                if (!ob_products_available(way, NULL))
                    continue;
                assert_int_equal(ob_forward_use(l.forward, way, NULL), OB_OK);
                if (round == 2)
                    assert_int_equal(ob_forward_frozen_bytes(l.forward), bytes[i]);
                double loss = loss_in(&l, way);
                assert_true(round == 0 || memcmp(&loss, &losses[i], sizeof loss) == 0);
                losses[i] = loss;
                bytes[i] = ob_forward_frozen_bytes(l.forward);
            }
        }
        ob_forward_limit_layers(l.forward, 1); /* another set of weights: nothing that was packed stays */
        for (size_t i = 0; (way = ob_products_at(i)); i++)
            if (ob_products_available(way, NULL)) {
                assert_int_equal(ob_forward_use(l.forward, way, NULL), OB_OK);
                assert_int_equal(ob_forward_frozen_bytes(l.forward), 0);
            }
        unload(&l);
    }
}

/* Many directions in one pass are what each of them is alone: two-sided, one-sided, without one, overlapping. */
static void compare_parts(struct loaded *l, const int64_t *trainable) {
    struct ob_spsa_engine engine = ob_spsa_engine_best(l->pool);
    struct ob_weight_source source = {.model = l->model,
                                      .weights = weights_of(l->model),
                                      .trainable = trainable,
                                      .engine = &engine,
                                      .epsilon = 0.0078125f};
    const struct ob_spsa_key keys[3] = {{{1}}, {{2}}, {{3}}};
    size_t B = l->batch->sequences;
    const struct ob_forward_part parts[] = {
        {.key = &keys[0], .sequences = 1},
        {.key = &keys[1], .first_sequence = B - 1, .sequences = 1},
        {.key = &keys[2], .one_sided = true, .sequences = B},
        {.sequences = B},
        {.key = &keys[2], .sequences = B},
    };
    double sums[64], alone[2 * 16];
    uint32_t counts[64], alone_counts[16];
    assert_true(B >= 1 && B <= 8);
    assert_int_equal(ob_forward_parts(l->forward, &source, l->batch, parts, sizeof parts / sizeof *parts,
                                      sums, counts, NULL),
                     OB_OK);
    size_t at = 0;
    for (size_t p = 0; p < sizeof parts / sizeof *parts; p++) {
        source.key = parts[p].key;
        assert_int_equal(ob_forward_sequence_losses(l->forward, &source, l->batch, alone, alone_counts, NULL),
                         OB_OK);
        for (size_t side = 0; side < (parts[p].key && !parts[p].one_sided ? 2u : 1u); side++)
            for (size_t s = 0; s < parts[p].sequences; s++, at++) {
                size_t sequence = parts[p].first_sequence + s;
                assert_int_equal(counts[at], alone_counts[sequence]);
                if (fabs(sums[at] - alone[side * B + sequence]) > 1e-5 * fabs(sums[at]))
                    fail_msg("part %zu, side %zu, sequence %zu: %.9g, alone %.9g", p, side, s, sums[at],
                             alone[side * B + sequence]);
            }
    }
    ob_spsa_weights_free((struct ob_spsa_weights *)(uintptr_t)source.weights);
}

static void parts_are_what_each_is_alone(void **state) {
    (void)state;
    struct names names = checkpoints();
    for (size_t n = 0; n < names.count; n++) {
        char folder[512], expected[600];
        struct loaded l;
        folder_of(names.list[n], folder, expected);
        load(&l, folder, expected, 2);
        int64_t *last = calloc(l.model->tensor_count, sizeof *last); /* the second half of the tensors */
        assert_non_null(last);
        for (size_t i = 0; i < l.model->tensor_count; i++)
            last[i] = i >= l.model->tensor_count / 2 && i % 2 == 0 && !l.model->config.tied ? (int64_t)i : -1;
        last[l.model->tensor_count - 2] = (int64_t)l.model->tensor_count - 2;
        compare_parts(&l, NULL);
        compare_parts(&l, last);
        shrink_tiles(l.forward);
        compare_parts(&l, NULL);
        compare_parts(&l, last);
        free(last);
        unload(&l);
    }
}

/* The last layer alone is trained. */
static int64_t *last_layer(const struct ob_model *model) {
    int64_t *last = calloc(model->tensor_count, sizeof *last);
    assert_non_null(last);
    for (size_t i = 0; i < model->tensor_count; i++)
        last[i] = -1;
    for (enum ob_slot slot = 0; slot < OB_SLOT_NONE; slot++) {
        int64_t tensor = ob_model_slot(model, model->config.layers - 1, slot);
        if (tensor >= 0 && tensor != ob_model_slot(model, 0, slot))
            last[tensor] = tensor;
    }
    return last;
}

/* However few layers a measurement takes: what is trained is among them, so that estimates can be compared. */
static void few_layers_have_what_is_trained(void **state) {
    (void)state;
    struct names names = checkpoints();
    unsigned deep = 0;
    for (size_t n = 0; n < names.count; n++) {
        char folder[512], expected[600];
        struct loaded l;
        folder_of(names.list[n], folder, expected);
        load(&l, folder, expected, 2);
        int64_t *last = last_layer(l.model);
        struct ob_spsa_engine engine = ob_spsa_engine_best(l.pool);
        const struct ob_spsa_key key = {{9}};
        struct ob_weight_source source = {.model = l.model,
                                          .weights = weights_of(l.model),
                                          .trainable = last,
                                          .engine = &engine,
                                          .key = &key,
                                          .epsilon = 0.0078125f};
        double whole[2], few[2];
        assert_int_equal(ob_forward_losses(l.forward, &source, l.batch, whole, NULL), OB_OK);
        ob_forward_limit_layers(l.forward, 1);
        assert_int_equal(ob_forward_losses(l.forward, &source, l.batch, few, NULL), OB_OK);
        if (l.model->config.layers > 1) {
            assert_true(few[0] != few[1] && few[0] != whole[0]);
            deep++;
        }
        ob_spsa_weights_free((struct ob_spsa_weights *)(uintptr_t)source.weights);
        free(last);
        unload(&l);
    }
    assert_true(deep > 5);
}

struct seen {
    int64_t tensor;
    size_t rows;
};

static void see_rows(void *context, size_t tensor, const float *x, size_t rows, size_t columns,
                     size_t stride) {
    struct seen *seen = context;
    (void)x;
    (void)columns;
    (void)stride;
    if ((int64_t)tensor == seen->tensor)
        seen->rows = rows;
}

static void compare_needed(struct loaded *l, const char *checkpoint, const struct ob_products *products) {
    struct ob_weight_source source = {.model = l->model};
    struct ob_batch *batch;
    double all, some;
    struct seen seen = {.tensor = ob_model_slot(l->model, l->model->config.layers - 1, OB_SLOT_DOWN)};
    assert_int_equal(ob_batch_new(2, 64, &batch, NULL), OB_OK);
    const int32_t tokens[2][6] = {{1, 2, 3, 4, 5, 6}, {6, 5, 4, 3, 2, 1}};
    assert_true(ob_batch_add(batch, tokens[0], 6, 5) && ob_batch_add(batch, tokens[1], 6, 3));
    assert_int_equal(ob_forward_use(l->forward, products, NULL), OB_OK);
    assert_int_equal(ob_forward_losses(l->forward, &source, batch, &some, NULL), OB_OK);
    ob_forward_observe(l->forward, see_rows, &seen);
    assert_int_equal(ob_forward_losses(l->forward, &source, batch, &all, NULL), OB_OK);
    assert_int_equal(seen.rows, 10); /* 5 + 5, of which 1 + 3 are needed */
    if (fabs(all - some) > 1e-6 * all)
        fail_msg("%s, %s: %.9g of all rows, %.9g of those that are needed", checkpoint, products->name, all,
                 some);
    ob_batch_free(batch);
}

/* In the last layer only the rows go on that a loss needs, unless somebody wants to see all: the losses are the same. */
static void rows_that_no_loss_needs_change_none(void **state) {
    (void)state;
    each_way(0, compare_needed);
}

/* States that are kept are the bits that were computed: a pass over sequences that were seen before, alone or among
 * others, gives the losses of a pass that keeps nothing. */
static void compare_prefix(struct loaded *l, const struct ob_products *products, const char *checkpoint) {
    struct ob_spsa_engine engine = ob_spsa_engine_best(l->pool);
    int64_t *last = last_layer(l->model);
    uint32_t layers = l->model->config.layers;
    const struct ob_spsa_key key = {{9}};
    struct ob_weight_source source = {.model = l->model,
                                      .weights = weights_of(l->model),
                                      .trainable = last,
                                      .engine = &engine,
                                      .key = &key,
                                      .epsilon = 0.0078125f};
    size_t B = l->batch->sequences;
    const struct ob_forward_part one = {.key = &key, .first_sequence = B - 1, .sequences = 1};
    double plain[2], kept[2], alone[2], alone_kept[2];
    uint32_t counts[2];
    assert_int_equal(ob_forward_use(l->forward, products, NULL), OB_OK);
    assert_int_equal(ob_forward_losses(l->forward, &source, l->batch, plain, NULL), OB_OK);
    assert_int_equal(ob_forward_parts(l->forward, &source, l->batch, &one, 1, alone, counts, NULL), OB_OK);
    assert_int_equal(ob_forward_keep_prefix(l->forward, 1 << 20, NULL, 0, NULL), OB_OK);
    for (int epoch = 0; epoch < 3; epoch++) {
        assert_int_equal(ob_forward_losses(l->forward, &source, l->batch, kept, NULL), OB_OK);
        if (memcmp(plain, kept, sizeof plain) != 0)
            fail_msg("%s, %s: %.17g with kept states, %.17g without", checkpoint, products->name, kept[0],
                     plain[0]);
    }
    assert_int_equal(ob_forward_parts(l->forward, &source, l->batch, &one, 1, alone_kept, counts, NULL),
                     OB_OK);
    assert_memory_equal(alone, alone_kept, sizeof alone);
    if (layers > 1)
        assert_true(ob_forward_prefix_counters(l->forward).hits >= 2);
    ob_spsa_weights_free((struct ob_spsa_weights *)(uintptr_t)source.weights);
    free(last);
}

static void kept_states_change_nothing(void **state) {
    (void)state;
    struct names names = checkpoints();
    for (size_t n = 0; n < names.count; n++)
        for (size_t i = 0; ob_products_at(i); i++) {
            char folder[512], expected[600];
            struct loaded l;
            if (!ob_products_available(ob_products_at(i), NULL))
                continue;
            folder_of(names.list[n], folder, expected);
            load(&l, folder, expected, 2);
            compare_prefix(&l, ob_products_at(i), names.list[n]);
            unload(&l);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_in_bfloat16),
        cmocka_unit_test(ways_that_are_kept),
        cmocka_unit_test(two_lanes_are_two_perturbed_models),
        cmocka_unit_test(parts_are_what_each_is_alone),
        cmocka_unit_test(kept_states_change_nothing),
        cmocka_unit_test(few_layers_have_what_is_trained),
        cmocka_unit_test(rows_that_no_loss_needs_change_none),
    };
    return cmocka_run_group_tests_name("lanes", tests, NULL, NULL);
}
