/* Hostile GGUF files: each is refused with its name and what is wrong. */
#include "tests/unit/cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "model/convert/gguf_config.h"
#include "model/convert/open_model.h"
#include "model/formats/gguf.h"
#include "model/formats/gguf_writer.h"

struct tensor {
    const char *name;
    uint32_t dims, type;
    uint64_t shape[2], offset;
};

struct sample {
    uint32_t version;
    uint64_t tensors, entries; /* what the header says; 0: how many there are */
    struct ob_gguf_writer metadata;
    const struct tensor *list;
    size_t list_count, data_bytes;
};

/* Two tensors of 32 floats, well made. */
static const struct tensor GOOD[2] = {{"a", 1, 0, {32}, 0}, {"b", 2, 0, {8, 4}, 128}};

static struct sample good(void) {
    struct sample s = {.version = 3, .list = GOOD, .list_count = 2, .data_bytes = 256};
    ob_gguf_add_text(&s.metadata, "general.architecture", "llama");
    return s;
}

/* Writes the file but for its last `cut` bytes, to a name that is made of `path`. */
static void write_sample(const struct sample *sample, size_t cut, char *path) {
    struct sample s = *sample;
    struct ob_gguf_writer file = {0};
    ob_gguf_put(&file, "GGUF", 4);
    ob_gguf_put_u32(&file, s.version);
    ob_gguf_put_u64(&file, s.tensors ? s.tensors : s.list_count);
    ob_gguf_put_u64(&file, s.entries ? s.entries : s.metadata.entries);
    ob_gguf_put(&file, s.metadata.data, s.metadata.used);
    for (size_t i = 0; i < s.list_count; i++) {
        const struct tensor *t = &s.list[i];
        ob_gguf_put_text(&file, t->name, strlen(t->name));
        ob_gguf_put_u32(&file, t->dims);
        for (uint32_t d = 0; d < t->dims && d < 2; d++)
            ob_gguf_put_u64(&file, t->shape[d]);
        ob_gguf_put_u32(&file, t->type);
        ob_gguf_put_u64(&file, t->offset);
    }
    while (file.used % 32 != 0)
        ob_gguf_put(&file, "", 1);
    for (size_t i = 0; i < s.data_bytes; i++)
        ob_gguf_put(&file, "", 1);
    assert_false(file.failed);
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, file.data, file.used - cut), (ssize_t)(file.used - cut));
    close(fd);
    ob_gguf_writer_done(&file);
}

/* Opens the file, expects the error; takes the sample's metadata. */
static void expect(struct sample s, size_t cut, enum ob_err code, const char *message) {
    char path[] = "/tmp/ob_gguf_XXXXXX";
    write_sample(&s, cut, path);
    struct ob_gguf *gguf = NULL;
    struct ob_error error = {0};
    enum ob_err failed = ob_gguf_open(path, &gguf, &error);
    if (failed != code || (code && (!strstr(error.text, path) || !strstr(error.text, message))))
        fail_msg("expected \"%s\", got %d: %s", message, (int)failed, error.text);
    ob_gguf_free(gguf);
    unlink(path);
    ob_gguf_writer_done(&s.metadata);
}

static void open_reads_what_is_well_made(void **state) {
    (void)state;
    expect(good(), 0, OB_OK, "");
    struct sample old = good();
    old.version = 2;
    expect(old, 0, OB_OK, "");
}

static void open_refuses_other_versions(void **state) {
    (void)state;
    struct sample s = good();
    s.version = 1;
    expect(s, 0, OB_EUNSUPPORTED, "GGUF version 1; 2 and 3 are supported");
    s = good();
    s.version = 3u << 24;
    expect(s, 0, OB_EUNSUPPORTED, "big-endian");
}

static void open_refuses_counts_beyond_the_file(void **state) {
    (void)state;
    struct sample s = good();
    s.tensors = UINT64_MAX;
    expect(s, 0, OB_ETOOBIG, "tensors, at most");
    s = good();
    s.entries = UINT64_MAX;
    expect(s, 0, OB_ETOOBIG, "metadata entries, at most");
    s = good();
    s.entries = 9;
    expect(s, 0, OB_EFORMAT, "entry ");
    s = good();
    s.tensors = 300;
    expect(s, 0, OB_EFORMAT, "tensor");
}

static void open_refuses_bad_entries(void **state) {
    (void)state;
    struct sample s = good();
    ob_gguf_add_u32(&s.metadata, "twice", 1);
    ob_gguf_add_u32(&s.metadata, "twice", 2);
    expect(s, 0, OB_EFORMAT, "entry twice occurs twice");
    s = good();
    ob_gguf_add_list(&s.metadata, "long", OB_GGUF_U32, UINT64_MAX / 2);
    expect(s, 0, OB_EFORMAT, "(long) lies outside the file");
    s = good();
    ob_gguf_add_list(&s.metadata, "nested", OB_GGUF_LIST, 1);
    expect(s, 0, OB_EUNSUPPORTED, "entry nested is a list of lists");
    s = good();
    ob_gguf_add_list(&s.metadata, "odd", (enum ob_gguf_type)77, 1);
    expect(s, 0, OB_EFORMAT, "entry odd");
    s = good();
    ob_gguf_add_u32(&s.metadata, "general.alignment", 24);
    expect(s, 0, OB_EFORMAT, "general.alignment 24 is no power of two");
    s = good();
    ob_gguf_add_text(&s.metadata, "general.alignment", "32");
    expect(s, 0, OB_EFORMAT, "general.alignment is not a whole number");
    s = good();
    ob_gguf_add_u32(&s.metadata, "split.count", 3);
    expect(s, 0, OB_EUSAGE, "the first of 3 parts of a model must be called NAME-00001-of-00003.gguf");
}

static void refuse_tensor(struct tensor second, enum ob_err code, const char *message) {
    struct tensor list[2] = {GOOD[0], second};
    struct sample s = good();
    s.list = list;
    expect(s, 0, code, message);
}

static void open_refuses_bad_tensors(void **state) {
    (void)state;
    refuse_tensor((struct tensor){"b", 2, 10, {256, 1}, 128}, OB_EUNSUPPORTED, "tensor b has type Q2_K");
    refuse_tensor((struct tensor){"b", 2, 4, {8, 4}, 128}, OB_EUNSUPPORTED, "unknown type 4");
    refuse_tensor((struct tensor){"b", 2, 999, {8, 4}, 128}, OB_EUNSUPPORTED, "unknown type 999");
    refuse_tensor((struct tensor){"b", 2, 8, {33, 1}, 128}, OB_EFORMAT, "no whole blocks of Q8_0");
    refuse_tensor((struct tensor){"b", 1, 0, {0}, 128}, OB_EFORMAT, "dimension 0 is 0");
    refuse_tensor((struct tensor){"b", 0, 0, {0}, 128}, OB_EFORMAT, "0 dimensions, expected 1 to 4");
    refuse_tensor((struct tensor){"b", 99, 0, {1, 1}, 128}, OB_EFORMAT, "99 dimensions");
    refuse_tensor((struct tensor){"b", 2, 0, {1ull << 40, 1ull << 40}, 128}, OB_EFORMAT, "tensor b");
    refuse_tensor((struct tensor){"b", 2, 0, {8, 4}, 100}, OB_EFORMAT, "starts at 100, no multiple of 32");
    refuse_tensor((struct tensor){"b", 2, 0, {8, 4}, 160}, OB_EFORMAT, "outside the file");
    refuse_tensor((struct tensor){"b", 2, 0, {8, 4}, UINT64_MAX - 31}, OB_EFORMAT, "outside the file");
    refuse_tensor((struct tensor){"b", 2, 0, {8, 4}, 64}, OB_EFORMAT, "tensors a and b overlap");
    refuse_tensor((struct tensor){"a", 2, 0, {8, 4}, 128}, OB_EFORMAT, "tensor a is also in");
    struct sample s = good();
    ob_gguf_put_u64(&s.metadata, 3); /* after the entries: the first tensor's name, with a NUL in it */
    ob_gguf_put(&s.metadata, "a\0b", 3);
    s.list_count = 0;
    s.tensors = 1;
    expect(s, 0, OB_EFORMAT, "the name of tensor 0 contains a NUL");
    refuse_tensor((struct tensor){"", 2, 0, {8, 4}, 128}, OB_EFORMAT, "a name of 0 bytes");
}

/* Wherever a file is cut, it is an error with its name. */
static void open_refuses_every_cut(void **state) {
    (void)state;
    for (size_t cut = 1; cut < 400; cut++)
        expect(good(), cut, OB_EFORMAT, "");
}

/* The sample as a model; takes its metadata. */
static void expect_model(struct sample s, enum ob_err code, const char *message) {
    char path[] = "/tmp/ob_gguf_XXXXXX";
    struct ob_model *model = NULL;
    struct ob_error error = {0};
    write_sample(&s, 0, path);
    enum ob_err failed = ob_model_open(path, &model, &error);
    if (failed != code || !strstr(error.text, path) || !strstr(error.text, message))
        fail_msg("expected %d and \"%s\", got %d: %s", (int)code, message, (int)failed, error.text);
    unlink(path);
    ob_gguf_writer_done(&s.metadata);
}

static void config_of(void (*add)(struct ob_gguf_writer *metadata), enum ob_err code, const char *message) {
    struct sample s = {.version = 3};
    add(&s.metadata);
    expect_model(s, code, message);
}

static void no_architecture(struct ob_gguf_writer *m) {
    ob_gguf_add_u32(m, "general.file_type", 0);
}
static void strange_architecture(struct ob_gguf_writer *m) {
    ob_gguf_add_text(m, "general.architecture", "mamba");
}
static void no_tensors(struct ob_gguf_writer *m) {
    ob_gguf_add_text(m, "general.architecture", "llama");
}

static void model_open_names_what_is_missing(void **state) {
    (void)state;
    config_of(no_architecture, OB_EFORMAT, "general.architecture is missing");
    config_of(strange_architecture, OB_EUNSUPPORTED, "architecture \"mamba\" is not supported");
    config_of(no_tensors, OB_ENOTFOUND, "token_embd.weight is missing");
}

/* A Llama of width 8 with one head, of which only the embedding and, after it, `second` are there. */
static struct sample llama(const struct tensor list[2]) {
    struct sample s = {.version = 3, .list = list, .list_count = 2, .data_bytes = 512};
    ob_gguf_add_text(&s.metadata, "general.architecture", "llama");
    static const struct {
        const char *key;
        uint32_t value;
    } KEYS[] = {{"llama.context_length", 16},      {"llama.embedding_length", 8},
                {"llama.block_count", 1},          {"llama.feed_forward_length", 8},
                {"llama.attention.head_count", 1}, {"llama.attention.head_count_kv", 1}};
    for (size_t i = 0; i < sizeof KEYS / sizeof *KEYS; i++)
        ob_gguf_add_u32(&s.metadata, KEYS[i].key, KEYS[i].value);
    ob_gguf_add_f32(&s.metadata, "llama.attention.layer_norm_rms_epsilon", 1e-5f);
    return s;
}

static const struct tensor EMBEDDING = {"token_embd.weight", 2, 0, {8, 4}, 0};

static void refuse_number(const char *key, uint32_t value, enum ob_err code, const char *message) {
    const struct tensor list[2] = {EMBEDDING, {"output_norm.weight", 1, 0, {8}, 128}};
    struct sample s = llama(list);
    ob_gguf_add_u32(&s.metadata, key, value);
    expect_model(s, code, message);
}

static void model_open_refuses_what_it_cannot_compute(void **state) {
    (void)state;
    refuse_number("llama.attention.value_length", 4, OB_EUNSUPPORTED,
                  "entry llama.attention.value_length: values and keys of different width are not supported");
    refuse_number("llama.rope.dimension_count", 4, OB_EUNSUPPORTED,
                  "entry llama.rope.dimension_count: RoPE on a part of each head");
    refuse_number("llama.expert_count", 8, OB_EUNSUPPORTED, "entry llama.expert_count is not supported");
    refuse_number("llama.expert_count", 0, OB_ENOTFOUND,
                  "tensor model.layers.0.input_layernorm.weight is missing"); /* switches nothing on */
    refuse_number("llama.rope.freq_base", 7, OB_EFORMAT, "entry llama.rope.freq_base is not");
    refuse_number("llama.rope.scaling.type", 7, OB_EFORMAT, "entry llama.rope.scaling.type is not");
}

static void refuse_factors(uint64_t count, enum ob_err code, const char *message) {
    const struct tensor list[2] = {EMBEDDING, {"rope_freqs.weight", 1, 0, {count}, 128}};
    expect_model(llama(list), code, message);
}

static void model_open_refuses_other_rope_factors(void **state) {
    (void)state;
    refuse_factors(3, OB_EMISMATCH, "tensor rope_freqs.weight does not have 4 elements");
    refuse_factors(5, OB_EMISMATCH, "tensor rope_freqs.weight does not have 4 elements");
    refuse_factors(4, OB_EUNSUPPORTED, "RoPE scaling other than Llama 3's is not supported"); /* zeros */
}

static void open_refuses_what_is_no_gguf(void **state) {
    (void)state;
    static const struct {
        const char *bytes;
        size_t count;
        const char *message;
    } FILES[] = {{"GGUG\3\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 24, "not a GGUF file"},
                 {"GGUF\3\0\0\0\0", 9, "not a GGUF file (shorter than its header of 24 bytes)"},
                 {"GG", 2, "not a GGUF file"}};
    for (size_t i = 0; i < sizeof FILES / sizeof *FILES; i++) {
        char path[] = "/tmp/ob_gguf_XXXXXX";
        struct ob_gguf *gguf = NULL;
        struct ob_error error = {0};
        int fd = mkstemp(path);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, FILES[i].bytes, FILES[i].count), (ssize_t)FILES[i].count);
        close(fd);
        assert_int_equal(ob_gguf_open(path, &gguf, &error), OB_EFORMAT);
        if (!strstr(error.text, path) || !strstr(error.text, FILES[i].message))
            fail_msg("expected \"%s\", got: %s", FILES[i].message, error.text);
        unlink(path);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(open_reads_what_is_well_made),
        cmocka_unit_test(open_refuses_other_versions),
        cmocka_unit_test(open_refuses_counts_beyond_the_file),
        cmocka_unit_test(open_refuses_bad_entries),
        cmocka_unit_test(open_refuses_bad_tensors),
        cmocka_unit_test(open_refuses_every_cut),
        cmocka_unit_test(model_open_names_what_is_missing),
        cmocka_unit_test(model_open_refuses_what_it_cannot_compute),
        cmocka_unit_test(model_open_refuses_other_rope_factors),
        cmocka_unit_test(open_refuses_what_is_no_gguf),
    };
    return cmocka_run_group_tests_name("gguf", tests, NULL, NULL);
}
