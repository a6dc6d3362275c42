/* Adapters as tensors of a run: initial integers against an independent implementation (../spsa/golden.py),
 * their names, what is refused, and that every kernel trains them to the same bits. */
#include "tests/unit/cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/convert/open_model.h"
#include "model/families/adapter.h"
#include "model/families/select.h"
#include "spsa/digest.h"
#include "spsa/replay.h"

#define RANK    5
#define UPDATES 40
#define BYTES   7

static struct ob_run_id golden_run(void) {
    struct ob_run_id run;
    for (size_t i = 0; i < OB_HASH_BYTES; i++)
        run.hash.bytes[i] = (uint8_t)i;
    return run;
}

static void initial_values_are_the_golden_ones(void **state) {
    (void)state;
    static const int32_t FIRST[4] = {50091, 1117243, -1420852, -1646097};
    static const int32_t SEAM[4] = {-1825449, -752611, -1741406, -162191}; /* two blocks */
    static const int32_t NARROW[4] = {-7941715, -4800767, -15182463, 182718};
    struct ob_run_id run = golden_run();
    int32_t values[4];
    ob_adapter_initial(&run, 2, 768, 0, 4, values);
    assert_memory_equal(values, FIRST, sizeof values);
    ob_adapter_initial(&run, 2, 768, 14, 4, values);
    assert_memory_equal(values, SEAM, sizeof values);
    ob_adapter_initial(&run, 7, 15, 0, 4, values);
    assert_memory_equal(values, NARROW, sizeof values);
}

/* Any slice is the slice of the whole; all values lie in their range and use it. */
static void initial_values_in_pieces_and_in_range(void **state) {
    (void)state;
    enum { COUNT = 4000 };
    static const uint64_t INPUTS[] = {1, 15, 16, 768, 4096, 1u << 24};
    static int32_t whole[COUNT], part[COUNT];
    struct ob_run_id run = golden_run();
    for (size_t n = 0; n < sizeof INPUTS / sizeof *INPUTS; n++) {
        int bits = 0;
        while (INPUTS[n] >> bits)
            bits++;
        int32_t bound = 1 << (OB_ADAPTER_EXPONENT - bits / 2), low = 0, high = 0;
        ob_adapter_initial(&run, 3, INPUTS[n], 0, COUNT, whole);
        for (size_t i = 0; i < COUNT; i++) {
            low = whole[i] < low ? whole[i] : low;
            high = whole[i] > high ? whole[i] : high;
        }
        assert_true(low >= -bound && high < bound && low < -bound / 10 * 9 && high > bound / 10 * 9);
        for (size_t first = 0, count = 1; first < COUNT; first += count, count = count * 2 + 1) {
            count = first + count > COUNT ? COUNT - first : count;
            ob_adapter_initial(&run, 3, INPUTS[n], first, count, part);
            assert_memory_equal(part, whole + first, count * sizeof *part);
        }
    }
}

static void names_are_those_of_peft(void **state) {
    (void)state;
    char name[OB_NAME_MAX], longest[OB_NAME_MAX];
    assert_true(ob_adapter_name("model.layers.0.self_attn.q_proj.weight", 'A', name));
    assert_string_equal(name, "model.layers.0.self_attn.q_proj.lora_A.weight");
    assert_false(ob_adapter_name("model.layers.0.self_attn.q_proj.bias", 'A', name));
    assert_false(ob_adapter_name("weight", 'B', name));
    memset(longest, 'x', sizeof longest);
    memcpy(longest + sizeof longest - 8, ".weight", 8);
    assert_false(ob_adapter_name(longest, 'B', name));
}

static struct ob_model *open_model(const char *name) {
    char folder[512];
    struct ob_model *model = NULL;
    struct ob_error error = {0};
    (void)snprintf(folder, sizeof folder, OB_SOURCE_ROOT "/tests/parity/checkpoints/%s", name);
    if (ob_model_open(folder, &model, &error))
        fail_msg("%s", error.text);
    return model;
}

/* RANK on what `pattern` (NULL: nothing) names. */
static enum ob_err adapt(struct ob_model *model, const char *pattern, struct ob_error *error) {
    bool *targets = calloc(model->tensor_count, sizeof *targets);
    assert_non_null(targets);
    if (pattern)
        assert_int_equal(ob_model_select(model, &pattern, 1, targets, NULL), OB_OK);
    enum ob_err failed = ob_model_adapt(model, RANK, 10, targets, error);
    free(targets);
    return failed;
}

static void adapt_refuses_what_is_no_matrix_of_a_layer(void **state) {
    (void)state;
    static const char *const PATTERNS[] = {"norms", "biases", "head", "positions", NULL};
    static const char *const MESSAGES[] = {
        "tensor transformer.h.0.ln_1.weight is not a matrix of attention or mlp",
        "tensor transformer.h.0.ln_1.bias is not a matrix of attention or mlp",
        "tensor transformer.wte.weight is not a matrix of attention or mlp",
        "tensor transformer.wpe.weight is not a matrix of attention or mlp",
        "no tensor gets an adapter; check --lora-target"};
    for (size_t i = 0; i < sizeof MESSAGES / sizeof *MESSAGES; i++) {
        struct ob_error error = {0};
        struct ob_model *model = open_model("gpt2-odd-heads");
        assert_int_equal(adapt(model, PATTERNS[i], &error), OB_EUSAGE);
        if (!strstr(error.text, MESSAGES[i]) || !strstr(error.text, "gpt2-odd-heads"))
            fail_msg("got \"%s\", expected \"%s\"", error.text, MESSAGES[i]);
        ob_model_free(model);
    }
}

/* A is (rank, in) and B (out, rank), whichever way round the family keeps its matrices. */
static void adapt_shapes_follow_inputs_and_outputs(void **state) {
    (void)state;
    static const struct {
        const char *checkpoint, *pattern;
        uint64_t in, out;
    } CASES[] = {{"gpt2-odd-heads", "transformer.h.1.attn.c_attn.weight", 15, 45},
                 {"llama-grouped", "model.layers.1.self_attn.k_proj.weight", 30, 6}};
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct ob_model *model = open_model(CASES[i].checkpoint);
        assert_int_equal(adapt(model, CASES[i].pattern, NULL), OB_OK);
        assert_int_equal(model->adapter_count, 2);
        const struct ob_model_tensor *a = &model->tensors[model->tensor_count], *b = a + 1;
        assert_true(a->shape[0] == RANK && a->shape[1] == CASES[i].in && a->dims == 2);
        assert_true(b->shape[0] == CASES[i].out && b->shape[1] == RANK && b->dims == 2);
        assert_int_equal(a->role, OB_ROLE_ADAPTER);
        ob_model_free(model);
    }
}

/* Adapters of a whole model as a peer holds them: A from the run's keystream, B zero. */
static struct ob_spsa_weights *weights_of(const struct ob_model *model, const struct ob_run_id *run) {
    struct ob_spsa_weights *weights = NULL;
    struct ob_spsa_tensor *layout = calloc(model->adapter_count, sizeof *layout);
    assert_non_null(layout);
    for (size_t i = 0; i < model->adapter_count; i++)
        layout[i] = (struct ob_spsa_tensor){.elements = model->tensors[model->tensor_count + i].elements,
                                            .exponent = OB_ADAPTER_EXPONENT,
                                            .log2_scale = (int32_t)(i % 4)};
    assert_int_equal(ob_spsa_weights_new(layout, model->adapter_count, &weights, NULL), OB_OK);
    for (size_t i = 0; i < model->adapter_count; i += 2)
        ob_adapter_initial(run, (uint32_t)i, model->tensors[model->tensor_count + i].shape[1], 0,
                           layout[i].elements, weights->values[i]);
    free(layout);
    return weights;
}

static void fill_updates(struct ob_spsa_update updates[UPDATES], uint8_t bytes[UPDATES][BYTES]) {
    for (uint32_t i = 0; i < UPDATES; i++) {
        for (uint32_t b = 0; b < BYTES; b++)
            bytes[i][b] = (uint8_t)(i * 2654435761u + b * 40503u);
        updates[i] = (struct ob_spsa_update){.machine = {{(uint8_t)(i % 3)}},
                                             .first = {(uint64_t)(i / 3) * BYTES},
                                             .round = {i / 3},
                                             .live = 3,
                                             .n = BYTES,
                                             .bytes = bytes[i]};
    }
}

/* The same digest and the same perturbed pair from every kernel, whatever the order of the records; and back,
 * to the bit. */
static void every_kernel_trains_adapters_alike(void **state) {
    (void)state;
    static const uint64_t RATES[] = {28147497671};
    struct ob_run_id run = golden_run();
    struct ob_spsa_rule rule = {.run = run,
                                .code = {96, 127},
                                .combine = OB_SPSA_CAPPED,
                                .s0 = 16,
                                .rounds_per_rate = 1,
                                .rate_count = 1,
                                .rates = RATES};
    struct ob_spsa_update updates[UPDATES];
    uint8_t bytes[UPDATES][BYTES];
    struct ob_spsa_key key = {{3}};
    struct ob_hash before, expected, digest;
    float expected_pair[2][64], pair[2][64];
    struct ob_model *model = open_model("gpt2-odd-heads");
    assert_int_equal(adapt(model, "transformer.h.*.c_*.weight", NULL), OB_OK);
    assert_int_equal(model->adapter_count, 16);
    fill_updates(updates, bytes);
    for (size_t isa = 0; ob_spsa_engine_name_at(isa); isa++) {
        if (!ob_spsa_engine_with(isa, NULL).kernels) {
            print_message("skipped: this processor has no %s\n", ob_spsa_engine_name_at(isa));
            continue;
        }
        struct ob_spsa_engine engine = ob_spsa_engine_with(isa, NULL);
        struct ob_spsa_weights *weights = weights_of(model, &run);
        assert_int_equal(ob_spsa_digest(&engine, weights, &digest, NULL), OB_OK);
        if (isa == 0)
            before = digest;
        assert_memory_equal(&digest, &before, sizeof digest);
        if (isa == 0)
            assert_int_equal(ob_spsa_apply(&engine, weights, &rule, updates, UPDATES, NULL), OB_OK);
        else /* backwards, one at a time */
            for (size_t i = UPDATES; i-- > 0;)
                assert_int_equal(ob_spsa_apply(&engine, weights, &rule, &updates[i], 1, NULL), OB_OK);
        ob_spsa_weights_read_pair(&engine, weights, &key, 1e-3f, 1, 2, 64, pair[0], pair[1]);
        assert_int_equal(ob_spsa_digest(&engine, weights, &digest, NULL), OB_OK);
        if (isa == 0) {
            expected = digest;
            memcpy(expected_pair, pair, sizeof pair);
            assert_memory_not_equal(&digest, &before, sizeof digest);
        }
        assert_memory_equal(&digest, &expected, sizeof digest);
        assert_memory_equal(pair, expected_pair, sizeof pair);
        assert_int_equal(ob_spsa_unapply(&engine, weights, &rule, updates, UPDATES, NULL), OB_OK);
        assert_int_equal(ob_spsa_digest(&engine, weights, &digest, NULL), OB_OK);
        assert_memory_equal(&digest, &before, sizeof digest);
        ob_spsa_weights_free(weights);
    }
    ob_model_free(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(initial_values_are_the_golden_ones),
        cmocka_unit_test(initial_values_in_pieces_and_in_range),
        cmocka_unit_test(names_are_those_of_peft),
        cmocka_unit_test(adapt_refuses_what_is_no_matrix_of_a_layer),
        cmocka_unit_test(adapt_shapes_follow_inputs_and_outputs),
        cmocka_unit_test(every_kernel_trains_adapters_alike),
    };
    return cmocka_run_group_tests_name("adapter", tests, NULL, NULL);
}
