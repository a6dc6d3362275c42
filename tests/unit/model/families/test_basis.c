/* The file of a basis: golden bytes, what is refused and by which words, and how it becomes the adapters' A. */
#include "tests/unit/cmocka_all.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hex.h"
#include "model/convert/open_model.h"
#include "model/families/adapter.h"
#include "model/families/basis.h"
#include "model/families/select.h"
#include "model/families/weight_source.h"
#include "record/hash.h"
#include "tests/support/folder.h"

enum { RANK = 2, IN = 15, MATRICES = 2 };

struct place {
    struct test_folder folder;
    char path[TEST_PATH_MAX];
    struct ob_basis_facts facts;
    struct ob_basis_tensor tensors[MATRICES];
    double values[MATRICES][RANK * IN];
    struct ob_error error;
};

static int set_up(void **state) {
    static const char *const NAMES[MATRICES] = {"transformer.h.0.attn.c_attn.lora_A.weight",
                                                "transformer.h.1.attn.c_attn.lora_A.weight"};
    struct place *p = calloc(1, sizeof *p);
    assert_non_null(p);
    test_folder_make(&p->folder);
    test_folder_path(&p->folder, "run.basis.safetensors", p->path);
    p->facts = (struct ob_basis_facts){
        .base_hash = {{1}}, .calibration = {{2}}, .calibration_rows = 64, .rank = RANK};
    for (size_t t = 0; t < MATRICES; t++) {
        (void)snprintf(p->tensors[t].name, OB_NAME_MAX, "%s", NAMES[t]);
        p->tensors[t].in = IN;
        p->tensors[t].values = p->values[t];
        for (int i = 0; i < RANK * IN; i++) /* exact; the second tensor's are 1/1024 of the first's */
            p->values[t][i] = ((i * 7 + (int)t) % 13 - 6) * (t ? 0x1p-12 : 0.25);
    }
    p->values[0][3] = 0x1p-24;     /* at exponent 23 half a unit: to the even one, 0 … */
    p->values[0][4] = 3 * 0x1p-24; /* … and 2 */
    *state = p;
    return 0;
}

static int tear_down(void **state) {
    struct place *p = *state;
    test_folder_remove(&p->folder);
    free(p);
    return 0;
}

static void write_basis(struct place *p) {
    test_remove(p->path);
    if (ob_basis_write(p->path, &p->facts, p->tensors, MATRICES, &p->error))
        fail_msg("%s", p->error.text);
}

/* Made with Python from the format's description in basis.h: hashlib.blake2b of the whole file. */
static void write_is_golden(void **state) {
    struct place *p = *state;
    char found[OB_HEX_HASH_MAX];
    size_t bytes;
    write_basis(p);
    char *data = test_file_read(p->path, &bytes);
    struct ob_hash hash = ob_hash_of(data, bytes);
    free(data);
    assert_string_equal(ob_hex_encode(hash.bytes, OB_HASH_BYTES, found),
                        "cfe72bbc8911f4e5284752a6d676f431d41897f26003fef3ee466607fc66db45");
    assert_int_equal(ob_basis_write(p->path, &p->facts, p->tensors, MATRICES, &p->error), OB_EBUSY);
}

static void read_gives_what_was_written(void **state) {
    struct place *p = *state;
    struct ob_basis *basis = NULL;
    write_basis(p);
    if (ob_basis_open(p->path, &basis, &p->error))
        fail_msg("%s", p->error.text);
    const struct ob_basis_facts *facts = ob_basis_facts(basis);
    assert_true(ob_hash_equal(&facts->base_hash, &p->facts.base_hash));
    assert_true(ob_hash_equal(&facts->calibration, &p->facts.calibration));
    assert_true(facts->calibration_rows == 64 && facts->rank == RANK && facts->rule == OB_BASIS_ORTHONORMAL);
    assert_int_equal(ob_basis_count(basis), MATRICES);
    for (size_t t = 0; t < MATRICES; t++) {
        float values[RANK * IN];
        uint64_t in = 0;
        int64_t tensor = ob_basis_find(basis, p->tensors[t].name, &in);
        assert_true(tensor >= 0 && in == IN);
        ob_basis_read(basis, (size_t)tensor, 0, 7, values);
        ob_basis_read(basis, (size_t)tensor, 7, RANK * IN - 7, values + 7);
        for (int i = 0; i < RANK * IN; i++)
            if (t != 0 || (i != 3 && i != 4))
                assert_true((double)values[i] == p->values[t][i]);
        if (t == 0)
            assert_true(values[3] == 0 && (double)values[4] == 2 * 0x1p-23);
    }
    uint64_t in;
    assert_int_equal(ob_basis_find(basis, "transformer.h.0.mlp.c_fc.lora_A.weight", &in), -1);
    ob_basis_free(basis);
}

/* Replaces `from` in the file by `to`, of the same length. */
static void edit(const struct place *p, const char *from, const char *to) {
    size_t bytes;
    char *data = test_file_read(p->path, &bytes), *at = memmem(data, bytes, from, strlen(from));
    assert_true(at && strlen(from) == strlen(to));
    memcpy(at, to, strlen(to));
    test_file_write(p->path, data, bytes);
    free(data);
}

static void open_refuses_by_name(void **state) {
    struct place *p = *state;
    static const struct {
        const char *from, *to, *message;
        enum ob_err code;
    } CASES[] = {
        {"onebyte-basis-1", "onebyte-basis-2", "format \"onebyte-basis-2\"", OB_EUNSUPPORTED},
        {"\"rule\":\"orthonormal\"", "\"rule\":\"orthonormul\"", "rule \"orthonormul\" is not known",
         OB_EUNSUPPORTED},
        {"\"rank\":\"2\"", "\"rank\":\"3\"", "not a matrix of I32 with 3 rows", OB_EFORMAT},
        {"\"rank\":\"2\"", "\"rank\":\"0\"", "\"rank\" is \"0\", expected 1 to 256", OB_EFORMAT},
        {"\"rank\":\"2\"", "\"runk\":\"2\"", "its metadata has no \"rank\"", OB_EFORMAT},
        {"\"calibration_rows\":\"64\"", "\"calibration_rows\":\"06\"", "\"calibration_rows\" is \"06\"",
         OB_EFORMAT},
        {"\"base_hash\":\"01", "\"base_hash\":\"0x", "\"base_hash\" is not 64 hexadecimal digits",
         OB_EFORMAT},
        {"c_attn.lora_A.weight\":\"23\"", "c_attn.lora_A.weight\":\"65\"", "expected -64 to 64", OB_EFORMAT},
        {"I32", "F32", "not a matrix of I32", OB_EFORMAT},
        {"[0,120]", "[0,124]", "run.basis.safetensors: tensor", OB_EFORMAT},
        {"[0,120]", "[8,128]", "run.basis.safetensors: ", OB_EFORMAT},
        {"__metadata__", "__metadato__", "run.basis.safetensors: ", OB_EUNSUPPORTED}};
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct ob_basis *basis = NULL;
        write_basis(p);
        edit(p, CASES[i].from, CASES[i].to);
        enum ob_err failed = ob_basis_open(p->path, &basis, &p->error);
        if (failed != CASES[i].code || !strstr(p->error.text, CASES[i].message) ||
            !strstr(p->error.text, "run.basis.safetensors"))
            fail_msg("case %zu: %d, \"%s\"; expected \"%s\"", i, failed, p->error.text, CASES[i].message);
        assert_null(basis);
    }
}

static void open_refuses_numbers_beyond_float(void **state) {
    struct place *p = *state;
    struct ob_basis *basis = NULL;
    write_basis(p);
    test_file_flip(p->path, -1, 0x02); /* the last element's high byte */
    assert_int_equal(ob_basis_open(p->path, &basis, &p->error), OB_EFORMAT);
    assert_non_null(strstr(p->error.text, "element 29 is beyond 2^24"));
    p->values[1][5] = NAN;
    test_remove(p->path);
    assert_int_equal(ob_basis_write(p->path, &p->facts, p->tensors, MATRICES, &p->error), OB_ENOTFINITE);
    assert_int_equal(ob_basis_open(p->path, &basis, &p->error), OB_ENOTFOUND);
}

static struct ob_model *adapted(const char *pattern, uint32_t rank) {
    struct ob_model *model = NULL;
    assert_int_equal(ob_model_open(OB_SOURCE_ROOT "/tests/parity/checkpoints/gpt2-odd-heads", &model, NULL),
                     OB_OK);
    bool *targets = calloc(model->tensor_count, sizeof *targets);
    assert_non_null(targets);
    assert_int_equal(ob_model_select(model, &pattern, 1, targets, NULL), OB_OK);
    assert_int_equal(ob_model_adapt(model, rank, rank, targets, NULL), OB_OK);
    free(targets);
    return model;
}

static void set_basis_gives_each_a_its_values(void **state) {
    struct place *p = *state;
    struct ob_basis *basis = NULL;
    struct ob_model *model = adapted("transformer.h.*.attn.c_attn.weight", RANK);
    write_basis(p);
    assert_int_equal(ob_basis_open(p->path, &basis, NULL), OB_OK);
    assert_int_equal(ob_model_set_basis(model, basis, p->path, NULL), OB_OK);
    struct ob_weight_source source = {.model = model};
    for (size_t t = 0; t < MATRICES; t++) {
        float values[IN];
        size_t a = model->tensor_count + 2 * t;
        assert_string_equal(model->tensors[a].name, p->tensors[t].name);
        assert_true(ob_adapter_is_a(model, a) && !ob_adapter_is_a(model, a + 1) &&
                    !ob_adapter_is_a(model, 0));
        ob_source_read(&source, a, IN, IN, (float *const[2]){values, NULL});
        for (size_t i = 0; i < IN; i++)
            assert_true((double)values[i] == p->values[t][IN + i]);
    }
    ob_model_free(model);
}

static void set_basis_refuses_another_models(void **state) {
    struct place *p = *state;
    static const struct {
        const char *pattern, *message;
        uint32_t rank;
    } CASES[] = {
        {"transformer.h.0.attn.c_attn.weight", "has 2 tensors; the run has adapters at 1 matrices", RANK},
        {"transformer.h.*.c_*.weight", "has no tensor transformer.h.0.attn.c_proj.lora_A.weight", RANK},
        {"transformer.h.*.attn.c_attn.weight", "the shape of tensor", RANK + 1}};
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct ob_basis *basis = NULL;
        struct ob_model *model = adapted(CASES[i].pattern, CASES[i].rank);
        write_basis(p);
        assert_int_equal(ob_basis_open(p->path, &basis, NULL), OB_OK);
        assert_int_equal(ob_model_set_basis(model, basis, p->path, &p->error), OB_EMISMATCH);
        if (!strstr(p->error.text, CASES[i].message))
            fail_msg("got \"%s\", expected \"%s\"", p->error.text, CASES[i].message);
        ob_model_free(model);
    }
}

int main(void) {
#define CASE(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
    const struct CMUnitTest tests[] = {CASE(write_is_golden),
                                       CASE(read_gives_what_was_written),
                                       CASE(open_refuses_by_name),
                                       CASE(open_refuses_numbers_beyond_float),
                                       CASE(set_basis_gives_each_a_its_values),
                                       CASE(set_basis_refuses_another_models)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
