/* Lists into the JSON of a tokenizer.json. Vocabulary and merges are entered one by one, so that a list that
 * does not fit together is refused here or by who reads the JSON; nothing is taken on trust. */
#include "model/convert/tokenizer_from_lists.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/convert/pre_tokenizer_names.h"
#include "model/tokenizer/utf8.h"
#include "model/tokenizer/vocab.h"

static enum ob_token_type type_of(const struct ob_tokenizer_parts *parts, size_t id) {
    return parts->types == NULL ? OB_TOKEN_NORMAL : (enum ob_token_type)parts->types[id];
}

/* Tokens that are looked for in a text before anything else. */
static bool is_added(enum ob_token_type type) {
    return type == OB_TOKEN_CONTROL || type == OB_TOKEN_USER_DEFINED || type == OB_TOKEN_UNKNOWN;
}

static enum ob_err check_text(const struct ob_token_text *text, const char *what, size_t number,
                              struct ob_error *error) {
    if (text->bytes > 0 && ob_utf8_valid(text->data, text->bytes) == text->bytes)
        return OB_OK;
    return ob_fail(error, OB_EFORMAT, "%s %zu is %s", what, number, text->bytes == 0 ? "empty" : "not UTF-8");
}

static enum ob_err no_memory(struct ob_error *error) {
    return ob_fail(error, OB_ENOMEM, "not enough memory for a tokenizer");
}

/* NULL when there is no memory or the key already exists. */
static enum ob_err enter(json_t *vocab, const struct ob_token_text *text, size_t id, struct ob_error *error) {
    char quote[OB_QUOTE_BYTES];
    if (json_object_getn(vocab, text->data, text->bytes) != NULL)
        return ob_fail(error, OB_EFORMAT, "token %zu, \"%s\", occurs twice", id,
                       ob_utf8_quote(text->data, text->bytes, quote));
    return json_object_setn_new_nocheck(vocab, text->data, text->bytes, json_integer((json_int_t)id)) == 0
               ? OB_OK
               : no_memory(error);
}

/* Ids from here on belong to added tokens alone. */
static size_t model_end(const struct ob_tokenizer_parts *parts) {
    size_t end = parts->token_count;
    while (end > 0 && is_added(type_of(parts, end - 1)))
        end--;
    return end;
}

/* UNUSED tokens are there to fill up the ids. Added tokens at the end stay out of the vocabulary, as in the
 * files of Llama 3 and Qwen2; those before it are in it, or `tokenizers` would number all of them anew. */
static enum ob_err fill_vocab(const struct ob_tokenizer_parts *parts, bool byte_level, json_t *vocab,
                              json_t *added, struct ob_error *error) {
    if (parts->token_count > OB_TOKEN_IDS_MAX)
        return ob_fail(error, OB_ETOOBIG, "%zu tokens, maximum %u", parts->token_count, OB_TOKEN_IDS_MAX);
    enum ob_err err = OB_OK;
    size_t end = byte_level ? model_end(parts) : parts->token_count;
    for (size_t id = 0; err == OB_OK && id < parts->token_count; id++) {
        const struct ob_token_text *text = &parts->tokens[id];
        enum ob_token_type type = type_of(parts, id);
        if (type < OB_TOKEN_NORMAL || type > OB_TOKEN_BYTE)
            return ob_fail(error, OB_EUNSUPPORTED, "token %zu has unknown type %d", id, (int)type);
        err = check_text(text, "token", id, error);
        if (err == OB_OK && id < end)
            err = enter(vocab, text, id, error);
        if (err != OB_OK || !is_added(type))
            continue;
        json_t *token = json_pack("{s:I, s:s%, s:b, s:b, s:b, s:b, s:b}", "id", (json_int_t)id, "content",
                                  text->data, text->bytes, "single_word", 0, "lstrip", 0, "rstrip", 0,
                                  "normalized", 0, "special", type != OB_TOKEN_USER_DEFINED);
        if (token == NULL || json_array_append_new(added, token) != 0)
            err = no_memory(error);
    }
    return err;
}

static enum ob_err fill_merges(const struct ob_tokenizer_parts *parts, json_t *merges,
                               struct ob_error *error) {
    for (size_t i = 0; i < parts->merge_count; i++) {
        enum ob_err err = check_text(&parts->merges[i], "merge", i, error);
        if (err != OB_OK)
            return err;
        if (json_array_append_new(merges,
                                  json_stringn_nocheck(parts->merges[i].data, parts->merges[i].bytes)) != 0)
            return no_memory(error);
    }
    return OB_OK;
}

/* ---- SentencePiece: each way to make a token of two others is a merge; the higher the score, the earlier
 * ---- */

struct pair {
    float score;
    uint32_t id, cut; /* of the joined token; bytes of its left part */
    float left, right;
};

static int compare(const void *a, const void *b) {
    const struct pair *x = a, *y = b;
    if (x->score < y->score || x->score > y->score)
        return x->score > y->score ? -1 : 1;
    if (x->id != y->id)
        return x->id < y->id ? -1 : 1;
    if (x->left < y->left || x->left > y->left)
        return x->left > y->left ? -1 : 1;
    if (x->right < y->right || x->right > y->right)
        return x->right > y->right ? -1 : 1;
    return (x->cut > y->cut) - (x->cut < y->cut);
}

struct pairs {
    struct pair *data;
    size_t count, capacity;
};

static bool push(struct pairs *pairs, struct pair pair) {
    if (pairs->count == pairs->capacity) {
        size_t capacity = 2 * pairs->capacity + 1024;
        struct pair *data = reallocarray(pairs->data, capacity, sizeof *data);
        if (data == NULL)
            return false;
        pairs->data = data;
        pairs->capacity = capacity;
    }
    pairs->data[pairs->count++] = pair;
    return true;
}

/* The id of a part that may be merged, or -1. */
static json_int_t part_id(const struct ob_tokenizer_parts *parts, const json_t *vocab, const char *text,
                          size_t bytes) {
    const json_t *id = json_object_getn(vocab, text, bytes);
    if (id == NULL || type_of(parts, (size_t)json_integer_value(id)) != OB_TOKEN_NORMAL)
        return -1;
    return json_integer_value(id);
}

static bool find_pairs(const struct ob_tokenizer_parts *parts, const json_t *vocab, size_t id,
                       struct pairs *pairs) {
    const struct ob_token_text *text = &parts->tokens[id];
    for (size_t cut = 1; cut < text->bytes; cut++) {
        if (((uint8_t)text->data[cut] & 0xc0) == 0x80)
            continue;
        json_int_t left = part_id(parts, vocab, text->data, cut);
        json_int_t right = left < 0 ? -1 : part_id(parts, vocab, text->data + cut, text->bytes - cut);
        if (right >= 0 && !push(pairs, (struct pair){parts->scores[id], (uint32_t)id, (uint32_t)cut,
                                                     parts->scores[left], parts->scores[right]}))
            return false;
    }
    return true;
}

static enum ob_err make_merges(const struct ob_tokenizer_parts *parts, const json_t *vocab, json_t *merges,
                               struct ob_error *error) {
    struct pairs pairs = {0};
    bool ok = true;
    for (size_t id = 0; ok && id < parts->token_count; id++)
        if (type_of(parts, id) == OB_TOKEN_NORMAL)
            ok = find_pairs(parts, vocab, id, &pairs);
    if (pairs.count > 0)
        qsort(pairs.data, pairs.count, sizeof *pairs.data, compare);
    for (size_t i = 0; ok && i < pairs.count; i++) {
        const struct ob_token_text *text = &parts->tokens[pairs.data[i].id];
        size_t cut = pairs.data[i].cut;
        ok = json_array_append_new(
                 merges, json_pack("[s%, s%]", text->data, cut, text->data + cut, text->bytes - cut)) == 0;
    }
    free(pairs.data);
    return ok ? OB_OK : no_memory(error);
}

/* ---- the other fields ---- */

static const struct ob_pre_name *pre_of(const char *name) {
    const struct ob_pre_name *row = OB_PRE_NAMES;
    while (row->name != NULL && strcmp(row->name, name) != 0)
        row++;
    return row->name == NULL ? NULL : row;
}

/* Takes `value`. */
static bool put(json_t *root, const char *key, json_t *value) {
    return value != NULL && json_object_set_new(root, key, value) == 0;
}

static bool put_text(json_t *root, const char *key, const char *json) {
    return put(root, key, json_loads(json, 0, NULL));
}

static bool put_byte_level(json_t *root, json_t *model, const struct ob_pre_name *pre) {
    bool ok = put_text(root, "pre_tokenizer", pre->pre_tokenizer) &&
              put_text(root, "decoder",
                       "{\"type\":\"ByteLevel\",\"add_prefix_space\":true,\"trim_offsets\":true,"
                       "\"use_regex\":true}") &&
              put(model, "ignore_merges", json_boolean(pre->ignore_merges));
    return ok && (!pre->composes || put_text(root, "normalizer", "{\"type\":\"NFC\"}"));
}

static bool put_pieces(json_t *root, json_t *model, bool space_prefix) {
    static const char REPLACE[] =
        "{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},\"content\":\"" OB_SPACE_PIECE "\"}";
    static const char PREPEND[] = "{\"type\":\"Prepend\",\"prepend\":\"" OB_SPACE_PIECE "\"},";
    static const char STRIP[] = ",{\"type\":\"Strip\",\"content\":\" \",\"start\":1,\"stop\":0}";
    char normalizer[512], decoder[512];
    (void)snprintf(normalizer, sizeof normalizer, "{\"type\":\"Sequence\",\"normalizers\":[%s%s]}",
                   space_prefix ? PREPEND : "", REPLACE);
    (void)snprintf(
        decoder, sizeof decoder,
        "{\"type\":\"Sequence\",\"decoders\":[{\"type\":\"Replace\",\"pattern\":{\"String\":\"%s\"},"
        "\"content\":\" \"},{\"type\":\"ByteFallback\"},{\"type\":\"Fuse\"}%s]}",
        OB_SPACE_PIECE, space_prefix ? STRIP : "");
    return put_text(root, "normalizer", normalizer) && put_text(root, "decoder", decoder) &&
           put(model, "byte_fallback", json_true()) && put(model, "fuse_unk", json_true());
}

static enum ob_err check_special(const struct ob_tokenizer_parts *parts, int64_t id, const char *what,
                                 struct ob_error *error) {
    if (id >= 0 && (uint64_t)id < parts->token_count)
        return OB_OK;
    return ob_fail(error, OB_EFORMAT, "the file adds %s to a text, which is not one of its %zu tokens", what,
                   parts->token_count);
}

static bool put_special(const struct ob_tokenizer_parts *parts, int64_t id, json_t *single,
                        json_t *specials) {
    const struct ob_token_text *text = &parts->tokens[id];
    json_t *entry = json_pack("{s:s%, s:[I], s:[s%]}", "id", text->data, text->bytes, "ids", (json_int_t)id,
                              "tokens", text->data, text->bytes);
    return json_array_append_new(single, json_pack("{s:{s:s%, s:i}}", "SpecialToken", "id", text->data,
                                                   text->bytes, "type_id", 0)) == 0 &&
           entry != NULL && json_object_setn_new_nocheck(specials, text->data, text->bytes, entry) == 0;
}

/* The template of what stands around a text. */
static enum ob_err put_template(const struct ob_tokenizer_parts *parts, bool begins, bool ends, json_t *root,
                                struct ob_error *error) {
    enum ob_err err = begins ? check_special(parts, parts->bos, "a BOS token", error) : OB_OK;
    if (err == OB_OK && ends)
        err = check_special(parts, parts->eos, "an EOS token", error);
    if (err != OB_OK || (!begins && !ends))
        return err;
    json_t *single = json_array(), *specials = json_object();
    bool ok = single != NULL && specials != NULL;
    ok = ok && (!begins || put_special(parts, parts->bos, single, specials));
    ok = ok &&
         json_array_append_new(single, json_pack("{s:{s:s, s:i}}", "Sequence", "id", "A", "type_id", 0)) == 0;
    ok = ok && (!ends || put_special(parts, parts->eos, single, specials));
    ok = put(root, "post_processor",
             json_pack("{s:s, s:o, s:[], s:o}", "type", "TemplateProcessing", "single", single, "pair",
                       "special_tokens", specials)) &&
         ok;
    return ok ? OB_OK : no_memory(error);
}

static enum ob_err check_parts(const struct ob_tokenizer_parts *parts, bool *ret_byte_level,
                               const struct ob_pre_name **ret_pre, struct ob_error *error) {
    char quote[OB_QUOTE_BYTES];
    *ret_pre = NULL;
    if (parts->model == NULL)
        return ob_fail(error, OB_ENOTFOUND, "no tokenizer: tokenizer.ggml.model is missing");
    *ret_byte_level = strcmp(parts->model, "gpt2") == 0;
    if (!*ret_byte_level && strcmp(parts->model, "llama") != 0)
        return ob_fail(error, OB_EUNSUPPORTED, "the tokenizer model \"%s\" is not supported",
                       ob_utf8_quote(parts->model, strlen(parts->model), quote));
    if (!*ret_byte_level)
        return parts->scores != NULL ? OB_OK : ob_fail(error, OB_EFORMAT, "tokenizer.ggml.scores is missing");
    const char *name = parts->pre == NULL ? "default" : parts->pre; /* as llama.cpp reads it */
    *ret_pre = pre_of(name);
    return *ret_pre != NULL ? OB_OK
                            : ob_fail(error, OB_EUNSUPPORTED, "the pre-tokenizer \"%s\" is not supported",
                                      ob_utf8_quote(name, strlen(name), quote));
}

static enum ob_err fill(const struct ob_tokenizer_parts *parts, json_t *root, struct ob_error *error) {
    bool byte_level = false;
    const struct ob_pre_name *pre = NULL;
    enum ob_err err = check_parts(parts, &byte_level, &pre, error);
    if (err != OB_OK)
        return err;
    json_t *model = json_pack("{s:s, s:{}, s:[]}", "type", "BPE", "vocab", "merges"), *added = json_array();
    bool ok = put(root, "version", json_string("1.0")) && put(root, "added_tokens", added) &&
              put(root, "model", model);
    ok = ok &&
         (byte_level ? put_byte_level(root, model, pre) : put_pieces(root, model, parts->add_space_prefix));
    if (!ok)
        return no_memory(error);
    json_t *vocab = json_object_get(model, "vocab"), *merges = json_object_get(model, "merges");
    err = fill_vocab(parts, byte_level, vocab, added, error);
    if (err == OB_OK)
        err = byte_level ? fill_merges(parts, merges, error) : make_merges(parts, vocab, merges, error);
    bool begins = parts->add_bos < 0 ? !byte_level || pre->begins : parts->add_bos > 0;
    return err != OB_OK ? err : put_template(parts, begins, parts->add_eos > 0, root, error);
}

enum ob_err ob_tokenizer_parts_json(const struct ob_tokenizer_parts *parts, json_t **ret_root,
                                    struct ob_error *error) {
    json_t *root = json_object();
    enum ob_err err = root == NULL ? no_memory(error) : fill(parts, root, error);
    if (err != OB_OK) {
        json_decref(root);
        return err;
    }
    *ret_root = root;
    return OB_OK;
}
