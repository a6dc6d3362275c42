/* Logits and losses against Hugging Face transformers, from the files that make_logits.py wrote.
 *
 * Tolerance: 1e-4 of the largest logit of a position (at least 1e-4), and 1e-5 of a loss: both sides compute
 * in float32 with sums in another order, which moves a logit by a few times 1e-6 of the terms that it sums; a
 * wrong formula (a norm's epsilon, a rotation, a head's grouping) moves it by far more. */
#include "tests/unit/cmocka_all.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/adapter.h"
#include "model/export.h"
#include "model/forward.h"
#include "model/pass.h"
#include "model/safetensors.h"
#include "model/select.h"

struct loaded {
    struct ob_model *model;
    json_t *expected;
    struct ob_forward *forward;
    struct ob_batch *batch;
    struct ob_pool *pool;
};

static void load(struct loaded *l, const char *folder, const char *expected, unsigned threads) {
    struct ob_error error = {0};
    enum ob_err failed = ob_model_open(folder, &l->model, &error);
    if (failed)
        fail_msg("%s", error.text);
    l->expected = json_load_file(expected, 0, NULL);
    assert_non_null(l->expected);
    assert_int_equal(ob_pool_new(threads, &l->pool, NULL), OB_OK);
    assert_int_equal(ob_forward_new(&l->model->config, 512, 4, l->pool, &l->forward, NULL), OB_OK);
    assert_int_equal(ob_batch_new(4, 512, &l->batch, NULL), OB_OK);
    for (size_t s = 0; s < 4; s++) {
        const json_t *sequence = json_array_get(json_object_get(l->expected, "sequences"), s);
        int32_t tokens[512];
        for (size_t i = 0; i < json_array_size(sequence); i++)
            tokens[i] = (int32_t)json_integer_value(json_array_get(sequence, i));
        assert_true(ob_batch_add(l->batch, tokens, json_array_size(sequence), 1));
    }
}

static void unload(struct loaded *l) {
    ob_batch_free(l->batch);
    ob_forward_free(l->forward);
    ob_pool_free(l->pool);
    json_decref(l->expected);
    ob_model_free(l->model);
}

static void compare_losses(struct loaded *l, const struct ob_weight_source *source) {
    double sums[2 * 4];
    uint32_t counts[4];
    assert_int_equal(ob_forward_sequence_losses(l->forward, source, l->batch, sums, counts, NULL), OB_OK);
    for (size_t s = 0; s < 4; s++) {
        double expected = json_number_value(json_array_get(json_object_get(l->expected, "losses"), s));
        assert_int_equal(counts[s], l->batch->offsets[s + 1] - l->batch->offsets[s] - 1);
        if (!(fabs(sums[s] - expected) <= 1e-5 * fabs(expected) + 1e-5))
            fail_msg("%s: sequence %zu: loss %.8f, expected %.8f", l->model->path, s, sums[s], expected);
    }
}

static void compare_logits(struct loaded *l, const struct ob_weight_source *source) {
    float *logits = calloc(l->model->config.vocabulary, sizeof *logits);
    assert_non_null(logits);
    for (size_t s = 0; s < 4; s++) {
        const json_t *expected = json_array_get(json_object_get(l->expected, "logits"), s);
        assert_int_equal(json_array_size(expected), l->model->config.vocabulary);
        assert_int_equal(
            ob_forward_logits(l->forward, source, l->batch, l->batch->offsets[s + 1] - 1, logits, NULL),
            OB_OK);
        double largest = 1.0;
        for (size_t i = 0; i < json_array_size(expected); i++)
            largest = fmax(largest, fabs(json_number_value(json_array_get(expected, i))));
        for (size_t i = 0; i < json_array_size(expected); i++) {
            double value = json_number_value(json_array_get(expected, i));
            if (!(fabs((double)logits[i] - value) <= 1e-4 * largest))
                fail_msg("%s: sequence %zu, logit %zu: %.6f, expected %.6f", l->model->path, s, i,
                         (double)logits[i], value);
        }
    }
    free(logits);
}

/* These models fit one tile each; large ones do not. Tiles of a few rows walk through every seam. */
static void shrink_tiles(struct ob_forward *forward) {
    const struct ob_model_config *c = &forward->config;
    size_t rows[] = {c->width, c->embedding_width, c->ff_width,
                     (size_t)c->head_width * (c->heads + 2 * (size_t)c->kv_heads)};
    size_t widest = 0;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        widest = rows[i] > widest ? rows[i] : widest;
    assert_true(5 * widest / 2 < forward->tile_elements && forward->vocabulary_tile > 7);
    forward->tile_elements = 5 * widest / 2;
    forward->vocabulary_tile = c->embedding_width * 7 < forward->tile_elements ? 7 : 2;
}

static void compare(const char *folder, const char *expected) {
    for (unsigned threads = 1; threads <= 2; threads++) {
        struct loaded l;
        load(&l, folder, expected, threads);
        struct ob_weight_source source = {.model = l.model};
        compare_losses(&l, &source);
        compare_logits(&l, &source);
        shrink_tiles(l.forward);
        compare_losses(&l, &source);
        compare_logits(&l, &source);
        unload(&l);
    }
}

static const char *const CHECKPOINTS[] = {
    "gpt2-odd-heads",
    "gpt2-inner-bf16",
    "gpt2-untied",
    "opt-before",
    "opt-350m-like-f16",
    "opt-wide-embedding",
    "neox-partial",
    "neox-in-sequence",
    "llama-grouped",
    "llama-tied-f16",
    "llama3-rope-biases",
    "llama-rope-linear",
    "mistral-window",
    "mistral-no-window",
    "qwen2-window",
    "qwen2-untied-bf16",
    "qwen3-norms",
    "qwen3-biases-bf16",
    "gemma",
    "gemma2-caps",
    "gemma3-two-angles",
};
#define CHECKPOINT_COUNT (sizeof CHECKPOINTS / sizeof *CHECKPOINTS)

static void folder_of(const char *name, char folder[512], char expected[600]) {
    (void)snprintf(folder, 512, OB_SOURCE_ROOT "/tests/parity/checkpoints/%s", name);
    (void)snprintf(expected, 600, "%s/expected.json", folder);
}

static void random_checkpoints(void **state) {
    (void)state;
    for (size_t i = 0; i < CHECKPOINT_COUNT; i++) {
        char folder[512], expected[600];
        folder_of(CHECKPOINTS[i], folder, expected);
        compare(folder, expected);
    }
}

/* Quantised tensors of several types in one file, decoded as the pass needs them. */
static void quantised_file(void **state) {
    (void)state;
    compare(OB_SOURCE_ROOT "/tests/parity/gguf/llama-mixed.gguf",
            OB_SOURCE_ROOT "/tests/parity/gguf/llama-mixed.json");
}

static void shipped_model(void **state) {
    (void)state;
    compare(OB_SOURCE_ROOT "/examples/kjv-1m", OB_SOURCE_ROOT "/tests/parity/kjv-1m.json");
}

static struct ob_spsa_weights *weights_of(const struct ob_model *model) {
    struct ob_spsa_tensor *layout = calloc(model->tensor_count, sizeof *layout);
    struct ob_spsa_weights *weights = NULL;
    assert_non_null(layout);
    for (size_t i = 0; i < model->tensor_count; i++)
        layout[i] = (struct ob_spsa_tensor){
            .elements = model->tensors[i].elements, .exponent = 26, .log2_scale = (int)(i % 3)};
    assert_int_equal(ob_spsa_weights_new(layout, model->tensor_count, &weights, NULL), OB_OK);
    for (size_t i = 0; i < model->tensor_count; i++) {
        float *values = calloc(model->tensors[i].elements, sizeof *values);
        assert_non_null(values);
        ob_model_read(model, i, 0, model->tensors[i].elements, values);
        assert_int_equal(
            ob_spsa_weights_set(weights, (uint32_t)i, 0, model->tensors[i].elements, values, NULL), OB_OK);
        free(values);
    }
    free(layout);
    return weights;
}

/* Moves weights by hand as one lane sees them. */
static void move(struct ob_spsa_weights *moved, const struct ob_spsa_weights *weights,
                 const struct ob_spsa_key *key, bool plus) {
    for (size_t t = 0; t < weights->count; t++)
        for (uint64_t i = 0; i < weights->tensors[t].elements; i++) {
            uint8_t bits[64];
            ob_spsa_direction_bits(key, (uint32_t)t, (uint32_t)(i / 512), 1, bits);
            int sign = (bits[i % 512 / 8] >> (i % 8)) & 1 ? -1 : 1;
            int32_t step = (1 << 19) * (1 << weights->tensors[t].log2_scale); /* epsilon · 2^26 · scale */
            moved->values[t][i] = weights->values[t][i] + (plus ? sign : -sign) * step;
        }
}

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
    for (size_t n = 0; n < CHECKPOINT_COUNT; n++) {
        char folder[512], expected[600];
        struct loaded l;
        folder_of(CHECKPOINTS[n], folder, expected);
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

/* An F32 export holds exactly the floats that the forward pass uses. Loaded again, it gives the same integers
 * wherever a float holds them (|m| <= 2^24), the float's own elsewhere, and exporting that gives the same
 * file. */
static void export_of_f32_is_exact(void **state) {
    (void)state;
    char folder[] = "/tmp/onebyte-export-XXXXXX", first[64], command[128];
    struct loaded l;
    load(&l, OB_SOURCE_ROOT "/tests/parity/checkpoints/qwen3-norms",
         OB_SOURCE_ROOT "/tests/parity/checkpoints/qwen3-norms/expected.json", 2);
    assert_non_null(mkdtemp(folder));
    (void)snprintf(first, sizeof first, "%s/first", folder);
    struct ob_spsa_engine engine = ob_spsa_engine_best(l.pool);
    struct ob_spsa_weights *weights = weights_of(l.model);
    struct ob_spsa_key key = {{7}};
    move(weights, weights, &key, true);
    for (size_t t = 0; t < weights->count; t++) /* odd low bits, large values: floats that must round */
        for (uint64_t i = 0; i < weights->tensors[t].elements; i++)
            weights->values[t][i] += (int32_t)(i % 7 * 12345) + (i % 11 == 0 ? (1 << 27) + 1 : 0);
    struct ob_weight_source source = {.model = l.model, .weights = weights, .engine = &engine};
    struct ob_error error = {0};
    struct ob_export_options options = {.format = OB_EXPORT_SAFETENSORS, .dtype = OB_DTYPE_F32};
    if (ob_model_export(&source, &options, first, &error))
        fail_msg("%s", error.text);
    struct ob_model *again = NULL;
    if (ob_model_open(first, &again, &error))
        fail_msg("%s", error.text);
    struct ob_spsa_weights *loaded = weights_of(again);
    size_t rounded = 0;
    for (size_t t = 0; t < weights->count; t++)
        for (uint64_t i = 0; i < weights->tensors[t].elements; i++) {
            float used, read, reloaded;
            float *const lanes[2] = {&used, NULL};
            ob_source_read(&source, t, i, 1, lanes);
            ob_model_read(again, t, i, 1, &read);
            ob_spsa_weights_read(&engine, loaded, (uint32_t)t, i, 1, &reloaded);
            assert_memory_equal(&used, &read, sizeof used);
            assert_memory_equal(&used, &reloaded, sizeof used);
            if (abs(weights->values[t][i]) <= 1 << 24)
                assert_int_equal(weights->values[t][i], loaded->values[t][i]);
            else
                rounded += weights->values[t][i] != loaded->values[t][i];
        }
    assert_true(rounded > 0);
    ob_spsa_weights_free(loaded);
    ob_spsa_weights_free(weights);
    ob_model_free(again);
    unload(&l);
    (void)snprintf(command, sizeof command, "rm -r %s", folder);
    assert_int_equal(system(command), 0);
}

/* Adapters on every matrix of a loaded model, and nothing else trained. */
struct adapted {
    struct ob_spsa_weights *weights;
    int64_t *trainable;
    struct ob_spsa_engine engine;
    struct ob_weight_source source;
};

static void adapt(struct loaded *l, struct adapted *a) {
    struct ob_model *model = l->model;
    struct ob_run_id run = {{{5}}};
    bool *targets = calloc(model->tensor_count, sizeof *targets);
    assert_non_null(targets);
    assert_int_equal(ob_model_select(model, (const char *[]){"attention", "mlp"}, 2, targets, NULL), OB_OK);
    assert_int_equal(ob_model_adapt(model, 3, 4.5, targets, NULL), OB_OK);
    free(targets);
    ob_forward_free(l->forward);
    assert_int_equal(ob_forward_new(&model->config, 512, 4, l->pool, &l->forward, NULL), OB_OK);
    struct ob_spsa_tensor *layout = calloc(model->adapter_count, sizeof *layout);
    a->trainable = calloc(model->tensor_count + model->adapter_count, sizeof *a->trainable);
    assert_true(layout && a->trainable);
    for (size_t i = 0; i < model->tensor_count; i++)
        a->trainable[i] = -1;
    for (size_t i = 0; i < model->adapter_count; i++) {
        layout[i] = (struct ob_spsa_tensor){.elements = model->tensors[model->tensor_count + i].elements,
                                            .exponent = OB_ADAPTER_EXPONENT};
        a->trainable[model->tensor_count + i] = (int64_t)i;
    }
    assert_int_equal(ob_spsa_weights_new(layout, model->adapter_count, &a->weights, NULL), OB_OK);
    for (size_t i = 0; i < model->adapter_count; i += 2)
        ob_adapter_initial(&run, (uint32_t)i, model->tensors[model->tensor_count + i].shape[1], 0,
                           layout[i].elements, a->weights->values[i]);
    free(layout);
    a->engine = ob_spsa_engine_best(l->pool);
    a->source = (struct ob_weight_source){
        .model = model, .weights = a->weights, .trainable = a->trainable, .engine = &a->engine};
}

static void export_to(const struct ob_weight_source *source, enum ob_export_format format,
                      const char *folder) {
    struct ob_export_options options = {.format = format, .dtype = OB_DTYPE_F32};
    struct ob_error error = {0};
    if (ob_model_export(source, &options, folder, &error))
        fail_msg("%s", error.text);
}

static double loss_of(struct loaded *l, const struct ob_weight_source *source) {
    double loss;
    assert_int_equal(ob_forward_losses(l->forward, source, l->batch, &loss, NULL), OB_OK);
    return loss;
}

static double loss_of_exported(struct loaded *l, const char *folder) {
    struct loaded other = *l;
    struct ob_model *model = NULL;
    struct ob_error error = {0};
    if (ob_model_open(folder, &model, &error))
        fail_msg("%s", error.text);
    assert_int_equal(ob_forward_new(&model->config, 512, 4, l->pool, &other.forward, NULL), OB_OK);
    struct ob_weight_source source = {.model = model};
    double loss = loss_of(&other, &source);
    ob_forward_free(other.forward);
    ob_model_free(model);
    return loss;
}

/* PEFT's names, and the floats that the forward pass uses. */
static void compare_peft(const struct adapted *a, const char *folder) {
    char path[128];
    struct ob_checkpoint *file = NULL;
    (void)snprintf(path, sizeof path, "%s/adapter_model.safetensors", folder);
    assert_int_equal(ob_safetensors_open(path, &file, NULL), OB_OK);
    const struct ob_model *model = a->source.model;
    assert_int_equal(file->count, model->adapter_count);
    for (size_t i = model->tensor_count; i < model->tensor_count + model->adapter_count; i++) {
        char name[256];
        float used[64], written[64];
        float *const lanes[2] = {used, NULL};
        size_t count = model->tensors[i].elements < 64 ? (size_t)model->tensors[i].elements : 64;
        (void)snprintf(name, sizeof name, "base_model.model.%s", model->tensors[i].name);
        int64_t at = ob_checkpoint_find(file, name);
        assert_true(at >= 0);
        ob_source_read(&a->source, i, 0, count, lanes);
        ob_checkpoint_read(&file->tensors[at], 0, count, written);
        assert_memory_equal(used, written, count * sizeof *used);
    }
    ob_checkpoint_free(file);
}

/* The forward pass with adapters gives the losses of the model into which they are merged, in both layouts of
 * matrices; with B at zero it is the base; two lanes lie on both sides. */
static void adapters_are_their_merged_model(void **state) {
    (void)state;
    static const char *const NAMES[] = {"llama-grouped", "gpt2-odd-heads", "neox-partial",
                                        "opt-350m-like-f16"};
    for (size_t n = 0; n < 4; n++) {
        char folder[512], expected[600], out[] = "/tmp/onebyte-adapters-XXXXXX", merged[64], peft[64],
                                         command[64];
        struct loaded l;
        struct adapted a = {0};
        folder_of(NAMES[n], folder, expected);
        load(&l, folder, expected, 2);
        adapt(&l, &a);
        struct ob_weight_source base = {.model = l.model}, lanes = a.source;
        double without = loss_of(&l, &base), pair[2];
        assert_true(loss_of(&l, &a.source) == without);
        for (size_t i = 1; i < a.weights->count; i += 2) /* B */
            for (uint64_t k = 0; k < a.weights->tensors[i].elements; k++)
                a.weights->values[i][k] = (int32_t)((k * 2654435761u + i) % 40000001u) - 20000000;
        double with = loss_of(&l, &a.source);
        assert_true(fabs(with - without) > 1e-3);
        struct ob_spsa_key key = {{9}};
        lanes.key = &key;
        lanes.epsilon = 0x1p-12f;
        assert_int_equal(ob_forward_losses(l.forward, &lanes, l.batch, pair, NULL), OB_OK);
        assert_true(pair[0] != pair[1] && fabs(0.5 * (pair[0] + pair[1]) - with) < 1e-2 * with);
        assert_non_null(mkdtemp(out));
        (void)snprintf(merged, sizeof merged, "%s/merged", out);
        (void)snprintf(peft, sizeof peft, "%s/peft", out);
        export_to(&a.source, OB_EXPORT_SAFETENSORS, merged);
        export_to(&a.source, OB_EXPORT_PEFT, peft);
        double again = loss_of_exported(&l, merged);
        if (!(fabs(again - with) <= 1e-5 * with))
            fail_msg("%s: loss %.8f with adapters, %.8f merged", NAMES[n], with, again);
        compare_peft(&a, peft);
        (void)snprintf(command, sizeof command, "rm -r %s", out);
        assert_int_equal(system(command), 0);
        ob_spsa_weights_free(a.weights);
        free(a.trainable);
        unload(&l);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_checkpoints),     cmocka_unit_test(quantised_file),
        cmocka_unit_test(shipped_model),          cmocka_unit_test(two_lanes_are_two_perturbed_models),
        cmocka_unit_test(export_of_f32_is_exact), cmocka_unit_test(adapters_are_their_merged_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
