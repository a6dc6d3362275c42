#include "model/convert/hf_tokenizer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/limits.h"
#include "model/convert/hf_added_tokens.h"
#include "model/convert/pre_tokenizer_names.h"
#include "model/families/family_list.h"
#include "model/formats/document.h"
#include "model/tokenizer/json.h"
#include "model/tokenizer/utf8.h"

struct reading {
    const char *folder;
    json_t *root;
    const json_t *vocab; /* of the model, in root */
    json_t *added;       /* in root */
    struct ob_document config, special;
    struct ob_error *error;
};

static bool has(const char *folder, const char *name) {
    char path[OB_PATH_MAX];
    return ob_path_join(path, folder, name, NULL) == OB_OK && access(path, F_OK) == 0;
}

/* A document that need not be there. */
static enum ob_err load_if_there(const struct reading *r, const char *name, struct ob_document *document) {
    return has(r->folder, name) ? ob_document_read(r->folder, name, document, r->error) : OB_OK;
}

static enum ob_err no_memory(const struct reading *r) {
    return ob_fail(r->error, OB_ENOMEM, "%s: not enough memory for its tokenizer", r->folder);
}

/* Takes `value`. */
static enum ob_err put(const struct reading *r, json_t *object, const char *key, json_t *value) {
    return value != NULL && json_object_set_new(object, key, value) == 0 ? OB_OK : no_memory(r);
}

/* ---- merges.txt: "left right" a line; a first line "#version: …" ---- */

static enum ob_err add_merges(const struct reading *r, const char *text, size_t bytes, json_t *merges) {
    size_t number = 1;
    for (const char *at = text, *end = text + bytes; at < end; number++) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        size_t length = (size_t)((stop == NULL ? end : stop) - at);
        size_t kept = length > 0 && at[length - 1] == '\r' ? length - 1 : length;
        bool is_version = kept >= 8 && memcmp(at, "#version", 8) == 0;
        if (kept > 0 && !is_version && json_array_append_new(merges, json_stringn(at, kept)) != 0)
            return ob_fail(r->error, OB_EFORMAT, "%s/merges.txt: line %zu is not UTF-8", r->folder, number);
        at += length + (stop != NULL);
    }
    return OB_OK;
}

static enum ob_err read_merges(const struct reading *r, json_t *merges) {
    char *text = NULL;
    size_t bytes = 0;
    char path[OB_PATH_MAX];
    enum ob_err err = ob_path_join(path, r->folder, "merges.txt", r->error);
    if (err == OB_OK)
        err = ob_file_read(path, OB_JSON_BYTES_MAX, &text, &bytes, r->error);
    if (err == OB_OK)
        err = add_merges(r, text, bytes, merges);
    free(text);
    return err;
}

/* ---- added tokens ---- */

static bool flag(const json_t *token, const char *name, bool otherwise) {
    const json_t *value = json_object_get(token, name);
    return json_is_boolean(value) ? json_is_true(value) : otherwise;
}

static const json_t *setting(const struct reading *r, const char *name) {
    const json_t *value = ob_json_field(r->config.root, name);
    return value != NULL ? value : ob_json_field(r->special.root, name);
}

/* Where no file names one, GPT-2's. */
static enum ob_err add_tokens(struct reading *r) {
    static const char DEFAULT[] = "<|endoftext|>";
    enum ob_err err = ob_hf_added_tokens(r->folder, r->root, r->error);
    const json_t *id = json_object_get(r->vocab, DEFAULT);
    if (err != OB_OK || json_array_size(r->added) > 0 || id == NULL)
        return err;
    json_t *token =
        json_pack("{s:O, s:s, s:b, s:b}", "id", id, "content", DEFAULT, "normalized", 0, "special", 1);
    return token != NULL && json_array_append_new(r->added, token) == 0 ? OB_OK : no_memory(r);
}

/* ---- what stands around a text ---- */

static enum ob_err put_side(const struct reading *r, const char *name, json_t *single, json_t *specials) {
    const json_t *token = setting(r, name);
    const char *text = json_string_value(json_is_object(token) ? json_object_get(token, "content") : token);
    size_t i;
    const json_t *entry;
    json_int_t id = -1;
    json_array_foreach(r->added, i,
                       entry) if (text != NULL &&
                                  strcmp(json_string_value(json_object_get(entry, "content")), text) == 0)
        id = json_integer_value(json_object_get(entry, "id"));
    if (id < 0)
        return ob_fail(r->error, OB_EFORMAT, "%s: add_%s without a \"%s\"", r->config.name, name, name);
    if (json_array_append_new(single,
                              json_pack("{s:{s:s, s:i}}", "SpecialToken", "id", text, "type_id", 0)) != 0)
        return no_memory(r);
    return put(r, specials, text, json_pack("{s:s, s:[I], s:[s]}", "id", text, "ids", id, "tokens", text));
}

static enum ob_err put_template(const struct reading *r) {
    bool begins = flag(r->config.root, "add_bos_token", false),
         ends = flag(r->config.root, "add_eos_token", false);
    if (!begins && !ends)
        return OB_OK;
    json_t *template = json_pack("{s:s, s:[], s:[], s:{}}", "type", "TemplateProcessing", "single", "pair",
                                 "special_tokens");
    json_t *single = json_object_get(template, "single"),
           *specials = json_object_get(template, "special_tokens");
    enum ob_err err = put(r, r->root, "post_processor", template);
    if (err == OB_OK && begins)
        err = put_side(r, "bos_token", single, specials);
    if (err == OB_OK &&
        json_array_append_new(single, json_pack("{s:{s:s, s:i}}", "Sequence", "id", "A", "type_id", 0)) != 0)
        err = no_memory(r);
    return err == OB_OK && ends ? put_side(r, "eos_token", single, specials) : err;
}

/* ---- how a text is cut ---- */

static enum ob_err class_name(const struct reading *r, char *ret_name, size_t bytes) {
    const char *name = json_string_value(ob_json_field(r->config.root, "tokenizer_class"));
    struct ob_document model = {0};
    enum ob_err err = name != NULL ? OB_OK : ob_document_read(r->folder, "config.json", &model, r->error);
    if (err == OB_OK && name == NULL)
        name = json_string_value(ob_json_field(model.root, "model_type"));
    (void)snprintf(ret_name, bytes, "%s", name == NULL ? "" : name);
    ob_document_done(&model);
    size_t length = strlen(ret_name);
    if (length > 4 && strcmp(ret_name + length - 4, "Fast") == 0)
        ret_name[length - 4] = 0;
    return err;
}

/* The row of OB_PRE_NAMES that a class of tokenizers, or else a type of model, stands for; NULL: none. */
static const char *pre_tokenizer_of(const char *name) {
    for (const struct ob_family *const *family = OB_FAMILIES; *family; family++) {
        const char *class = (*family)->tokenizer_class;
        bool is_named = (class && strcmp(class, name) == 0) || strcmp((*family)->model_type, name) == 0;
        if (is_named && (*family)->pre_tokenizer)
            return (*family)->pre_tokenizer;
    }
    return NULL;
}

static enum ob_err put_stages(const struct reading *r) {
    char name[64], quote[OB_QUOTE_BYTES];
    enum ob_err err = class_name(r, name, sizeof name);
    if (err != OB_OK)
        return err;
    const char *pre = pre_tokenizer_of(name);
    if (pre == NULL)
        return ob_fail(
            r->error, OB_EUNSUPPORTED,
            "%s: vocab.json and merges.txt of the class \"%s\" are not supported: add its tokenizer.json",
            r->folder, ob_utf8_quote(name, strlen(name), quote));
    const struct ob_pre_name *row = OB_PRE_NAMES;
    while (strcmp(row->name, pre) != 0)
        row++;
    json_t *stage = json_loads(row->pre_tokenizer, 0, NULL);
    if (json_object_get(stage, "add_prefix_space") != NULL && flag(r->config.root, "add_prefix_space", false))
        (void)json_object_set_new(stage, "add_prefix_space", json_true());
    err = put(r, r->root, "pre_tokenizer", stage);
    if (err == OB_OK && row->composes)
        err = put(r, r->root, "normalizer", json_pack("{s:s}", "type", "NFC"));
    return err != OB_OK ? err : put(r, r->root, "decoder", json_pack("{s:s}", "type", "ByteLevel"));
}

static enum ob_err read_all(struct reading *r) {
    struct ob_document vocab = {0};
    json_t *model = json_pack("{s:s, s:[]}", "type", "BPE", "merges");
    r->added = json_array();
    enum ob_err err = put(r, r->root, "model", model);
    if (put(r, r->root, "added_tokens", r->added) != OB_OK || err != OB_OK)
        return OB_ENOMEM;
    err = ob_document_read(r->folder, "vocab.json", &vocab, r->error);
    if (err == OB_OK && json_object_set(model, "vocab", vocab.root) != 0)
        err = no_memory(r);
    ob_document_done(&vocab);
    r->vocab = json_object_get(model, "vocab");
    if (err == OB_OK)
        err = read_merges(r, json_object_get(model, "merges"));
    if (err == OB_OK)
        err = load_if_there(r, "tokenizer_config.json", &r->config);
    if (err == OB_OK)
        err = load_if_there(r, "special_tokens_map.json", &r->special);
    if (err == OB_OK)
        err = put_stages(r);
    if (err == OB_OK)
        err = add_tokens(r);
    return err == OB_OK ? put_template(r) : err;
}

enum ob_err ob_tokenizer_folder(const char *folder, json_t **ret_root, struct ob_error *error) {
    if (!has(folder, "vocab.json") || !has(folder, "merges.txt")) {
        if (has(folder, "tokenizer.model"))
            return ob_fail(
                error, OB_EUNSUPPORTED,
                "%s/tokenizer.model: a SentencePiece model alone cannot be read; make a tokenizer.json of it "
                "with transformers: AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER)",
                folder);
        return ob_fail(error, OB_ENOTFOUND, "%s/tokenizer.json: cannot open: %s", folder, strerror(ENOENT));
    }
    struct reading reading = {.folder = folder, .root = json_object(), .error = error};
    enum ob_err err = reading.root == NULL ? no_memory(&reading) : read_all(&reading);
    ob_document_done(&reading.config);
    ob_document_done(&reading.special);
    if (err != OB_OK)
        json_decref(reading.root);
    else
        *ret_root = reading.root;
    return err;
}
