#include "model/convert/gguf_tokenizer.h"

#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "model/convert/tokenizer_from_lists.h"

#define TEXT_MAX 128 /* bytes of the name of a model or of a pattern */

/* What the metadata say, with arrays of its own. */
struct lists {
    struct ob_gguf_reader reader;
    struct ob_tokenizer_parts parts;
    char model[TEXT_MAX], pre[TEXT_MAX];
    struct ob_token_text *tokens, *merges;
    int32_t *types;
    float *scores;
};

static void done(struct lists *l) {
    free(l->tokens);
    free(l->merges);
    free(l->types);
    free(l->scores);
}

static void fail(struct lists *l, enum ob_err code, const char *text) {
    if (!l->reader.failed)
        l->reader.failed = ob_fail(l->reader.error, code, "%s: %s", l->reader.gguf->checkpoint->path, text);
}

/* An array for `count` values of a list: each lies in the file, so a count beyond sense was refused. */
static void *array(struct lists *l, uint64_t count, size_t bytes) {
    void *memory = calloc((size_t)count + 1, bytes);
    if (!memory)
        fail(l, OB_ENOMEM, "out of memory");
    return memory;
}

static struct ob_token_text *read_texts(struct lists *l, const char *key, size_t *ret_count) {
    const struct ob_gguf_entry *entry = ob_gguf_list(&l->reader, key, OB_GGUF_TEXT);
    struct ob_token_text *texts = entry ? array(l, entry->count, sizeof *texts) : NULL;
    if (!texts)
        return NULL;
    const uint8_t *at = entry->value;
    for (uint64_t i = 0; i < entry->count; i++) {
        struct ob_gguf_text text = ob_gguf_next_text(&at);
        texts[i] = (struct ob_token_text){text.data, text.bytes};
    }
    *ret_count = (size_t)entry->count;
    return texts;
}

/* A list of 4-byte values, one for each token. */
static void *read_words(struct lists *l, const char *key, enum ob_gguf_type type) {
    const struct ob_gguf_entry *entry = ob_gguf_list(&l->reader, key, type);
    if (!entry)
        return NULL;
    if (entry->count != l->parts.token_count) {
        if (!l->reader.failed)
            l->reader.failed =
                ob_fail(l->reader.error, OB_EFORMAT, "%s: entry %s has %zu values for %zu tokens",
                        l->reader.gguf->checkpoint->path, key, (size_t)entry->count, l->parts.token_count);
        return NULL;
    }
    uint32_t *words = array(l, entry->count, sizeof *words);
    for (size_t i = 0; words && i < entry->count; i++)
        words[i] = ob_load_u32(entry->value + 4 * i);
    return words;
}

static const char *read_name(struct lists *l, const char *key, char ret_name[TEXT_MAX]) {
    struct ob_gguf_text text;
    if (!ob_gguf_text(&l->reader, key, &text))
        return NULL;
    if (text.bytes >= TEXT_MAX) {
        fail(l, OB_EFORMAT, "the name of its tokenizer is too long");
        return NULL;
    }
    memcpy(ret_name, text.data, text.bytes);
    ret_name[text.bytes] = 0;
    return ret_name;
}

static int64_t read_id(struct lists *l, const char *key) {
    int64_t id = -1;
    (void)ob_gguf_integer(&l->reader, key, 0, INT32_MAX, &id);
    if (id >= (int64_t)l->parts.token_count) {
        fail(l, OB_EFORMAT, "a special token of its tokenizer is not in the vocabulary");
        id = -1;
    }
    return id;
}

static int8_t read_choice(struct lists *l, const char *key) {
    bool value;
    return ob_gguf_bool(&l->reader, key, &value) ? (int8_t)value : (int8_t)-1;
}

/* On failure too, the caller calls done. */
static enum ob_err read_lists(const struct ob_gguf *gguf, struct lists *l, struct ob_error *error) {
    struct ob_tokenizer_parts *parts = &l->parts;
    *l = (struct lists){.reader = {.gguf = gguf, .error = error}};
    parts->model = read_name(l, "tokenizer.ggml.model", l->model);
    parts->pre = read_name(l, "tokenizer.ggml.pre", l->pre);
    parts->tokens = l->tokens = read_texts(l, "tokenizer.ggml.tokens", &parts->token_count);
    if (!l->reader.failed && (!parts->model || !parts->tokens))
        fail(l, OB_ENOTFOUND, "has no tokenizer (entries tokenizer.ggml.model and tokenizer.ggml.tokens)");
    parts->merges = l->merges = read_texts(l, "tokenizer.ggml.merges", &parts->merge_count);
    parts->types = l->types = read_words(l, "tokenizer.ggml.token_type", OB_GGUF_I32);
    parts->scores = l->scores = read_words(l, "tokenizer.ggml.scores", OB_GGUF_F32);
    parts->bos = read_id(l, "tokenizer.ggml.bos_token_id");
    parts->eos = read_id(l, "tokenizer.ggml.eos_token_id");
    parts->unknown = read_id(l, "tokenizer.ggml.unknown_token_id");
    parts->add_bos = read_choice(l, "tokenizer.ggml.add_bos_token");
    parts->add_eos = read_choice(l, "tokenizer.ggml.add_eos_token");
    parts->add_space_prefix = read_choice(l, "tokenizer.ggml.add_space_prefix") != 0;
    return l->reader.failed;
}

enum ob_err ob_gguf_tokenizer(const struct ob_gguf *gguf, json_t **ret_root, struct ob_error *error) {
    struct lists lists;
    enum ob_err failed = read_lists(gguf, &lists, error);
    if (!failed && (failed = ob_tokenizer_parts_json(&lists.parts, ret_root, error)))
        failed = ob_fail_within(error, failed, "%s", gguf->checkpoint->path);
    done(&lists);
    return failed;
}

static void set_token(json_t *root, const char *key, const struct lists *l, int64_t id) {
    if (id >= 0)
        json_object_set_new(root, key, json_stringn(l->tokens[id].data, l->tokens[id].bytes));
}

enum ob_err ob_gguf_tokenizer_config(const struct ob_gguf *gguf, json_t **ret_root, struct ob_error *error) {
    struct lists l;
    struct ob_gguf_text chat;
    enum ob_err failed = read_lists(gguf, &l, error);
    json_t *root = failed ? NULL : json_pack("{s:s}", "tokenizer_class", "PreTrainedTokenizerFast");
    if (!failed && !root)
        failed = ob_fail(error, OB_ENOMEM, "%s: out of memory", gguf->checkpoint->path);
    if (!failed) {
        set_token(root, "bos_token", &l, l.parts.bos);
        set_token(root, "eos_token", &l, l.parts.eos);
        set_token(root, "unk_token", &l, l.parts.unknown);
        set_token(root, "pad_token", &l, read_id(&l, "tokenizer.ggml.padding_token_id"));
        if (l.parts.add_bos >= 0)
            json_object_set_new(root, "add_bos_token", json_boolean(l.parts.add_bos));
        if (l.parts.add_eos >= 0)
            json_object_set_new(root, "add_eos_token", json_boolean(l.parts.add_eos));
        if (ob_gguf_text(&l.reader, "tokenizer.chat_template", &chat))
            json_object_set_new(root, "chat_template", json_stringn(chat.data, chat.bytes));
        failed = l.reader.failed;
    }
    done(&l);
    if (failed)
        json_decref(root);
    else
        *ret_root = root;
    return failed;
}
