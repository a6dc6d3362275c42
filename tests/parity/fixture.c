#include "tests/parity/fixture.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "model/convert/open_model.h"
#include "model/forward/pass.h"

static int is_name(const struct dirent *entry) {
    return entry->d_name[0] != '.';
}

/* Names under a folder, sorted; those for which `keep` holds. */
static struct names list_names(const char *folder, bool (*keep)(const char *name)) {
    struct names names = {0};
    struct dirent **entries = NULL;
    int count = scandir(folder, &entries, is_name, alphasort);
    for (int i = 0; i < count; i++) {
        if (!keep || keep(entries[i]->d_name)) {
            assert_true(names.count < NAMES_MAX && strlen(entries[i]->d_name) < sizeof names.list[0]);
            (void)snprintf(names.list[names.count++], sizeof names.list[0], "%.60s", entries[i]->d_name);
        }
        free(entries[i]);
    }
    free(entries);
    return names;
}

struct names checkpoints(void) {
    struct names names = list_names(OB_SOURCE_ROOT "/tests/parity/checkpoints", NULL);
    assert_true(names.count >= 21); /* none is lost */
    return names;
}

static bool has_gguf(const char *name) {
    char file[512];
    gguf_of(name, file);
    return access(file, R_OK) == 0;
}

struct names gguf_files(void) {
    struct names names = list_names(OB_SOURCE_ROOT "/tests/parity/checkpoints", has_gguf);
    assert_true(names.count >= 10);
    return names;
}

void folder_of(const char *name, char folder[512], char expected[600]) {
    (void)snprintf(folder, 512, OB_SOURCE_ROOT "/tests/parity/checkpoints/%s", name);
    (void)snprintf(expected, 600, "%s/expected.json", folder);
}

void gguf_of(const char *name, char file[512]) {
    (void)snprintf(file, 512, OB_SOURCE_ROOT "/tests/parity/gguf/%s.gguf", name);
}

void load(struct loaded *l, const char *folder, const char *expected, unsigned threads) {
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

void unload(struct loaded *l) {
    ob_batch_free(l->batch);
    ob_forward_free(l->forward);
    ob_pool_free(l->pool);
    json_decref(l->expected);
    ob_model_free(l->model);
}

void compare_losses(struct loaded *l, const struct ob_weight_source *source) {
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

void compare_logits(struct loaded *l, const struct ob_weight_source *source) {
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

static size_t widest_of(const struct ob_model_config *c) {
    size_t rows[] = {c->width, c->embedding_width, c->ff_width,
                     (size_t)c->head_width * (c->heads + 2 * (size_t)c->kv_heads)};
    size_t widest = 0;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        widest = rows[i] > widest ? rows[i] : widest;
    return widest;
}

void few_at_once(struct ob_forward *forward) {
    size_t elements = 12 * widest_of(&forward->config);
    assert_true(elements < forward->tile_elements);
    forward->tile_elements = elements;
}

void shrink_tiles(struct ob_forward *forward) {
    const struct ob_model_config *c = &forward->config;
    size_t widest = widest_of(c);
    assert_true(5 * widest / 2 < forward->tile_elements && forward->vocabulary_tile > 7);
    forward->tile_elements = 5 * widest / 2;
    forward->vocabulary_tile = c->embedding_width * 7 < forward->tile_elements ? 7 : 2;
}

void compare(const char *folder, const char *expected) {
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

struct ob_spsa_weights *weights_of(const struct ob_model *model) {
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

void move(struct ob_spsa_weights *moved, const struct ob_spsa_weights *weights, const struct ob_spsa_key *key,
          bool plus) {
    for (size_t t = 0; t < weights->count; t++)
        for (uint64_t i = 0; i < weights->tensors[t].elements; i++) {
            uint8_t bits[64];
            ob_spsa_direction_bits(key, (uint32_t)t, (uint32_t)(i / 512), 1, bits);
            int sign = (bits[i % 512 / 8] >> (i % 8)) & 1 ? -1 : 1;
            int32_t step = (1 << 19) * (1 << weights->tensors[t].log2_scale); /* epsilon · 2^26 · scale */
            moved->values[t][i] = weights->values[t][i] + (plus ? sign : -sign) * step;
        }
}
