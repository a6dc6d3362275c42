/* Damaged and hostile checkpoint files: each is refused with a message that names the file and what is wrong.
 */
#include "tests/unit/cmocka_all.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cursor.h"
#include "model/convert/open_model.h"
#include "model/formats/safetensors.h"
#include "model/formats/safetensors_index.h"
#include "tests/support/folder.h"

static int set_up(void **state) {
    struct test_folder *place = calloc(1, sizeof *place);
    assert_non_null(place);
    test_folder_make(place);
    *state = place;
    return 0;
}

static int tear_down(void **state) {
    struct test_folder *place = *state;
    test_folder_remove(place);
    free(place);
    return 0;
}

/* A file with this header and so many bytes of data: 0, 1, 2, … */
static void write_tensors(const struct test_folder *place, const char *name, const char *header,
                          size_t data_bytes) {
    uint8_t bytes[4096];
    size_t length = strlen(header);
    assert_true(8 + length + data_bytes <= sizeof bytes);
    ob_store_u64(bytes, length);
    memcpy(bytes + 8, header, length);
    for (size_t i = 0; i < data_bytes; i++)
        bytes[8 + length + i] = (uint8_t)i;
    test_folder_write(place, name, bytes, 8 + length + data_bytes);
}

static void must_refuse(const struct test_folder *place, enum ob_err code, const char *message) {
    struct ob_checkpoint *checkpoint = NULL;
    struct ob_error error = {0};
    enum ob_err failed = ob_safetensors_open_folder(place->path, &checkpoint, &error);
    if (failed != code || !strstr(error.text, message) || !strstr(error.text, place->path))
        fail_msg("got %d \"%s\", expected %d and \"%s\"", failed, error.text, code, message);
    assert_null(checkpoint);
}

static void open_reads_every_plain_type(void **state) {
    const struct test_folder *place = *state;
    static const char HEADER[] = "{\"__metadata__\":{\"format\":\"pt\"},"
                                 "\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
                                 "\"b\":{\"dtype\":\"F16\",\"shape\":[1,2],\"data_offsets\":[8,12]},"
                                 "\"none\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[12,12]},"
                                 "\"c\":{\"dtype\":\"BF16\",\"shape\":[],\"data_offsets\":[12,14]}}   ";
    static const uint8_t DATA[14] = {0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0, 0, 0x3c, 1, 0, 0x40, 0x40};
    uint8_t bytes[1024];
    struct ob_checkpoint *checkpoint = NULL;
    struct ob_error error = {0};
    ob_store_u64(bytes, strlen(HEADER));
    memcpy(bytes + 8, HEADER, strlen(HEADER));
    memcpy(bytes + 8 + strlen(HEADER), DATA, sizeof DATA);
    test_folder_write(place, "model.safetensors", bytes, 8 + strlen(HEADER) + sizeof DATA);
    if (ob_safetensors_open_folder(place->path, &checkpoint, &error))
        fail_msg("%s", error.text);
    float a[2], b[2], c[1];
    assert_int_equal(checkpoint->count, 4);
    ob_checkpoint_read(&checkpoint->tensors[ob_checkpoint_find(checkpoint, "a")], 0, 2, a);
    ob_checkpoint_read(&checkpoint->tensors[ob_checkpoint_find(checkpoint, "b")], 0, 2, b);
    ob_checkpoint_read(&checkpoint->tensors[ob_checkpoint_find(checkpoint, "c")], 0, 1, c);
    assert_true(a[0] == 1.0f && a[1] == -2.0f && b[0] == 1.0f && b[1] == 0x1p-24f && c[0] == 3.0f);
    ob_checkpoint_free(checkpoint);
}

static void open_damaged_files_are_refused(void **state) {
    static const struct {
        const char *header;
        size_t data_bytes;
        enum ob_err code;
        const char *message;
    } FILES[] = {
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 7, OB_EFORMAT,
         "tensor a: data lies outside the file"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 9, OB_EFORMAT,
         "1 bytes of data belong to no tensor"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,8]}}", 8, OB_EFORMAT,
         "tensor a: 8 bytes do not fit its shape"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,8]}}", 8, OB_EFORMAT,
         "tensor a: dimension 0"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,8]}}", 8,
         OB_EFORMAT, "tensor a: dimension 1"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,2],\"data_offsets\":[0,8]}}", 8, OB_EFORMAT,
         "tensor a: its shape"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":2,\"data_offsets\":[0,8]}}", 8, OB_EFORMAT,
         "tensor a: its shape"},
        {"{\"a\":{\"dtype\":\"I64\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8, OB_EFORMAT,
         "tensor a: 8 bytes do not fit its shape"},
        {"{\"a\":{\"dtype\":\"Q4_0\",\"shape\":[32],\"data_offsets\":[0,18]}}", 18, OB_EUNSUPPORTED,
         "tensor a has unknown type Q4_0"},
        {"{\"a\":{\"shape\":[1],\"data_offsets\":[0,8]}}", 8, OB_EUNSUPPORTED,
         "tensor a has unknown type (none)"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,0]}}", 8, OB_EFORMAT,
         "tensor a: its data_offsets"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8,9]}}", 8, OB_EFORMAT,
         "tensor a: its data_offsets"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,9223372036854775807]}}", 8, OB_EFORMAT,
         "tensor a: data lies outside"},
        {"{\"a\":7}", 0, OB_EUNSUPPORTED, "tensor a has unknown type (none)"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
         "\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}",
         12, OB_EFORMAT, "tensors a and b overlap"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
         "\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}",
         8, OB_EFORMAT, "its header is not a JSON object"},
        {"[1]", 0, OB_EFORMAT, "its header is not a JSON object"},
        {"{\"a\":", 0, OB_EFORMAT, "its header is not a JSON object"},
    };
    const struct test_folder *place = *state;
    for (size_t i = 0; i < sizeof FILES / sizeof *FILES; i++) {
        write_tensors(place, "model.safetensors", FILES[i].header, FILES[i].data_bytes);
        must_refuse(place, FILES[i].code, FILES[i].message);
    }
    test_folder_write(place, "model.safetensors", "\xff\xff\xff\xff\xff\xff\xff\xff{}", 10);
    must_refuse(place, OB_EFORMAT, "its header claims 18446744073709551615 bytes");
    test_folder_write(place, "model.safetensors", "\x03\0\0\0\0\0\0\0{}", 10);
    must_refuse(place, OB_EFORMAT, "its header claims 3 bytes");
    test_folder_write(place, "model.safetensors", "short", 5);
    must_refuse(place, OB_EFORMAT, "not a safetensors file");
    test_folder_write(place, "model.safetensors", "", 0);
    must_refuse(place, OB_EFORMAT, "not a safetensors file");
}

static void open_folder_without_weights_says_so(void **state) {
    const struct test_folder *place = *state;
    must_refuse(place, OB_ENOTFOUND, "contains neither model.safetensors nor");
    test_folder_write(place, "pytorch_model.bin", "x", 1);
    must_refuse(place, OB_EUNSUPPORTED, "pytorch_model.bin: a pickle");
}

#define ONE(name) "{\"" name "\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}"

static void write_index(const struct test_folder *place, const char *map) {
    char text[1024];
    (void)snprintf(text, sizeof text, "{\"metadata\":{},\"weight_map\":%s}", map);
    test_folder_write(place, OB_SAFETENSORS_INDEX, text, strlen(text));
}

static void index_joins_its_files(void **state) {
    const struct test_folder *place = *state;
    struct ob_checkpoint *checkpoint = NULL;
    struct ob_error error = {0};
    write_tensors(place, "1.safetensors", ONE("a"), 4);
    write_tensors(place, "2.safetensors", ONE("b"), 4);
    write_index(place, "{\"a\":\"1.safetensors\",\"b\":\"2.safetensors\"}");
    if (ob_safetensors_open_folder(place->path, &checkpoint, &error))
        fail_msg("%s", error.text);
    assert_int_equal(checkpoint->count, 2);
    assert_int_equal(checkpoint->mapping_count, 2);
    ob_checkpoint_free(checkpoint);
}

/* What the files hold counts: the index may name tensors that were not saved, others' places, or too few. */
static void index_only_names_the_files(void **state) {
    static const char *const MAPS[] = {
        "{\"a\":\"1.safetensors\",\"b\":\"2.safetensors\",\"c.position_ids\":\"1.safetensors\"}",
        "{\"a\":\"2.safetensors\",\"b\":\"1.safetensors\"}",
        "{\"x\":\"1.safetensors\",\"y\":\"2.safetensors\"}"};
    const struct test_folder *place = *state;
    write_tensors(place, "1.safetensors", ONE("a"), 4);
    write_tensors(place, "2.safetensors", ONE("b"), 4);
    for (size_t i = 0; i < sizeof MAPS / sizeof *MAPS; i++) {
        struct ob_checkpoint *checkpoint = NULL;
        struct ob_error error = {0};
        write_index(place, MAPS[i]);
        if (ob_safetensors_open_folder(place->path, &checkpoint, &error))
            fail_msg("%s", error.text);
        assert_int_equal(checkpoint->count, 2);
        assert_true(ob_checkpoint_find(checkpoint, "a") >= 0 && ob_checkpoint_find(checkpoint, "b") >= 0);
        ob_checkpoint_free(checkpoint);
    }
}

static void index_that_does_not_fit_its_files_is_refused(void **state) {
    static const struct {
        const char *map;
        enum ob_err code;
        const char *message;
    } INDEXES[] = {
        {"{\"a\":\"1.safetensors\",\"c\":\"3.safetensors\"}", OB_ENOTFOUND,
         "file 3.safetensors, which contains tensor c, is missing"},
        {"{\"a\":\"1.safetensors\",\"x\":\"twin.safetensors\"}", OB_EFORMAT, "tensor a is also in"},
        {"{\"a\":\"../1.safetensors\"}", OB_EFORMAT, "tensor a is not given the name of a file beside it"},
        {"{\"a\":\"/etc/passwd\"}", OB_EFORMAT, "tensor a is not given the name of a file beside it"},
        {"{\"a\":1}", OB_EFORMAT, "tensor a is not given the name of a file beside it"},
        {"{}", OB_EFORMAT, "names no tensors"},
        {"[]", OB_EFORMAT, "names no tensors"},
    };
    const struct test_folder *place = *state;
    write_tensors(place, "1.safetensors", ONE("a"), 4);
    write_tensors(place, "2.safetensors", ONE("b"), 4);
    write_tensors(place, "twin.safetensors", ONE("a"), 4);
    for (size_t i = 0; i < sizeof INDEXES / sizeof *INDEXES; i++) {
        write_index(place, INDEXES[i].map);
        must_refuse(place, INDEXES[i].code, INDEXES[i].message);
    }
    test_folder_write(place, OB_SAFETENSORS_INDEX, "{", 1);
    must_refuse(place, OB_EFORMAT, "line 1");
}

/* What a model asks of its checkpoint. */
static void model_missing_and_unexpected_tensors_are_named(void **state) {
    static const char CONFIG[] = "{\"architectures\":[\"LlamaForCausalLM\"],\"vocab_size\":3,\"hidden_size\":"
                                 "2,\"num_hidden_layers\":1,"
                                 "\"num_attention_heads\":1,\"intermediate_size\":2}";
    const struct test_folder *place = *state;
    struct ob_model *model = NULL;
    struct ob_error error = {0};
    test_folder_write(place, "config.json", CONFIG, sizeof CONFIG - 1);
    write_tensors(place, "model.safetensors", ONE("a"), 4);
    assert_int_equal(ob_model_open(place->path, &model, &error), OB_ENOTFOUND);
    assert_non_null(strstr(error.text, "tensor model.embed_tokens.weight is missing"));
    write_tensors(place, "model.safetensors", ONE("model.embed_tokens.weight"), 4);
    assert_int_equal(ob_model_open(place->path, &model, &error), OB_EMISMATCH);
    assert_non_null(strstr(error.text, "config.json asks for (3, 2)"));
}

/* The parity checkpoint's tensors under a configuration of one layer: the second layer's belong to nothing.
 */
static void model_tensors_that_belong_to_nothing_are_named(void **state) {
    const struct test_folder *place = *state;
    struct ob_model *model = NULL;
    struct ob_error error = {0};
    char path[TEST_PATH_MAX];
    json_t *config =
        json_load_file(OB_SOURCE_ROOT "/tests/parity/checkpoints/llama-grouped/config.json", 0, NULL);
    assert_non_null(config);
    assert_int_equal(json_object_set_new(config, "num_hidden_layers", json_integer(1)), 0);
    (void)snprintf(path, sizeof path, "%s/config.json", place->path);
    assert_int_equal(json_dump_file(config, path, 0), 0);
    json_decref(config);
    (void)snprintf(path, sizeof path, "%s/model.safetensors", place->path);
    assert_int_equal(
        symlink(OB_SOURCE_ROOT "/tests/parity/checkpoints/llama-grouped/model.safetensors", path), 0);
    assert_int_equal(ob_model_open(place->path, &model, &error), OB_EUNSUPPORTED);
    assert_non_null(strstr(error.text, place->path));
    assert_non_null(strstr(error.text, "tensor model.layers.1."));
    assert_non_null(strstr(error.text, "is not part of a LlamaForCausalLM"));
}

/* A Llama of one layer with the numbers 2 and 1 for sizes, `type` for its embedding, and one tensor of 8 bytes. */
static void write_tiny_llama(const struct test_folder *place, const char *type, const char *extra) {
    static const char *const TENSORS[][2] = {{"model.layers.0.input_layernorm.weight", "1"},
                                             {"model.layers.0.self_attn.q_proj.weight", "2,1"},
                                             {"model.layers.0.self_attn.k_proj.weight", "2,1"},
                                             {"model.layers.0.self_attn.v_proj.weight", "2,1"},
                                             {"model.layers.0.self_attn.o_proj.weight", "1,2"},
                                             {"model.layers.0.post_attention_layernorm.weight", "1"},
                                             {"model.layers.0.mlp.gate_proj.weight", "1,1"},
                                             {"model.layers.0.mlp.up_proj.weight", "1,1"},
                                             {"model.layers.0.mlp.down_proj.weight", "1,1"},
                                             {"model.norm.weight", "1"},
                                             {"lm_head.weight", "2,1"}};
    char header[4096];
    size_t at = 8, used = (size_t)snprintf(header, sizeof header,
                                           "{\"model.embed_tokens.weight\":{\"dtype\":\"%s\",\"shape\":[2,1],"
                                           "\"data_offsets\":[0,8]},%s",
                                           type, extra);
    for (size_t i = 0; i < sizeof TENSORS / sizeof *TENSORS; i++) {
        size_t bytes = strchr(TENSORS[i][1], '2') ? 8 : 4;
        used += (size_t)snprintf(header + used, sizeof header - used,
                                 "\"%s\":{\"dtype\":\"F32\",\"shape\":[%s],\"data_offsets\":[%zu,%zu]},",
                                 TENSORS[i][0], TENSORS[i][1], at, at + bytes);
        at += bytes;
    }
    header[used - 1] = '}';
    write_tensors(place, "model.safetensors", header, extra[0] ? 80 : 72);
}

#define EXTRA(name, type, shape)                                                                             \
    "\"" name "\":{\"dtype\":\"" type "\",\"shape\":" shape ",\"data_offsets\":[72,80]},"

/* Names are looked at before types: masks and positions that nobody needs may be of any type. */
static void model_buffers_of_any_type_are_passed_over(void **state) {
    static const char CONFIG[] =
        "{\"architectures\":[\"LlamaForCausalLM\"],\"vocab_size\":2,\"hidden_size\":1,\"head_dim\":2,"
        "\"num_hidden_layers\":1,\"num_attention_heads\":1,\"intermediate_size\":1}";
    static const char *const BUFFERS[] = {
        EXTRA("model.position_ids", "I64", "[1,1]"), EXTRA("position_ids", "U8", "[8]"),
        EXTRA("model.layers.0.self_attn.rotary_emb.inv_freq", "BOOL", "[8]"),
        EXTRA("model.layers.0.self_attn.rotary_emb.cos_cached", "F64", "[1]")};
    const struct test_folder *place = *state;
    struct ob_model *model = NULL;
    struct ob_error error = {0};
    test_folder_write(place, "config.json", CONFIG, sizeof CONFIG - 1);
    for (size_t i = 0; i < sizeof BUFFERS / sizeof *BUFFERS; i++) {
        write_tiny_llama(place, "F32", BUFFERS[i]);
        if (ob_model_open(place->path, &model, &error))
            fail_msg("%s", error.text);
        ob_model_free(model);
    }
    write_tiny_llama(place, "F32", EXTRA("model.layers.0.scale", "I64", "[1]"));
    assert_int_equal(ob_model_open(place->path, &model, &error), OB_EUNSUPPORTED);
    assert_non_null(strstr(error.text, "tensor model.layers.0.scale is not part of a LlamaForCausalLM"));
    write_tiny_llama(place, "I32", "");
    assert_int_equal(ob_model_open(place->path, &model, &error), OB_EUNSUPPORTED);
    assert_non_null(strstr(error.text, "tensor model.embed_tokens.weight has type I32"));
}

static void names_that_are_too_long_are_refused(void **state) {
    const struct test_folder *place = *state;
    char text[4200], name[4100];
    memset(name, 'n', sizeof name);
    name[OB_NAME_MAX] = 0;
    (void)snprintf(text, sizeof text, "{\"%s\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}",
                   name);
    write_tensors(place, "model.safetensors", text, 4);
    must_refuse(place, OB_ETOOBIG, "... is longer than 127 bytes");
    write_tensors(place, "model.safetensors", ONE("a"), 4);
    (void)snprintf(text, sizeof text, "%s/model.safetensors", place->path);
    assert_int_equal(unlink(text), 0);
    name[OB_NAME_MAX] = 'n';
    name[sizeof name - 1] = 0;
    (void)snprintf(text, sizeof text, "{\"weight_map\":{\"a\":\"%s\"}}", name);
    test_folder_write(place, OB_SAFETENSORS_INDEX, text, strlen(text));
    must_refuse(place, OB_EUSAGE, "the path is too long");
}

#define IN_A_FOLDER(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_A_FOLDER(open_reads_every_plain_type),
        IN_A_FOLDER(open_damaged_files_are_refused),
        IN_A_FOLDER(open_folder_without_weights_says_so),
        IN_A_FOLDER(index_joins_its_files),
        IN_A_FOLDER(index_only_names_the_files),
        IN_A_FOLDER(model_buffers_of_any_type_are_passed_over),
        IN_A_FOLDER(index_that_does_not_fit_its_files_is_refused),
        IN_A_FOLDER(model_missing_and_unexpected_tensors_are_named),
        IN_A_FOLDER(model_tensors_that_belong_to_nothing_are_named),
        IN_A_FOLDER(names_that_are_too_long_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
