#include "model/convert/gguf_metadata.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "model/convert/documents.h"
#include "model/convert/tokenizer_from_lists.h"
#include "model/families/family.h"
#include "model/formats/gguf.h"

#define KEY_BYTES 160

struct adding {
    struct ob_gguf_writer *writer;
    const struct ob_model *model;
    const char *architecture;
    struct ob_error *error;
};

/* What is said anew, or was only true of the base file. */
static bool is_dropped(struct ob_gguf_text key) {
    static const char *const DROPPED[] = {
        "general.file_type", "general.alignment", "general.quantization_version",
        "split.count",       "split.no",          "split.tensors.count"};
    for (size_t i = 0; i < sizeof DROPPED / sizeof *DROPPED; i++)
        if (ob_gguf_text_is(key, DROPPED[i]))
            return true;
    return key.bytes >= 9 && memcmp(key.data, "quantize.", 9) == 0;
}

static enum ob_err copy_entries(const struct adding *a) {
    struct ob_gguf *gguf = NULL;
    enum ob_err failed = ob_gguf_open(a->model->path, &gguf, a->error);
    for (size_t i = 0; !failed && i < gguf->entry_count; i++)
        if (!is_dropped(gguf->entries[i].key))
            ob_gguf_add_copy(a->writer, &gguf->entries[i]);
    ob_gguf_free(gguf);
    return failed;
}

static void add_number(const struct adding *a, const char *suffix, uint32_t value) {
    char key[KEY_BYTES];
    (void)snprintf(key, sizeof key, "%s.%s", a->architecture, suffix);
    ob_gguf_add_u32(a->writer, key, value);
}

static void add_real(const struct adding *a, const char *suffix, float value) {
    char key[KEY_BYTES];
    (void)snprintf(key, sizeof key, "%s.%s", a->architecture, suffix);
    ob_gguf_add_f32(a->writer, key, value);
}

static void add_rope_scaling(const struct adding *a, const struct ob_rope *rope) {
    char key[KEY_BYTES];
    bool is_yarn = rope->scaling == OB_ROPE_YARN;
    if (rope->scaling == OB_ROPE_LONG)
        add_real(a, "rope.scaling.attn_factor", (float)rope->attention_factor);
    if (!is_yarn && rope->scaling != OB_ROPE_LINEAR)
        return;
    (void)snprintf(key, sizeof key, "%s.rope.scaling.type", a->architecture);
    ob_gguf_add_text(a->writer, key, is_yarn ? "yarn" : "linear");
    add_real(a, "rope.scaling.factor", (float)rope->factor);
    if (is_yarn)
        add_number(a, "rope.scaling.original_context_length", (uint32_t)rope->original_context);
}

static void add_config(const struct adding *a) {
    const struct ob_model_config *c = &a->model->config;
    ob_gguf_add_text(a->writer, "general.architecture", a->architecture);
    add_number(a, "context_length", c->context);
    add_number(a, "embedding_length", c->width);
    add_number(a, "block_count", c->layers);
    add_number(a, "feed_forward_length", c->ff_width);
    add_number(a, "attention.head_count", c->heads);
    add_number(a, "vocab_size", c->vocabulary);
    add_real(a,
             c->norm == OB_NORM_LAYER ? "attention.layer_norm_epsilon" : "attention.layer_norm_rms_epsilon",
             c->norm_epsilon);
    if (c->family->keys->kv_heads)
        add_number(a, "attention.head_count_kv", c->kv_heads);
    if (c->position != OB_POSITION_ROTARY)
        return;
    add_real(a, "rope.freq_base", (float)c->rope.theta);
    add_number(a, "rope.dimension_count", c->rotary_width);
    add_rope_scaling(a, &c->rope);
    if (c->heads * c->head_width != c->width) {
        add_number(a, "attention.key_length", c->head_width);
        add_number(a, "attention.value_length", c->head_width);
    }
}

/* The family's own entries, as its config.json has them. */
static enum ob_err add_family_keys(const struct adding *a) {
    const struct ob_family_gguf_key *key = a->model->config.family->gguf->keys;
    struct ob_document config = {0};
    enum ob_err failed = key ? ob_document_load(a->model->path, "config.json", &config, a->error) : OB_OK;
    for (; !failed && key && key->suffix; key++) {
        const json_t *value = json_object_get(config.root, key->name);
        double number = json_is_boolean(value)  ? json_is_true(value)
                        : json_is_number(value) ? json_number_value(value)
                                                : key->otherwise;
        if (json_is_null(value) && key->otherwise > 0)
            failed = ob_fail(a->error, OB_EUNSUPPORTED,
                             "%s: \"%s\": null cannot be written as GGUF: export as safetensors", config.name,
                             key->name);
        if (isnan(number) || failed)
            continue;
        char name[KEY_BYTES];
        (void)snprintf(name, sizeof name, "%s.%s", a->architecture, key->suffix);
        if (key->kind == OB_GGUF_KEY_BOOL)
            ob_gguf_add_bool(a->writer, name, number != 0);
        else if (key->kind == OB_GGUF_KEY_REAL)
            ob_gguf_add_f32(a->writer, name, (float)number);
        else
            ob_gguf_add_u32(a->writer, name, (uint32_t)number);
    }
    ob_document_done(&config);
    return failed;
}

static void add_texts(struct ob_gguf_writer *writer, const char *key, const struct ob_token_text *texts,
                      size_t count) {
    if (!texts)
        return;
    ob_gguf_add_list(writer, key, OB_GGUF_TEXT, count);
    for (size_t i = 0; i < count; i++)
        ob_gguf_put_text(writer, texts[i].data, texts[i].bytes);
}

static void add_words(struct ob_gguf_writer *writer, const char *key, enum ob_gguf_type type,
                      const void *words, size_t count) {
    if (!words)
        return;
    ob_gguf_add_list(writer, key, type, count);
    for (size_t i = 0; i < count; i++) {
        uint32_t word;
        memcpy(&word, (const uint8_t *)words + 4 * i, sizeof word);
        ob_gguf_put_u32(writer, word);
    }
}

static void add_lists(struct ob_gguf_writer *w, const struct ob_tokenizer_parts *parts) {
    ob_gguf_add_text(w, "tokenizer.ggml.model", parts->model);
    if (parts->pre)
        ob_gguf_add_text(w, "tokenizer.ggml.pre", parts->pre);
    add_texts(w, "tokenizer.ggml.tokens", parts->tokens, parts->token_count);
    add_words(w, "tokenizer.ggml.scores", OB_GGUF_F32, parts->scores, parts->token_count);
    add_words(w, "tokenizer.ggml.token_type", OB_GGUF_I32, parts->types, parts->token_count);
    add_texts(w, "tokenizer.ggml.merges", parts->merges, parts->merge_count);
    if (parts->bos >= 0)
        ob_gguf_add_u32(w, "tokenizer.ggml.bos_token_id", (uint32_t)parts->bos);
    if (parts->eos >= 0)
        ob_gguf_add_u32(w, "tokenizer.ggml.eos_token_id", (uint32_t)parts->eos);
    if (parts->unknown >= 0)
        ob_gguf_add_u32(w, "tokenizer.ggml.unknown_token_id", (uint32_t)parts->unknown);
    if (parts->add_bos >= 0)
        ob_gguf_add_bool(w, "tokenizer.ggml.add_bos_token", parts->add_bos == 1);
    if (parts->add_eos >= 0)
        ob_gguf_add_bool(w, "tokenizer.ggml.add_eos_token", parts->add_eos == 1);
    if (strcmp(parts->model, "llama") == 0)
        ob_gguf_add_bool(w, "tokenizer.ggml.add_space_prefix", parts->add_space_prefix);
}

static enum ob_err add_tokenizer(const struct adding *a) {
    struct ob_document tokenizer = {0}, config = {0};
    struct ob_tokenizer_parts *parts = NULL;
    enum ob_err failed = ob_document_load(a->model->path, "tokenizer.json", &tokenizer, a->error);
    if (failed)
        return failed;
    failed = ob_document_load(a->model->path, "tokenizer_config.json", &config, a->error);
    failed = failed == OB_ENOTFOUND ? OB_OK : failed;
    if (!failed && (failed = ob_tokenizer_parts_read(tokenizer.root, config.root, a->model->config.vocabulary,
                                                     &parts, a->error)))
        failed = ob_fail_within(a->error, failed, "%s", tokenizer.name);
    if (!failed) {
        const char *chat = json_string_value(json_object_get(config.root, "chat_template"));
        add_lists(a->writer, parts);
        if (chat)
            ob_gguf_add_text(a->writer, "tokenizer.chat_template", chat);
    }
    ob_tokenizer_parts_free(parts);
    ob_document_done(&tokenizer);
    ob_document_done(&config);
    return failed;
}

enum ob_err ob_gguf_metadata(const struct ob_model *model, enum ob_dtype dtype, struct ob_gguf_writer *writer,
                             struct ob_error *error) {
    static const uint32_t FILE_TYPES[OB_DTYPE_PLAIN_COUNT] = {0, 1, 32}; /* ggml's numbers: F32, F16, BF16 */
    const struct adding adding = {writer, model, model->config.family->gguf->architecture, error};
    enum ob_err failed;
    if (ob_gguf_is_file(model->path)) {
        failed = copy_entries(&adding);
    } else {
        add_config(&adding);
        failed = add_family_keys(&adding);
        failed = failed ? failed : add_tokenizer(&adding);
    }
    ob_gguf_add_u32(writer, "general.file_type", FILE_TYPES[dtype]);
    ob_gguf_add_u32(writer, "general.quantization_version", 2);
    return failed;
}
