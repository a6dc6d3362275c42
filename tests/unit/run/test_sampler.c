/* Samples of a pass: each is what it would be alone, whatever goes through the model with it, on a model of GPT-2's type
 * and one of Llama's, in every way to multiply. */
#include "tests/unit/cmocka_all.h"

#include <math.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/convert/open_model.h"
#include "model/convert/open_tokenizer.h"
#include "model/forward/products.h"
#include "run/manifest_create.h"
#include "run/replica.h"
#include "run/sampler.h"
#include "tests/support/folder.h"
#include "tests/support/random.h"

#define KJV OB_SOURCE_ROOT "/examples/kjv-1m"

enum { PASS_MAX = 48 };

/* One model and rows. */
struct place {
    struct test_folder folder;
    struct ob_manifest *manifest;
    struct ob_replica *replica;
    struct ob_tokenizer *tokenizer;
    struct ob_corpus *text, *choices;
};

/* ---- a model of Llama's type, large enough for products in bfloat16 ---- */

enum { WIDTH = 64, FF = 160, VOCABULARY = 1024, LAYERS = 2 };

struct tensor {
    const char *name;
    int rows, columns;
};

static const struct tensor OUTSIDE[] = {{"model.embed_tokens.weight", VOCABULARY, WIDTH},
                                        {"model.norm.weight", WIDTH, 0}},
                           INSIDE[] = {{"input_layernorm.weight", WIDTH, 0},
                                       {"post_attention_layernorm.weight", WIDTH, 0},
                                       {"self_attn.q_proj.weight", WIDTH, WIDTH},
                                       {"self_attn.k_proj.weight", WIDTH / 2, WIDTH},
                                       {"self_attn.v_proj.weight", WIDTH / 2, WIDTH},
                                       {"self_attn.o_proj.weight", WIDTH, WIDTH},
                                       {"mlp.gate_proj.weight", FF, WIDTH},
                                       {"mlp.up_proj.weight", FF, WIDTH},
                                       {"mlp.down_proj.weight", WIDTH, FF}};

struct file {
    char header[8192];
    size_t used, elements;
    float *values;
};

static void put_tensor(struct file *file, const char *prefix, const struct tensor *t,
                       struct test_random *random) {
    size_t count = (size_t)t->rows * (t->columns ? (size_t)t->columns : 1);
    char shape[32];
    (void)snprintf(shape, sizeof shape, t->columns ? "%d,%d" : "%d", t->rows, t->columns);
    file->used += (size_t)snprintf(file->header + file->used, sizeof file->header - file->used,
                                   "%s\"%s%s\":{\"dtype\":\"F32\",\"shape\":[%s],\"data_offsets\":[%zu,%zu]}",
                                   file->used > 1 ? "," : "", prefix, t->name, shape, file->elements * 4,
                                   (file->elements + count) * 4);
    assert_true(file->used < sizeof file->header - 8);
    for (size_t i = 0; i < count; i++) {
        double uniform = (double)(test_random_next(random) >> 11) * 0x1p-53 - 0.5;
        file->values[file->elements++] = t->columns ? (float)(0.3 * uniform) : 1.0f;
    }
}

static void write_llama(const struct test_folder *folder) {
    struct file file = {.header = "{", .used = 1, .values = calloc(1 << 19, sizeof(float))};
    struct test_random random = {17};
    char prefix[32], path[TEST_PATH_MAX];
    assert_non_null(file.values);
    test_folder_print(
        folder, "config.json",
        "{\"architectures\": [\"LlamaForCausalLM\"], \"model_type\": \"llama\", \"vocab_size\": %d,"
        " \"hidden_size\": %d, \"intermediate_size\": %d, \"num_hidden_layers\": %d,"
        " \"num_attention_heads\": 4, \"num_key_value_heads\": 2, \"rms_norm_eps\": 1e-5,"
        " \"rope_theta\": 10000.0, \"max_position_embeddings\": 128, \"hidden_act\": \"silu\","
        " \"tie_word_embeddings\": true, \"torch_dtype\": \"float32\"}",
        VOCABULARY, WIDTH, FF, LAYERS);
    for (size_t i = 0; i < sizeof OUTSIDE / sizeof *OUTSIDE; i++)
        put_tensor(&file, "", &OUTSIDE[i], &random);
    for (int layer = 0; layer < LAYERS; layer++) {
        (void)snprintf(prefix, sizeof prefix, "model.layers.%d.", layer);
        for (size_t i = 0; i < sizeof INSIDE / sizeof *INSIDE; i++)
            put_tensor(&file, prefix, &INSIDE[i], &random);
    }
    file.header[file.used++] = '}';
    while (file.used % 8 != 0)
        file.header[file.used++] = ' ';
    size_t bytes = 8 + file.used + file.elements * 4;
    uint8_t *data = calloc(1, bytes);
    assert_non_null(data);
    uint64_t length = file.used;
    memcpy(data, &length, 8);
    memcpy(data + 8, file.header, file.used);
    memcpy(data + 8 + file.used, file.values, file.elements * 4);
    test_file_write(test_folder_path(folder, "model.safetensors", path), data, bytes);
    free(data);
    free(file.values);
}

/* ---- a run over it ---- */

static void write_rows(const struct test_folder *folder) {
    static const char *const WORDS[] = {"the lord",  "and he said", "water",
                                        "unto them", "day",         "it came to pass"};
    char text[8192], choices[8192];
    size_t at = 0, also = 0;
    for (unsigned i = 0; i < 24; i++) {
        at += (size_t)snprintf(text + at, sizeof text - at, "{\"text\": \"%s %s%s%s\"}\n", WORDS[i % 6],
                               WORDS[(i / 2) % 6], i % 3 ? " " : "", i % 3 ? WORDS[(i * 5 + 1) % 6] : "");
        also +=
            (size_t)snprintf(choices + also, sizeof choices - also,
                             "{\"prompt\": \"%s %s:\", \"choices\": [\" good\", \" bad\"], \"label\": %u}\n",
                             WORDS[(i * 5 + i / 6) % 6], WORDS[i % 6], i % 2);
    }
    test_folder_write(folder, "text.jsonl", text, at);
    test_folder_write(folder, "choices.jsonl", choices, also);
}

static struct ob_corpus *rows_of(const struct place *p, const char *name) {
    char path[TEST_PATH_MAX];
    struct ob_error error = {0};
    struct ob_corpus *corpus = NULL;
    struct ob_corpus_options options = {.length_max = 24};
    if (ob_corpus_open(test_folder_path(&p->folder, name, path), p->tokenizer, &options, &corpus, &error))
        fail_msg("%s", error.text);
    return corpus;
}

enum trained { ALL, ADAPTERS, LAST_ADAPTERS, BIASES };

/* Adapters on every matrix, or on those of the last layer, their B moved away from zero; or the biases of a model of
 * GPT-2's type; or everything. */
static void open_place(struct place *p, bool llama, enum trained trained) {
    static const char *const TARGETS[] = {"attention", "mlp"}, *const LAST[] = {
                                                                   "transformer.h.3.*.c_*.weight"};
    static const char *const SHIFTS[] = {"*.bias"};
    bool adapters = trained == ADAPTERS || trained == LAST_ADAPTERS;
    struct ob_manifest_options options = ob_manifest_defaults();
    struct ob_model *model = NULL;
    struct ob_error error = {0};
    char manifest[TEST_PATH_MAX];
    *p = (struct place){0};
    test_folder_make(&p->folder);
    test_folder_path(&p->folder, "run.json", manifest);
    options.learning_rate = 1e-3;
    options.lora_rank = adapters ? 4 : 0;
    options.lora_alpha = 8;
    options.lora_targets = trained == LAST_ADAPTERS ? LAST : TARGETS;
    options.lora_target_count = trained == LAST_ADAPTERS ? 1 : 2;
    options.trainable = SHIFTS;
    options.trainable_count = trained == BIASES ? 1 : 0;
    memset(options.authority.key, 7, OB_KEY_BYTES);
    if (llama)
        write_llama(&p->folder);
    const char *folder = llama ? p->folder.path : KJV;
    if (ob_model_open(folder, &model, &error) || ob_manifest_create(model, &options, manifest, &error) ||
        ob_manifest_read(manifest, &p->manifest, &error))
        fail_msg("%s", error.text);
    p->manifest->run = p->manifest->rule.run =
        (struct ob_run_id){{{5}}}; /* the same adapters and directions each time */
    if (ob_replica_new(p->manifest, folder, 2, NULL, &p->replica, &error) ||
        ob_tokenizer_open(KJV, &p->tokenizer, &error))
        fail_msg("%s", error.text);
    ob_model_free(model);
    for (size_t i = 1; i < p->replica->weights->count && adapters; i += 2) /* B */
        for (uint64_t k = 0; k < p->replica->weights->tensors[i].elements; k++)
            p->replica->weights->values[i][k] = (int32_t)((k * 2654435761u + i) % 8000001u) - 4000000;
    write_rows(&p->folder);
    p->text = rows_of(p, "text.jsonl");
    p->choices = rows_of(p, "choices.jsonl");
}

static void close_place(struct place *p) {
    ob_corpus_free(p->text);
    ob_corpus_free(p->choices);
    ob_tokenizer_free(p->tokenizer);
    ob_replica_free(p->replica);
    ob_manifest_free(p->manifest);
    test_folder_remove(&p->folder);
}

static struct ob_sampler_options options_of(const struct place *p, const struct ob_corpus *corpus) {
    return (struct ob_sampler_options){.model = &p->replica->model->config,
                                       .pool = p->replica->pool,
                                       .corpus = corpus,
                                       .run = p->manifest->run,
                                       .code = p->manifest->rule.code,
                                       .epsilon = 0x1p-5f,
                                       .rows = 12,
                                       .rows_per_sample = 1,
                                       .directions = 1,
                                       .memory_bytes = (size_t)1 << 30};
}

static struct ob_sampler *sampler_of(const struct ob_sampler_options *options) {
    struct ob_sampler *sampler = NULL;
    struct ob_error error = {0};
    if (ob_sampler_new(options, &sampler, &error))
        fail_msg("%s", error.text);
    return sampler;
}

static const struct ob_machine_id MACHINE = {{3}};

static void run(const struct place *p, struct ob_sampler *sampler, uint64_t first, size_t count,
                struct ob_sampled *ret_samples) {
    struct ob_weight_source source = ob_replica_source(p->replica);
    struct ob_error error = {0};
    if (ob_sampler_run(sampler, &source, &MACHINE, (struct ob_sample){first}, count, false, ret_samples,
                       &error))
        fail_msg("%s", error.text);
}

/* The same samples with a pass for each: the losses are compared, because estimates of one side depend on the pass. */
static void compare(const struct place *p, const struct ob_sampler_options *options,
                    const struct ob_products *way, double tolerance) {
    struct ob_sampler_options alone = *options;
    struct ob_sampled packed[PASS_MAX], single;
    alone.rows = options->rows_per_sample;
    struct ob_sampler *together = sampler_of(options), *apart = sampler_of(&alone);
    size_t count = ob_sampler_pass(together);
    double moved = 0;
    assert_true(count <= PASS_MAX);
    assert_int_equal(ob_forward_use(ob_sampler_forward(together), way, NULL), OB_OK);
    assert_int_equal(ob_forward_use(ob_sampler_forward(apart), way, NULL), OB_OK);
    for (uint64_t first = 5 * options->directions; first < 29; first += count) { /* over an epoch's end */
        run(p, together, first, count, packed);
        for (size_t k = 0; k < count; k++) {
            run(p, apart, first + k, 1, &single);
            const struct ob_spsa_sides *a = &packed[k].losses, *b = &single.losses;
            double unit = tolerance * (1 + single.loss);
            if (fabs(a->plus - b->plus) > unit || fabs(a->minus - b->minus) > unit ||
                fabs(a->centre - b->centre) > unit || fabs(packed[k].loss - single.loss) > unit)
                fail_msg("%s: sample %zu: %.9g %.9g %.9g packed, %.9g %.9g %.9g alone", way->name, k, a->plus,
                         a->minus, a->centre, b->plus, b->minus, b->centre);
            moved = fmax(moved, fabs(single.losses.plus - (single.losses.minus + single.losses.centre)));
        }
    }
    assert_true(moved > 30 * tolerance); /* what mixed up samples would show */
    ob_sampler_free(together);
    ob_sampler_free(apart);
}

/* Tolerance: 5e-6 of 1 + the loss in float32, 1e-4 in bfloat16, where a state may be rounded to the other of two
 * neighbours. */
static void compare_ways(const struct place *p, const struct ob_sampler_options *options) {
    for (size_t i = 0; ob_products_at(i); i++)
        if (ob_products_available(ob_products_at(i), NULL))
            compare(p, options, ob_products_at(i), i == 0 ? 5e-6 : 1e-4);
}

static void samples_are_what_each_is_alone(void **state) {
    (void)state;
    for (int kind = 0; kind < 4; kind++) {
        struct place p;
        open_place(&p, kind % 2 == 1, kind < 2 ? ADAPTERS : ALL);
        for (int choices = 0; choices < 2; choices++) {
            struct ob_sampler_options options = options_of(&p, choices ? p.choices : p.text);
            compare_ways(&p, &options);
            options.rows_per_sample = choices ? 1 : 3;
            options.directions = choices ? 3 : 1;
            options.one_sided = choices;
            compare_ways(&p, &options);
        }
        close_place(&p);
    }
}

/* A pass that is split into packs for want of memory has the same losses, and stays within the memory. */
static void little_memory_splits_a_pass(void **state) {
    (void)state;
    struct place p;
    open_place(&p, true, ADAPTERS);
    for (int one_sided = 0; one_sided < 2; one_sided++) {
        struct ob_sampler_options options = options_of(&p, p.choices), tight;
        struct ob_sampled whole[PASS_MAX], split[PASS_MAX];
        options.directions = 2;
        options.one_sided = one_sided;
        tight = options;
        tight.memory_bytes = 0; /* one sample at a time */
        struct ob_sampler *a = sampler_of(&options), *b = sampler_of(&tight);
        assert_true(2 * ob_forward_bytes(ob_sampler_forward(b)) <
                    3 * ob_forward_bytes(ob_sampler_forward(a)));
        run(&p, a, 0, ob_sampler_pass(a), whole);
        run(&p, b, 0, ob_sampler_pass(a), split);
        for (size_t k = 0; k < ob_sampler_pass(a); k++) /* of one side, the others are those of the pass */
            assert_true(fabs(whole[k].g - split[k].g) < 1e-4 * fmax(1, fabs(whole[k].g)));
        tight.memory_bytes =
            (ob_forward_bytes(ob_sampler_forward(a)) + ob_forward_bytes(ob_sampler_forward(b))) / 2;
        struct ob_sampler *c = sampler_of(&tight);
        assert_true(ob_forward_bytes(ob_sampler_forward(c)) <= tight.memory_bytes);
        ob_sampler_free(a);
        ob_sampler_free(b);
        ob_sampler_free(c);
    }
    close_place(&p);
}

/* Each machine walks an order of its own through the same file, twice the same; an epoch has every row once. */
static void machines_walk_their_own_order(void **state) {
    (void)state;
    struct place p;
    struct ob_sampled first[PASS_MAX], again[PASS_MAX], other[PASS_MAX];
    struct ob_machine_id neighbour = {{4}};
    open_place(&p, false, ADAPTERS);
    struct ob_weight_source source = ob_replica_source(p.replica);
    struct ob_sampler_options options = options_of(&p, p.text);
    options.rows = ob_corpus_items(p.text);
    options.one_sided = true; /* the centre is the row's own loss */
    struct ob_sampler *sampler = sampler_of(&options);
    run(&p, sampler, 0, options.rows, first);
    run(&p, sampler, 0, options.rows, again);
    assert_int_equal(
        ob_sampler_run(sampler, &source, &neighbour, (struct ob_sample){0}, options.rows, false, other, NULL),
        OB_OK);
    size_t same = 0;
    double sum = 0, other_sum = 0;
    for (size_t k = 0; k < options.rows; k++) {
        assert_int_equal(first[k].byte, again[k].byte);
        same += fabs(first[k].loss - other[k].loss) < 1e-6;
        sum += first[k].loss;
        other_sum += other[k].loss;
    }
    assert_true(same < options.rows / 2);
    assert_true(fabs(sum - other_sum) < 1e-4);
    ob_sampler_free(sampler);
    close_place(&p);
}

/* The estimates of a pass are those of spsa/estimates.h, and a centre that is asked for comes with them. */
static void estimates_follow_the_losses(void **state) {
    (void)state;
    struct place p;
    struct ob_sampled samples[PASS_MAX], with[PASS_MAX];
    struct ob_spsa_sides losses[PASS_MAX];
    double g[PASS_MAX];
    open_place(&p, true, ADAPTERS);
    struct ob_weight_source source = ob_replica_source(p.replica);
    struct ob_sampler_options options = options_of(&p, p.choices);
    struct ob_sampler *two = sampler_of(&options);
    options.one_sided = true;
    options.directions = 4;
    struct ob_sampler *one = sampler_of(&options);
    run(&p, two, 0, 12, samples);
    assert_int_equal(ob_sampler_run(two, &source, &MACHINE, (struct ob_sample){0}, 12, true, with, NULL),
                     OB_OK);
    for (size_t k = 0; k < 12; k++) {
        double expected = (samples[k].losses.plus - samples[k].losses.minus) * 16;
        assert_true(fabs(samples[k].g - expected) < 1e-9);
        assert_true(fabs(with[k].g - samples[k].g) < 1e-4 * fmax(1, fabs(expected)));
    }
    assert_int_equal(ob_sampler_run(one, &source, &MACHINE, (struct ob_sample){0}, 48, true, samples, NULL),
                     OB_OK);
    for (size_t k = 0; k < 48; k++) { /* measured: two-sided */
        assert_true(fabs(samples[k].g - (samples[k].losses.plus - samples[k].losses.minus) * 16) < 1e-9);
        assert_true(fabs(samples[k].losses.centre - with[k / 4].losses.centre) < 1e-5);
    }
    run(&p, one, 0, 48, samples);
    for (size_t k = 0; k < 48; k++)
        losses[k] = samples[k].losses;
    ob_spsa_one_sided(losses, 48, 0x1p-5, g);
    for (size_t k = 0; k < 48; k++) {
        assert_true(fabs(samples[k].g - g[k]) < 1e-12);
        assert_true(fabs(samples[k].losses.centre - with[k / 4].losses.centre) < 1e-5);
        assert_true(fabs(samples[k].losses.centre - samples[k / 4 * 4].losses.centre) < 1e-12);
    }
    ob_sampler_free(one);
    ob_sampler_free(two);
    close_place(&p);
}

/* Differences from the centre of one-sided samples in a way of bfloat16, off from float32's: rms over rms. */
static double off(const struct place *p, const struct ob_sampler_options *options,
                  const struct ob_products *way) {
    struct ob_sampled exact[PASS_MAX], rough[PASS_MAX];
    struct ob_sampler *sampler = sampler_of(options);
    size_t count = ob_sampler_pass(sampler);
    double square = 0, difference = 0;
    assert_true(count <= PASS_MAX);
    run(p, sampler, 0, count, exact);
    assert_int_equal(ob_forward_use(ob_sampler_forward(sampler), way, NULL), OB_OK);
    run(p, sampler, 0, count, rough);
    for (size_t k = 0; k < count; k++) {
        double a = exact[k].losses.plus - exact[k].losses.centre;
        double b = rough[k].losses.plus - rough[k].losses.centre;
        square += a * a;
        difference += (b - a) * (b - a);
    }
    ob_sampler_free(sampler);
    return sqrt(difference / square);
}

/* Beside the centre only what a direction changes is rounded: small steps keep their digits. */
static void small_steps_keep_their_digits_in_bfloat16(void **state) {
    (void)state;
    for (int kind = 0; kind < 5; kind++) {
        struct place p;
        open_place(&p, kind % 2 == 1, kind == 4 ? BIASES : ADAPTERS);
        struct ob_sampler_options options = options_of(&p, kind < 2 ? p.choices : p.text);
        options.directions = 4;
        options.one_sided = true;
        options.epsilon = 0x1p-9f;
        for (size_t i = 1; ob_products_at(i); i++) {
            if (!ob_products_available(ob_products_at(i), NULL))
                continue;
            double error = off(&p, &options, ob_products_at(i));
            if (!(error < 0.03))
                fail_msg("model %d: %s is off by %.3g", kind, ob_products_at(i)->name, error);
        }
        close_place(&p);
    }
}

static void losses_that_are_not_finite_abstain(void **state) {
    (void)state;
    struct place p;
    struct ob_sampled samples[PASS_MAX];
    open_place(&p, true, ADAPTERS);
    for (int one_sided = 0; one_sided < 2; one_sided++) {
        struct ob_sampler_options options = options_of(&p, p.choices);
        options.epsilon = 1e30f;
        options.one_sided = one_sided;
        options.privacy = (struct ob_spsa_privacy){.clip = 1, .noise = 1};
        struct ob_sampler *sampler = sampler_of(&options);
        run(&p, sampler, 0, 12, samples);
        for (size_t k = 0; k < 12; k++)
            assert_int_equal(samples[k].byte, OB_SPSA_ABSTAIN);
        ob_sampler_free(sampler);
    }
    close_place(&p);
}

/* Frozen layers below the first adapter: once for all samples of a pass, and never again for a row that comes back. */
static void kept_states_change_nothing(void **state) {
    (void)state;
    struct place p;
    struct ob_sampled plain[PASS_MAX], kept[PASS_MAX];
    open_place(&p, false, LAST_ADAPTERS);
    for (int one_sided = 0; one_sided < 2; one_sided++) {
        struct ob_sampler_options options = options_of(&p, one_sided ? p.choices : p.text);
        options.directions = 2;
        options.one_sided = one_sided;
        struct ob_sampler *without = sampler_of(&options), *with = sampler_of(&options);
        assert_int_equal(ob_forward_keep_prefix(ob_sampler_forward(with), 1 << 20, NULL, 0, NULL), OB_OK);
        for (uint64_t first = 0; first < 96; first += 24) { /* two epochs */
            run(&p, without, first, 24, plain);
            run(&p, with, first, 24, kept);
            for (size_t k = 0; k < 24; k++)
                assert_memory_equal(&plain[k], &kept[k], sizeof plain[k]);
        }
        struct ob_prefix_counters counters = ob_forward_prefix_counters(ob_sampler_forward(with));
        assert_in_range(counters.misses, 12, 48); /* each sequence once; those that begin alike are one */
        assert_true(counters.hits >= counters.misses - 4);
        ob_sampler_free(without);
        ob_sampler_free(with);
    }
    close_place(&p);
}

static int set_up(void **state) {
    (void)state;
    return sodium_init() < 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(samples_are_what_each_is_alone),
        cmocka_unit_test(little_memory_splits_a_pass),
        cmocka_unit_test(machines_walk_their_own_order),
        cmocka_unit_test(estimates_follow_the_losses),
        cmocka_unit_test(kept_states_change_nothing),
        cmocka_unit_test(small_steps_keep_their_digits_in_bfloat16),
        cmocka_unit_test(losses_that_are_not_finite_abstain),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
