/* The manifest: what `run create` writes is what is read; every bound and every wrong key is refused with the
 * file's and the key's name; adapters are described, and a model that does not fit them is refused. */
#include "tests/unit/cmocka_all.h"

#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "model/convert/open_model.h"
#include "model/families/adapter.h"
#include "run/basis_file.h"
#include "run/manifest_create.h"
#include "run/replica.h"
#include "tests/support/folder.h"
#include "tests/support/json.h"

#define BASE OB_SOURCE_ROOT "/tests/parity/checkpoints/gpt2-odd-heads"

struct place {
    struct test_folder folder;
    char path[TEST_PATH_MAX];
};

static int set_up(void **state) {
    struct place *place = calloc(1, sizeof *place);
    assert_non_null(place);
    assert_true(sodium_init() >= 0);
    test_folder_make(&place->folder);
    test_folder_path(&place->folder, "run.json", place->path);
    *state = place;
    return 0;
}

static int tear_down(void **state) {
    struct place *place = *state;
    test_folder_remove(&place->folder);
    free(place);
    return 0;
}

static struct ob_manifest_options options_with(uint32_t rank, const char *const *trainable, size_t count) {
    struct ob_manifest_options options = ob_manifest_defaults();
    options.rounds = 40;
    options.exponents = 16;
    options.lora_rank = rank;
    options.lora_alpha = 2.0 * rank;
    options.trainable = trainable;
    options.trainable_count = count;
    options.log2_scale[OB_ROLE_ADAPTER] = -2;
    memset(options.authority.key, 7, OB_KEY_BYTES);
    return options;
}

static struct ob_manifest *create(const struct place *place, const struct ob_manifest_options *options) {
    struct ob_model *model = NULL;
    struct ob_manifest *manifest = NULL;
    struct ob_error error = {0};
    unlink(place->path);
    if (ob_model_open(BASE, &model, &error) || ob_manifest_create(model, options, place->path, &error) ||
        ob_manifest_read(place->path, &manifest, &error))
        fail_msg("%s", error.text);
    ob_model_free(model);
    return manifest;
}

/* Adapters alone, of attention, unless more is asked for; in canonical order, adapters last. */
static void create_describes_adapters(void **state) {
    static const char *const NORMS[] = {"norms"};
    struct ob_manifest_options options = options_with(3, NULL, 0);
    struct ob_manifest *manifest = create(*state, &options);
    assert_int_equal(manifest->lora_rank, 3);
    assert_true(manifest->lora_alpha == 6.0);
    assert_int_equal(manifest->tensor_count, 8);
    assert_string_equal(manifest->tensors[0].name, "transformer.h.0.attn.c_attn.lora_A.weight");
    assert_string_equal(manifest->tensors[1].name, "transformer.h.0.attn.c_attn.lora_B.weight");
    assert_true(manifest->tensors[0].shape[0] == 3 && manifest->tensors[0].shape[1] == 15);
    assert_true(manifest->tensors[1].shape[0] == 45 && manifest->tensors[1].shape[1] == 3);
    for (size_t i = 0; i < manifest->tensor_count; i++) {
        assert_int_equal(manifest->tensors[i].layout.exponent, OB_ADAPTER_EXPONENT);
        assert_int_equal(manifest->tensors[i].layout.log2_scale, -2);
    }
    ob_manifest_free(manifest);
    options = options_with(3, NORMS, 1);
    manifest = create(*state, &options);
    assert_int_equal(manifest->tensor_count, 5 + 8);
    assert_string_equal(manifest->tensors[0].name, "transformer.h.0.ln_1.weight");
    assert_string_equal(manifest->tensors[5].name, "transformer.h.0.attn.c_attn.lora_A.weight");
    ob_manifest_free(manifest);
}

/* A basis for the attention of BASE at rank 3, made for the base with that hash; its name. */
static struct ob_hash write_basis(const char *path, const struct ob_hash *base, double first) {
    static const char *const MATRICES[] = {"0.attn.c_attn", "0.attn.c_proj", "1.attn.c_attn",
                                           "1.attn.c_proj"};
    struct ob_basis_facts facts = {.base_hash = *base, .calibration_rows = 1, .rank = 3};
    struct ob_basis_tensor tensors[4];
    struct ob_hash name;
    double values[3 * 15];
    for (size_t i = 0; i < 45; i++)
        values[i] = i == 0 ? first : 0.25 * (double)(i % 7);
    for (size_t t = 0; t < 4; t++) {
        tensors[t] = (struct ob_basis_tensor){.in = 15, .values = values};
        (void)snprintf(tensors[t].name, OB_NAME_MAX, "transformer.h.%s.lora_A.weight", MATRICES[t]);
    }
    size_t bytes;
    (void)unlink(path);
    assert_int_equal(ob_basis_write(path, &facts, tensors, 4, NULL), OB_OK);
    char *data = test_file_read(path, &bytes);
    assert_int_equal(ob_run_basis_name((const uint8_t *)data, bytes, &name, NULL), OB_OK);
    free(data);
    return name;
}

static void must_refuse_basis(const struct ob_manifest *manifest, enum ob_err code, const char *message) {
    struct ob_replica *replica = NULL;
    struct ob_error error = {0};
    enum ob_err failed = ob_replica_new(manifest, BASE, 1, NULL, &replica, &error);
    if (failed != code || !strstr(error.text, message) || !strstr(error.text, ".basis.safetensors"))
        fail_msg("got %d \"%s\", expected %d \"%s\"", failed, error.text, code, message);
}

/* B alone is trained; A is the file's, which must be the one that is named, and of this base. */
static void create_describes_a_basis(void **state) {
    const struct place *place = *state;
    struct ob_manifest_options options = options_with(3, NULL, 0);
    struct ob_hash base, name;
    struct ob_model *model = NULL;
    char path[OB_PATH_MAX];
    assert_int_equal(ob_model_open(BASE, &model, NULL), OB_OK);
    assert_int_equal(ob_model_hash(model, NULL, &base, NULL), OB_OK);
    ob_model_free(model);
    assert_int_equal(ob_basis_path(place->path, path, NULL), OB_OK);
    name = write_basis(path, &base, 1);
    options.basis = &name;
    struct ob_manifest *manifest = create(*state, &options);
    assert_true(manifest->has_basis && ob_hash_equal(&manifest->basis, &name));
    assert_string_equal(manifest->basis_path, path);
    assert_int_equal(manifest->tensor_count, 4);
    assert_string_equal(manifest->tensors[0].name, "transformer.h.0.attn.c_attn.lora_B.weight");
    assert_string_equal(manifest->tensors[3].name, "transformer.h.1.attn.c_proj.lora_B.weight");
    struct ob_replica *replica = NULL;
    assert_int_equal(ob_replica_new(manifest, BASE, 1, NULL, &replica, NULL), OB_OK);
    struct ob_weight_source source = ob_replica_source(replica);
    float values[15];
    ob_source_read(&source, replica->model->tensor_count, 0, 15, (float *const[2]){values, NULL});
    assert_true(values[0] == 1.0f && values[1] == 0.25f && values[14] == 0.0f);
    ob_replica_free(replica);
    (void)write_basis(path, &base, 2);
    must_refuse_basis(manifest, OB_EMISMATCH, "not the basis of run");
    test_file_write(path, "no basis at all", 15);
    must_refuse_basis(manifest, OB_EFORMAT, "is damaged; copy it again");
    (void)unlink(path);
    must_refuse_basis(manifest, OB_ENOTFOUND, "missing; run");
    manifest->basis = write_basis(path, &(struct ob_hash){{1}}, 1); /* as if the manifest named it */
    must_refuse_basis(manifest, OB_EMISMATCH, "was made for another base model");
    (void)unlink(path);
    ob_manifest_free(manifest);
}

static void basis_lies_beside_the_manifest(void **state) {
    (void)state;
    static const char *const PAIRS[][2] = {{"run.json", "run.basis.safetensors"},
                                           {"/a.b/run", "/a.b/run.basis.safetensors"},
                                           {"/a/.json", "/a/.json.basis.safetensors"},
                                           {"x/run.part.delta", "x/run.part.basis.safetensors"}};
    char path[OB_PATH_MAX], longest[OB_PATH_MAX];
    for (size_t i = 0; i < sizeof PAIRS / sizeof *PAIRS; i++) {
        assert_int_equal(ob_basis_path(PAIRS[i][0], path, NULL), OB_OK);
        assert_string_equal(path, PAIRS[i][1]);
    }
    memset(longest, 'a', sizeof longest - 1);
    longest[sizeof longest - 1] = 0;
    assert_int_equal(ob_basis_path(longest, path, NULL), OB_EUSAGE);
}

static void create_refuses_adapters_of_what_is_no_matrix(void **state) {
    const struct place *place = *state;
    static const char *const HEAD[] = {"head"};
    struct ob_manifest_options options = options_with(3, NULL, 0);
    struct ob_model *model = NULL;
    struct ob_error error = {0};
    options.lora_targets = HEAD;
    options.lora_target_count = 1;
    assert_int_equal(ob_model_open(BASE, &model, NULL), OB_OK);
    assert_int_equal(ob_manifest_create(model, &options, place->path, &error), OB_EUSAGE);
    assert_non_null(strstr(error.text, "transformer.wte.weight is not a matrix of attention or mlp"));
    assert_int_not_equal(access(place->path, F_OK), 0);
    ob_model_free(model);
}

/* A peer's weights at the start: A from the run's keystream with the tensor's number in the manifest, B zero.
 */
static void replica_starts_adapters_from_the_run(void **state) {
    static const char *const NORMS[] = {"norms"};
    struct ob_manifest_options options = options_with(3, NORMS, 1);
    struct ob_manifest *manifest = create(*state, &options);
    struct ob_replica *replica = NULL;
    struct ob_error error = {0};
    int32_t expected[45];
    if (ob_replica_new(manifest, BASE, 1, NULL, &replica, &error))
        fail_msg("%s", error.text);
    for (size_t t = 5; t < manifest->tensor_count; t += 2) {
        ob_adapter_initial(&manifest->run, (uint32_t)t, manifest->tensors[t].shape[1], 0, 45, expected);
        assert_memory_equal(replica->weights->values[t], expected, sizeof expected);
        for (uint64_t i = 0; i < manifest->tensors[t + 1].layout.elements; i++)
            assert_int_equal(replica->weights->values[t + 1][i], 0);
    }
    ob_replica_free(replica);
    ob_manifest_free(manifest);
}

/* One sample moves the weights at most 16 times as far as a typical one, or as 14.7; no exponent but 0. */
static void a_signer_is_bound_by_the_size_of_estimates(void **state) {
    const struct place *place = *state;
    static const double TYPICAL[] = {0, 1e-6, 0.03, 0.92, 18.9, 4000};
    for (size_t i = 0; i < sizeof TYPICAL / sizeof TYPICAL[0]; i++) {
        struct ob_manifest_options options = options_with(0, NULL, 0);
        options.exponents = 0;
        options.typical = TYPICAL[i];
        struct ob_manifest *manifest = create(place, &options);
        const struct ob_spsa_code *code = &manifest->rule.code;
        double most = ob_spsa_decode(code, 0, code->code_max);
        assert_int_equal(manifest->bounds.exponent_min, 0);
        assert_int_equal(manifest->bounds.exponent_max, 0);
        if (TYPICAL[i] > 0)
            assert_true(most >= 16 * TYPICAL[i] * 0.999 && most <= 16 * TYPICAL[i] * 1.1);
        else
            assert_true(most > 14.6 && most < 14.8);
        ob_manifest_free(manifest);
    }
}

/* A value that is put in place of the one at `path` (keys and list numbers, with dots); NULL takes the key
 * away. */
struct change {
    const char *path, *value;
    enum ob_err code;
    const char *message;
};

static enum ob_err parse(const json_t *root, struct ob_manifest **ret_manifest, struct ob_error *error) {
    char *text = json_dumps(root, 0);
    assert_non_null(text);
    enum ob_err failed = ob_manifest_parse(text, strlen(text), "some/run.json", ret_manifest, error);
    free(text);
    return failed;
}

#define LONG_NAME                                                                                            \
    "\"nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"   \
    "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn\""

static const struct change CHANGES[] = {
    {"format", "\"onebyte-manifest-2\"", OB_EUNSUPPORTED,
     "format \"onebyte-manifest-2\", expected onebyte-manifest-1"},
    {"format", NULL, OB_EFORMAT, "key \"format\" is missing"},
    {"name", "\"\"", OB_EFORMAT, "a name is empty or longer than 127 bytes"},
    {"name", LONG_NAME, OB_EFORMAT, "a name is empty or longer than 127 bytes"},
    {"nonce", "\"00\"", OB_EFORMAT, "key \"nonce\" is not 64 hexadecimal digits"},
    {"base_hash", "7", OB_EFORMAT, "key \"base_hash\" is of the wrong type"},
    {"authority", NULL, OB_EFORMAT, "key \"authority\" is missing"},
    {"authority", "\"0000000000000000000000000000000000000000000000000000000000000000\"", OB_EFORMAT,
     "key \"authority\" is not a key"},
    {"direction.distribution", "\"cauchy\"", OB_EUNSUPPORTED, "distribution \"cauchy\" is not supported"},
    {"direction.epsilon", "0.0", OB_EFORMAT, "epsilon 0 is outside 1e-9 to 1"},
    {"direction.epsilon", "2.5", OB_EFORMAT, "epsilon 2.5 is outside"},
    {"byte.c0", "5000", OB_EFORMAT, "key \"c0\" is 5000, expected -1024 to 1024"},
    {"byte.code_max", "128", OB_EFORMAT, "key \"code_max\" is 128, expected 1 to 127"},
    {"byte.exponent_min", "-41", OB_EFORMAT, "key \"exponent_min\" is -41"},
    {"byte.exponent_max", "-17", OB_EFORMAT, "key \"exponent_max\" is -17, expected -16 to 40"},
    {"update.combine", "\"median\"", OB_EUNSUPPORTED, "combine \"median\" is not one of capped"},
    {"update.s0", "0", OB_EFORMAT, "key \"s0\" is 0"},
    {"update.rounds_per_rate", "0", OB_EFORMAT, "key \"rounds_per_rate\" is 0"},
    {"update.rates_q48", "[]", OB_EFORMAT, "0 rates, expected 1 to 4096"},
    {"update.rates_q48.3", "-1", OB_EFORMAT, "rate number 3 is outside"},
    {"update.rates_q48.2", "281474976710656", OB_EFORMAT, "rate number 2 is outside"},
    {"bounds.max_rounds", "0", OB_EFORMAT, "key \"max_rounds\" is 0"},
    {"bounds.max_machines", "16385", OB_EFORMAT, "key \"max_machines\" is 16385, expected 1 to 16384"},
    {"bounds.samples_per_round", "4097", OB_EFORMAT, "key \"samples_per_round\" is 4097"},
    {"lora", "8", OB_EFORMAT, "key \"lora\" is of the wrong type"},
    {"lora.rank", NULL, OB_EFORMAT, "key \"rank\" is missing"},
    {"lora.rank", "0", OB_EFORMAT, "key \"rank\" is 0, expected 1 to 256"},
    {"lora.rank", "257", OB_EFORMAT, "key \"rank\" is 257, expected 1 to 256"},
    {"lora.rank", "2.0", OB_EFORMAT, "key \"rank\" is of the wrong type"},
    {"lora.basis", "\"12\"", OB_EFORMAT, "key \"basis\" is not 64 hexadecimal digits"},
    {"lora.basis", "null", OB_EFORMAT, "key \"basis\" is of the wrong type"},
    {"lora.alpha", NULL, OB_EFORMAT, "key \"alpha\" is missing"},
    {"lora.alpha", "4", OB_EFORMAT, "key \"alpha\" is of the wrong type"},
    {"lora.alpha", "0.0", OB_EFORMAT, "key \"alpha\" is outside 0.001 to 1000000"},
    {"lora.alpha", "2e6", OB_EFORMAT, "key \"alpha\" is outside"},
    {"tensors", "[]", OB_EFORMAT, "0 tensors, expected 1 to 4096"},
    {"tensors.0", "3", OB_EFORMAT, "key \"name\" is missing"},
    {"tensors.0.shape", "[]", OB_EFORMAT, "c_attn.lora_A.weight has 0 dimensions, expected 1 or 2"},
    {"tensors.0.shape", "[1,2,3]", OB_EFORMAT, "has 3 dimensions"},
    {"tensors.0.shape.1", "0", OB_EFORMAT, "dimension 1 is 0, expected 1 to 16777216"},
    {"tensors.0.shape", "[16777216,16777216]", OB_ETOOBIG, "has more than 2^40 elements"},
    {"tensors.0.exponent", "27", OB_EFORMAT, "key \"exponent\" is 27, expected -64 to 26"},
    {"tensors.0.log2_scale", "17", OB_EFORMAT, "key \"log2_scale\" is 17, expected -16 to 16"},
};

static void parse_refuses_by_name(void **state) {
    struct ob_manifest_options options = options_with(3, NULL, 0);
    struct ob_manifest *good = create(*state, &options);
    for (size_t i = 0; i < sizeof CHANGES / sizeof *CHANGES; i++) {
        struct ob_manifest *manifest = NULL;
        struct ob_error error = {0};
        json_t *root = test_json_parse(good->bytes);
        test_json_put(root, CHANGES[i].path, CHANGES[i].value);
        enum ob_err failed = parse(root, &manifest, &error);
        if (failed != CHANGES[i].code || manifest || !strstr(error.text, CHANGES[i].message) ||
            strncmp(error.text, "some/run.json: ", 15) != 0)
            fail_msg("%s = %s: got %d \"%s\", expected %d and \"%s\"", CHANGES[i].path, CHANGES[i].value,
                     (int)failed, error.text, (int)CHANGES[i].code, CHANGES[i].message);
        json_decref(root);
    }
    ob_manifest_free(good);
}

static void parse_refuses_what_is_no_manifest(void **state) {
    (void)state;
    static const struct {
        const char *text, *message;
    } TEXTS[] = {{"", "x.json: line 1: "},
                 {"{\n\"a\": }", "x.json: line 2: "},
                 {"[]", "x.json: key \"format\" is missing"},
                 {"{\"a\":1,\"a\":2}", "x.json: line 1: duplicate"}};
    for (size_t i = 0; i < sizeof TEXTS / sizeof *TEXTS; i++) {
        struct ob_manifest *manifest = NULL;
        struct ob_error error = {0};
        assert_int_equal(ob_manifest_parse(TEXTS[i].text, strlen(TEXTS[i].text), "x.json", &manifest, &error),
                         OB_EFORMAT);
        if (!strstr(error.text, TEXTS[i].message))
            fail_msg("got \"%s\", expected \"%s\"", error.text, TEXTS[i].message);
    }
    struct ob_error error = {0};
    struct ob_manifest *manifest = NULL;
    assert_int_equal(ob_manifest_parse("", OB_MANIFEST_BYTES_MAX + 1ull, "x.json", &manifest, &error),
                     OB_ETOOBIG);
    assert_string_equal(error.text, "x.json: larger than 4194304 bytes");
}

/* A manifest that is one, but not this model's. */
static void replica_refuses_another_model(void **state) {
    static const struct change OTHERS[] = {
        {"base_hash", "\"0100000000000000000000000000000000000000000000000000000000000000\"", OB_EMISMATCH,
         "not the base model of run \"run\": the hash of its weights differs from the manifest"},
        {"tensors.0.name", "\"transformer.h.9.attn.c_attn.lora_A.weight\"", OB_EMISMATCH,
         "the manifest does not list adapter transformer.h.0.attn.c_proj.lora_A.weight"},
        {"tensors.7.name", "\"transformer.h.9.attn.c_proj.lora_B.weight\"", OB_EMISMATCH,
         "the manifest does not list adapter transformer.h.1.attn.c_proj.lora_B.weight"},
        {"tensors.1.name", "\"transformer.h.9.attn.c_attn.lora_B.weight\"", OB_EMISMATCH,
         "the manifest does not list adapter transformer.h.0.attn.c_attn.lora_B.weight"},
        {"tensors.0.shape", "[15,3]", OB_EMISMATCH,
         "the shape of tensor transformer.h.0.attn.c_attn.lora_A.weight differs"},
        {"lora.rank", "4", OB_EMISMATCH, "differs from the manifest"},
        {"lora", NULL, OB_EMISMATCH, "tensor transformer.h.0.attn.c_attn.lora_A.weight"},
    };
    struct ob_manifest_options options = options_with(3, NULL, 0);
    struct ob_manifest *good = create(*state, &options);
    for (size_t i = 0; i < sizeof OTHERS / sizeof *OTHERS; i++) {
        struct ob_manifest *manifest = NULL;
        struct ob_replica *replica = NULL;
        struct ob_error error = {0};
        json_t *root = test_json_parse(good->bytes);
        test_json_put(root, OTHERS[i].path, OTHERS[i].value);
        if (parse(root, &manifest, &error))
            fail_msg("%s", error.text);
        enum ob_err failed = ob_replica_new(manifest, BASE, 1, NULL, &replica, &error);
        if (failed != OTHERS[i].code || replica || !strstr(error.text, OTHERS[i].message) ||
            !strstr(error.text, "gpt2-odd-heads"))
            fail_msg("%s: got %d \"%s\", expected \"%s\"", OTHERS[i].path, (int)failed, error.text,
                     OTHERS[i].message);
        ob_manifest_free(manifest);
        json_decref(root);
    }
    ob_manifest_free(good);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(create_describes_a_basis, set_up, tear_down),
        cmocka_unit_test(basis_lies_beside_the_manifest),
        cmocka_unit_test_setup_teardown(a_signer_is_bound_by_the_size_of_estimates, set_up, tear_down),
        cmocka_unit_test_setup_teardown(create_describes_adapters, set_up, tear_down),
        cmocka_unit_test_setup_teardown(create_refuses_adapters_of_what_is_no_matrix, set_up, tear_down),
        cmocka_unit_test_setup_teardown(replica_starts_adapters_from_the_run, set_up, tear_down),
        cmocka_unit_test_setup_teardown(parse_refuses_by_name, set_up, tear_down),
        cmocka_unit_test(parse_refuses_what_is_no_manifest),
        cmocka_unit_test_setup_teardown(replica_refuses_another_model, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("manifest", tests, NULL, NULL);
}
