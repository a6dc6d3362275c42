/* Exported models: the same floats, the same integers when they are loaded again. */
#include "tests/parity/fixture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "model/convert/export_check.h"
#include "model/convert/gguf_check.h"
#include "model/convert/gguf_config.h"
#include "model/convert/open_model.h"
#include "model/formats/gguf.h"
#include "tests/support/folder.h"
#include "tests/support/json.h"

/* Weights that are not the base's any more: odd low bits, and values so large that floats must round. */
static struct ob_spsa_weights *tuned_weights_of(const struct ob_model *model) {
    struct ob_spsa_weights *weights = weights_of(model);
    struct ob_spsa_key key = {{7}};
    move(weights, weights, &key, true);
    for (size_t t = 0; t < weights->count; t++)
        for (uint64_t i = 0; i < weights->tensors[t].elements; i++)
            weights->values[t][i] += (int32_t)(i % 7 * 12345) + (i % 11 == 0 ? (1 << 27) + 1 : 0);
    return weights;
}

/* Element by element: the floats of the pass, and the integers wherever a float holds them. */
static void compare_weights(const struct ob_weight_source *source, const struct ob_model *again) {
    const struct ob_spsa_weights *weights = source->weights;
    struct ob_spsa_weights *loaded = weights_of(again);
    size_t rounded = 0;
    bool is_shifted = again->config.zero_centered_gamma && ob_gguf_is_file(again->path);
    assert_int_equal(again->tensor_count, source->model->tensor_count);
    for (size_t t = 0; t < weights->count; t++) {
        assert_string_equal(again->tensors[t].name, source->model->tensors[t].name);
        for (uint64_t i = 0; i < weights->tensors[t].elements; i++) {
            float used, read, reloaded;
            float *const lanes[2] = {&used, NULL};
            ob_source_read(source, t, i, 1, lanes);
            ob_model_read(again, t, i, 1, &read);
            ob_spsa_weights_read(source->engine, loaded, (uint32_t)t, i, 1, &reloaded);
            if (is_shifted && again->tensors[t].role == OB_ROLE_NORM) {
                assert_true(fabsf(used - read) <= 0x1p-23f); /* a gamma of 1 + x has fewer bits for x */
                rounded++;
                continue;
            }
            assert_memory_equal(&used, &read, sizeof used);
            assert_memory_equal(&used, &reloaded, sizeof used);
            if (abs(weights->values[t][i]) <= 1 << 24)
                assert_int_equal(weights->values[t][i], loaded->values[t][i]);
            else
                rounded += weights->values[t][i] != loaded->values[t][i];
        }
    }
    assert_true(rounded > 0);
    ob_spsa_weights_free(loaded);
}

/* The exported model computes what the run computes: from its own configuration, not from the base's. */
static void compare_pass(const struct loaded *l, const struct ob_weight_source *source,
                         const struct ob_model *again) {
    double used[4], read[4];
    uint32_t counts[4];
    struct ob_forward *forward = NULL;
    struct ob_weight_source exported = {.model = again};
    assert_int_equal(ob_forward_new(&again->config, 512, 4, l->pool, &forward, NULL), OB_OK);
    assert_int_equal(ob_forward_sequence_losses(l->forward, source, l->batch, used, counts, NULL), OB_OK);
    assert_int_equal(ob_forward_sequence_losses(forward, &exported, l->batch, read, counts, NULL), OB_OK);
    for (size_t s = 0; s < 4; s++)
        if (fabs(used[s] - read[s]) > (again->config.zero_centered_gamma ? 1e-5 * used[s] : 0))
            fail_msg("%s: sequence %zu: loss %.9g exported, %.9g in the run", again->path, s, read[s],
                     used[s]);
    ob_forward_free(forward);
}

static void export_and_compare(const char *base, const char *expected, enum ob_export_format format) {
    struct test_folder folder;
    char out[TEST_PATH_MAX];
    struct loaded l;
    struct ob_error error = {0};
    struct ob_model *again = NULL;
    load(&l, base, expected, 2);
    test_folder_make(&folder);
    test_folder_path(&folder, "out", out);
    struct ob_spsa_engine engine = ob_spsa_engine_best(l.pool);
    struct ob_spsa_weights *weights = tuned_weights_of(l.model);
    struct ob_weight_source source = {.model = l.model, .weights = weights, .engine = &engine};
    struct ob_export_options options = {.format = format, .dtype = OB_DTYPE_F32};
    if (ob_model_export(&source, &options, out, &error) || ob_export_check(&source, &options, out, &error))
        fail_msg("%s", error.text);
    if (format == OB_EXPORT_GGUF)
        test_folder_path(&folder, "out/model.gguf", out);
    if (ob_model_open(out, &again, &error))
        fail_msg("%s", error.text);
    compare_weights(&source, again);
    compare_pass(&l, &source, again);
    ob_spsa_weights_free(weights);
    ob_model_free(again);
    unload(&l);
    test_folder_remove(&folder);
}

/* An F32 export holds exactly the floats that the forward pass uses. Loaded again, it gives the same integers
 * wherever a float holds them (|m| <= 2^24), the float's own elsewhere. Every family, as the folder it came
 * from. */
static void folders_are_exported_exactly(void **state) {
    (void)state;
    struct names names = checkpoints();
    for (size_t i = 0; i < names.count; i++) {
        char folder[512], expected[600];
        folder_of(names.list[i], folder, expected);
        export_and_compare(folder, expected, OB_EXPORT_SAFETENSORS);
    }
}

/* The same from GGUF files, whose rows and matrices lie otherwise, into both formats. */
static void gguf_files_are_exported_exactly(void **state) {
    (void)state;
    struct names names = gguf_files();
    for (size_t i = 0; i < names.count; i++) {
        char folder[512], expected[600], file[512];
        folder_of(names.list[i], folder, expected);
        gguf_of(names.list[i], file);
        export_and_compare(file, expected, OB_EXPORT_SAFETENSORS);
        export_and_compare(file, expected, OB_EXPORT_GGUF);
    }
}

/* Forty letters: the random checkpoints have no tokenizer, and GGUF files have to have one. */
static void write_tokenizer(const char *path) {
    json_t *vocabulary = json_object();
    for (int i = 0; i < 40; i++)
        assert_int_equal(json_object_set_new(vocabulary, (char[]){(char)('0' + i), 0}, json_integer(i)), 0);
    json_t *root =
        json_pack("{s:[], s:n, s:{s:s, s:b, s:b}, s:{s:s}, s:{s:s, s:o, s:[]}}", "added_tokens", "normalizer",
                  "pre_tokenizer", "type", "ByteLevel", "add_prefix_space", 0, "use_regex", 1, "decoder",
                  "type", "ByteLevel", "model", "type", "BPE", "vocab", vocabulary, "merges");
    test_json_write(path, root);
}

/* Configuration, order of rows and scaled positions as GGUF wants them, made from a folder. */
static void folders_are_exported_to_gguf_exactly(void **state) {
    (void)state;
    struct names names = gguf_files();
    for (size_t i = 0; i < names.count; i++) {
        char folder[512], expected[600], from[600], to[TEST_PATH_MAX];
        struct test_folder base;
        folder_of(names.list[i], folder, expected);
        test_folder_make(&base);
        static const char *const FILES[] = {"config.json", "model.safetensors"};
        for (size_t f = 0; f < 2; f++) {
            (void)snprintf(from, sizeof from, "%s/%s", folder, FILES[f]);
            assert_int_equal(symlink(from, test_folder_path(&base, FILES[f], to)), 0);
        }
        write_tokenizer(test_folder_path(&base, "tokenizer.json", to));
        export_and_compare(base.path, expected, OB_EXPORT_GGUF);
        test_folder_remove(&base);
    }
}

static void quantised_and_shipped_models_are_exported_exactly(void **state) {
    (void)state;
    const char *mixed = OB_SOURCE_ROOT "/tests/parity/gguf/llama-mixed.gguf";
    const char *logits = OB_SOURCE_ROOT "/tests/parity/gguf/llama-mixed.json";
    export_and_compare(mixed, logits, OB_EXPORT_SAFETENSORS);
    export_and_compare(mixed, logits, OB_EXPORT_GGUF);
    export_and_compare(OB_SOURCE_ROOT "/examples/kjv-1m", OB_SOURCE_ROOT "/tests/parity/kjv-1m.json",
                       OB_EXPORT_GGUF);
}

/* A file that would be read as another model is not written. */
static void gguf_that_cannot_say_what_the_model_is_is_refused(void **state) {
    (void)state;
    static const char *const REFUSED[][2] = {
        {"gpt2-untied", "its activation differs from that of GGUF's architecture \"gpt2\""},
        {"neox-in-sequence", "its activation differs from that of GGUF's architecture \"gptneox\""},
        {"qwen3-biases-bf16",
         "has biases of queries, keys and values, which GGUF's architecture \"qwen3\" cannot express"},
        {"qwen2-window", "its sliding windows cannot be written as GGUF"},
        {"mistral-window", "its sliding windows cannot be written as GGUF"},
        {"rope-longrope", "LongRoPE cannot be written as GGUF"},
        {"rope-yarn-options", "YaRN with options of its own cannot be written as GGUF"},
        {"opt-before", "GGUF has no architecture for OPTForCausalLM"},
        {"gemma2-caps", "query_pre_attn_scalar cannot be written as GGUF"},
        {"gemma3-two-angles", "its sliding windows cannot be written as GGUF"},
        {"tied-other-head-gemma",
         "has a head of its own, which GGUF's architecture \"gemma\" cannot express"},
    };
    for (size_t i = 0; i < sizeof REFUSED / sizeof *REFUSED; i++) {
        char folder[512], expected[600];
        struct test_folder out;
        struct ob_model *model = NULL;
        struct ob_error error = {0};
        folder_of(REFUSED[i][0], folder, expected);
        assert_int_equal(ob_model_open(folder, &model, NULL), OB_OK);
        test_folder_make(&out);
        struct ob_weight_source source = {.model = model};
        struct ob_export_options options = {
            .format = OB_EXPORT_GGUF, .dtype = OB_DTYPE_F32, .card = "what it is"};
        assert_int_equal(ob_model_export(&source, &options, out.path, &error), OB_EUNSUPPORTED);
        if (!strstr(error.text, REFUSED[i][1]) || !strstr(error.text, REFUSED[i][0]))
            fail_msg("got \"%s\", expected \"%s\"", error.text, REFUSED[i][1]);
        assert_int_equal(rmdir(out.path), 0); /* nothing in it */
        ob_model_free(model);
    }
}

/* The parts that none of the checkpoints lacks or has too much. */
static void gguf_parts_are_all_looked_at(void **state) {
    (void)state;
    static const struct {
        const char *checkpoint;
        unsigned taken, given;
        const char *message;
    } CASES[] = {
        {"gpt2-odd-heads", 0, OB_PART_QK_NORM,
         "has norms of queries and keys, which GGUF's architecture \"gpt2\" cannot express"},
        {"neox-partial", OB_PART_OUT_BIAS, 0,
         "has no biases of the attention's output, which GGUF's architecture \"gptneox\" requires"},
        {"qwen2-untied-bf16", OB_PART_QKV_BIAS, 0,
         "has no biases of queries, keys and values, which GGUF's architecture \"qwen2\" requires"},
        {"qwen2-untied-bf16", 0, OB_PART_MLP_BIAS,
         "has biases of the feed-forward part, which GGUF's architecture \"qwen2\" cannot express"},
        {"qwen3-norms", OB_PART_QK_NORM, 0,
         "has no norms of queries and keys, which GGUF's architecture \"qwen3\" requires"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        char folder[512], expected[600];
        struct ob_model *model = NULL;
        struct ob_error error = {0};
        folder_of(CASES[i].checkpoint, folder, expected);
        assert_int_equal(ob_model_open(folder, &model, NULL), OB_OK);
        assert_int_equal(ob_gguf_check_model(model, &error), OB_OK);
        model->config.parts = (model->config.parts & ~CASES[i].taken) | CASES[i].given;
        assert_int_equal(ob_gguf_check_model(model, &error), OB_EUNSUPPORTED);
        if (!strstr(error.text, CASES[i].message))
            fail_msg("got \"%s\", expected \"%s\"", error.text, CASES[i].message);
        ob_model_free(model);
    }
}

/* Where and what of a folder that cannot be written. */
static void export_refuses_folders_by_reason(void **state) {
    (void)state;
    static const struct {
        const char *prepare, *out; /* a command within the folder; where to */
        enum ob_export_format format;
        enum ob_err code;
        const char *message;
    } CASES[] = {
        {"true", "none/out", OB_EXPORT_SAFETENSORS, OB_EIO, "none/out: cannot create folder: No such file"},
        {"touch file", "file", OB_EXPORT_SAFETENSORS, OB_EIO, "file: cannot open folder: Not a directory"},
        {"mkdir full; touch full/x", "full", OB_EXPORT_SAFETENSORS, OB_EBUSY, "full: not empty"},
        {"truncate -s 65M base/merges.txt", "out", OB_EXPORT_SAFETENSORS, OB_ETOOBIG,
         "base/merges.txt: has 68157440 bytes; the maximum is 67108864"},
        {"rm base/tokenizer.json", "gguf", OB_EXPORT_GGUF, OB_ENOTFOUND, "base/tokenizer.json"},
        {"true", "peft", OB_EXPORT_PEFT, OB_EUNSUPPORTED, "the run has no adapters"},
    };
    struct test_folder folder;
    char command[TEST_PATH_MAX], base[TEST_PATH_MAX], out[TEST_PATH_MAX];
    test_folder_make(&folder);
    test_folder_path(&folder, "base", base);
    (void)snprintf(command, sizeof command, "cp -r '" OB_SOURCE_ROOT "/examples/kjv-1m' %s/base",
                   folder.path);
    assert_int_equal(system(command), 0);
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct ob_model *model = NULL;
        struct ob_error error = {0};
        (void)snprintf(command, sizeof command, "cd %s && { %s; }", folder.path, CASES[i].prepare);
        assert_int_equal(system(command), 0);
        test_folder_path(&folder, CASES[i].out, out);
        assert_int_equal(ob_model_open(base, &model, NULL), OB_OK);
        struct ob_weight_source source = {.model = model};
        struct ob_export_options options = {.format = CASES[i].format, .dtype = OB_DTYPE_F32};
        enum ob_err failed = ob_model_export(&source, &options, out, &error);
        if (failed != CASES[i].code || !strstr(error.text, CASES[i].message))
            fail_msg("%s: got %d \"%s\", expected %d and \"%s\"", CASES[i].prepare, (int)failed, error.text,
                     (int)CASES[i].code, CASES[i].message);
        ob_model_free(model);
    }
    test_folder_remove(&folder);
}

/* In each type and format: what was written holds; one changed bit of one weight does not. */
static void a_weight_that_changed_in_the_file_is_named(void **state) {
    (void)state;
    static const char *const FILES[] = {"out/model.safetensors", "out/model.gguf"};
    struct ob_model *model = NULL;
    struct ob_error error = {0};
    assert_int_equal(ob_model_open(OB_SOURCE_ROOT "/examples/kjv-1m", &model, NULL), OB_OK);
    struct ob_weight_source source = {.model = model};
    for (int format = OB_EXPORT_SAFETENSORS; format <= OB_EXPORT_GGUF; format++)
        for (int dtype = 0; dtype < OB_DTYPE_PLAIN_COUNT; dtype++) {
            struct ob_export_options options = {.format = (enum ob_export_format)format,
                                                .dtype = (enum ob_dtype)dtype};
            struct test_folder folder;
            char out[TEST_PATH_MAX], file[TEST_PATH_MAX];
            test_folder_make(&folder);
            test_folder_path(&folder, "out", out);
            if (ob_model_export(&source, &options, out, &error) ||
                ob_export_check(&source, &options, out, &error))
                fail_msg("%s", error.text);
            test_file_flip(test_folder_path(&folder, FILES[format], file), -64, 1);
            assert_int_equal(ob_export_check(&source, &options, out, &error), OB_EMISMATCH);
            assert_non_null(strstr(error.text, "does not hold what was written"));
            assert_non_null(strstr(error.text, "tensor transformer."));
            test_folder_remove(&folder);
        }
    ob_model_free(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(folders_are_exported_exactly),
        cmocka_unit_test(gguf_files_are_exported_exactly),
        cmocka_unit_test(folders_are_exported_to_gguf_exactly),
        cmocka_unit_test(quantised_and_shipped_models_are_exported_exactly),
        cmocka_unit_test(gguf_that_cannot_say_what_the_model_is_is_refused),
        cmocka_unit_test(gguf_parts_are_all_looked_at),
        cmocka_unit_test(a_weight_that_changed_in_the_file_is_named),
        cmocka_unit_test(export_refuses_folders_by_reason),
    };
    return cmocka_run_group_tests_name("export", tests, NULL, NULL);
}
