/* GGUF files against the `gguf` Python package, and against the same models as Hugging Face folders; from the
 * files that make_gguf.py wrote. */
#include "tests/parity/fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "model/convert/gguf_config.h"
#include "model/convert/open_model.h"
#include "model/families/family.h"
#include "model/formats/gguf.h"
#include "tests/support/folder.h"

#define GGUF OB_SOURCE_ROOT "/tests/parity/gguf/"

static uint32_t bits_of(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* Every element, read whole, and again in pieces that begin and end within blocks. */
static void compare_blocks(const struct ob_checkpoint *checkpoint, enum ob_dtype dtype) {
    char name[64];
    float found[1024], expected[1024];
    int64_t ours = ob_checkpoint_find(checkpoint, ob_dtype_name(dtype));
    (void)snprintf(name, sizeof name, "%s.expected", ob_dtype_name(dtype));
    int64_t theirs = ob_checkpoint_find(checkpoint, name);
    assert_true(ours >= 0 && theirs >= 0);
    const struct ob_checkpoint_tensor *tensor = &checkpoint->tensors[ours];
    assert_int_equal(tensor->dtype, dtype);
    assert_int_equal(tensor->elements, 1024);
    ob_checkpoint_read(&checkpoint->tensors[theirs], 0, 1024, expected);
    ob_checkpoint_read(tensor, 0, 1024, found);
    for (size_t i = 0; i < 1024; i++)
        if (bits_of(found[i]) != bits_of(expected[i]))
            fail_msg("%s: element %zu is %a, expected %a", ob_dtype_name(dtype), i, (double)found[i],
                     (double)expected[i]);
    for (size_t first = 0, count = 1; first < 1024; first += count, count = count * 2 + 5) {
        count = first + count > 1024 ? 1024 - first : count;
        memset(found, 0, sizeof found);
        ob_checkpoint_read(tensor, first, count, found);
        assert_memory_equal(found, expected + first, count * sizeof *found);
    }
}

static void blocks_decode_as_gguf_does(void **state) {
    (void)state;
    struct ob_gguf *gguf = NULL;
    struct ob_error error = {0};
    if (ob_gguf_open(GGUF "blocks.gguf", &gguf, &error))
        fail_msg("%s", error.text);
    for (int dtype = 0; dtype < OB_DTYPE_COUNT; dtype++)
        compare_blocks(gguf->checkpoint, (enum ob_dtype)dtype);
    ob_gguf_free(gguf);
}

static struct ob_hash hash_of(const char *path) {
    struct ob_model *model = NULL;
    struct ob_error error = {0};
    struct ob_hash hash = {{0}};
    if (ob_model_open(path, &model, &error))
        fail_msg("%s", error.text);
    assert_int_equal(ob_model_hash(model, NULL, &hash, &error), OB_OK);
    ob_model_free(model);
    return hash;
}

/* Permuted, regrouped and turned matrices of every size: the same names, elements and bits. */
static void the_same_model_has_the_same_hash(void **state) {
    (void)state;
    struct names names = gguf_files();
    for (size_t i = 0; i < names.count; i++) {
        char folder[512], expected[600], file[512];
        folder_of(names.list[i], folder, expected);
        gguf_of(names.list[i], file);
        struct ob_hash a = hash_of(folder), b = hash_of(file);
        if (!ob_hash_equal(&a, &b))
            fail_msg("%s: the GGUF file is another model than the folder", names.list[i]);
    }
}

/* A model in several files is the same model; a part alone is not one. */
static void split_files_are_one_model(void **state) {
    (void)state;
    struct ob_hash a = hash_of(OB_SOURCE_ROOT "/tests/parity/checkpoints/llama-grouped"),
                   b = hash_of(GGUF "split-00001-of-00003.gguf");
    struct ob_model *model = NULL;
    struct ob_error error = {0};
    assert_true(ob_hash_equal(&a, &b));
    assert_int_equal(ob_model_open(GGUF "split-00002-of-00003.gguf", &model, &error), OB_EUSAGE);
    assert_non_null(strstr(error.text, "is part 2 of 3 of a model: give the first one"));
}

/* Parts that are missing, renamed or exchanged. */
static void split_files_that_do_not_fit_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *names[3]; /* of the three parts in a folder of their own */
        enum ob_err code;
        const char *message;
    } CASES[] = {
        {{"m-00001-of-00003.gguf", "m-00002-of-00003.gguf", "x"},
         OB_ENOTFOUND,
         "m-00003-of-00003.gguf: cannot open"},
        {{"m.gguf", "m-00002-of-00003.gguf", "m-00003-of-00003.gguf"},
         OB_EUSAGE,
         "must be called NAME-00001-of-00003.gguf"},
        {{"m-00001-of-00003.gguf", "m-00003-of-00003.gguf", "m-00002-of-00003.gguf"},
         OB_EMISMATCH,
         "m-00002-of-00003.gguf: is part 3 of 3, expected 2 of 3"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct test_folder folder;
        char path[TEST_PATH_MAX], from[512];
        struct ob_gguf *gguf = NULL;
        struct ob_error error = {0};
        test_folder_make(&folder);
        for (int part = 0; part < 3; part++) {
            (void)snprintf(from, sizeof from, GGUF "split-%05d-of-00003.gguf", part + 1);
            assert_int_equal(symlink(from, test_folder_path(&folder, CASES[i].names[part], path)), 0);
        }
        assert_int_equal(ob_gguf_open(test_folder_path(&folder, CASES[i].names[0], path), &gguf, &error),
                         CASES[i].code);
        if (!strstr(error.text, CASES[i].message))
            fail_msg("\"%s\", expected \"%s\"", error.text, CASES[i].message);
        test_folder_remove(&folder);
    }
}

/* A part of a tensor whose rows are reordered is the part of the whole. */
static void reordered_rows_read_in_pieces(void **state) {
    (void)state;
    struct ob_model *model = NULL;
    assert_int_equal(ob_model_open(GGUF "llama-mixed.gguf", &model, NULL), OB_OK);
    size_t tensor = (size_t)ob_model_slot(model, 1, OB_SLOT_Q);
    size_t elements = (size_t)model->tensors[tensor].elements;
    float *whole = calloc(elements, sizeof *whole), *part = calloc(elements, sizeof *part);
    assert_true(whole && part);
    ob_model_read(model, tensor, 0, elements, whole);
    for (size_t first = 0; first < elements; first += 37) {
        size_t count = elements - first < 75 ? elements - first : 75;
        ob_model_read(model, tensor, first, count, part);
        assert_memory_equal(part, whole + first, count * sizeof *whole);
    }
    free(whole);
    free(part);
    ob_model_free(model);
}

/* The factors give back the parameters that they were made of. */
static void rope_factors_are_recognised(void **state) {
    (void)state;
    struct ob_gguf *gguf = NULL;
    json_t *config = NULL;
    struct ob_error error = {0};
    assert_int_equal(ob_gguf_open(GGUF "rope-llama3.gguf", &gguf, &error), OB_OK);
    assert_int_equal(ob_gguf_config(gguf, &config, &error), OB_OK);
    const json_t *scaling = json_object_get(config, "rope_scaling");
    assert_string_equal(json_string_value(json_object_get(scaling, "rope_type")), "llama3");
    assert_int_equal((int)json_number_value(json_object_get(scaling, "factor")), 32);
    assert_int_equal(json_integer_value(json_object_get(scaling, "original_max_position_embeddings")), 8192);
    json_decref(config);
    ob_gguf_free(gguf);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_decode_as_gguf_does),
        cmocka_unit_test(the_same_model_has_the_same_hash),
        cmocka_unit_test(split_files_are_one_model),
        cmocka_unit_test(split_files_that_do_not_fit_are_refused),
        cmocka_unit_test(reordered_rows_read_in_pieces),
        cmocka_unit_test(rope_factors_are_recognised),
    };
    return cmocka_run_group_tests_name("gguf", tests, NULL, NULL);
}
