#include "model/convert/hf_added_tokens.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "model/formats/document.h"

struct token {
    const char *text;
    size_t bytes;
    bool single_word, lstrip, rstrip, normalized, special;
};

struct reading {
    const char *folder;
    struct ob_document config, map, numbered; /* root NULL: there is no such file */
    bool legacy;                              /* tokenizer_config.json has no added_tokens_decoder */
    json_t *root;
    const json_t *vocab; /* of the model, in root */
    json_t *added;       /* in root */
    json_t *known;       /* added tokens, by their text */
    json_t *named;       /* texts of the named special tokens, as keys */
    json_int_t next;     /* id of the next token that the vocabulary does not have */
    struct ob_error *error;
};

static const char *const NAMES[] = {"bos_token", "eos_token", "unk_token", "sep_token",
                                    "pad_token", "cls_token", "mask_token"};
#define NAME_COUNT (sizeof NAMES / sizeof *NAMES)

static enum ob_err no_memory(const struct reading *r) {
    return ob_fail(r->error, OB_ENOMEM, "%s: not enough memory for its tokenizer", r->folder);
}

static enum ob_err load_if_there(const struct reading *r, const char *name, struct ob_document *document) {
    struct ob_error ours = {0};
    enum ob_err err = ob_document_read(r->folder, name, document, &ours);
    return err == OB_OK || err == OB_ENOTFOUND ? OB_OK : ob_fail(r->error, err, "%s", ours.text);
}

/* ---- one token ---- */

static bool flag(const json_t *token, const char *name, bool otherwise) {
    const json_t *value = json_object_get(token, name);
    return json_is_boolean(value) ? json_is_true(value) : otherwise;
}

/* A text, or an object with its "content". special: what it is when nothing is said. False: neither. */
static bool read_token(const json_t *value, bool special, struct token *ret_token) {
    const json_t *content = json_is_object(value) ? json_object_get(value, "content") : value;
    if (!json_is_string(content))
        return false;
    special = flag(value, "special", special);
    *ret_token = (struct token){.text = json_string_value(content),
                                .bytes = json_string_length(content),
                                .single_word = flag(value, "single_word", false),
                                .lstrip = flag(value, "lstrip", false),
                                .rstrip = flag(value, "rstrip", false),
                                .normalized = flag(value, "normalized", !special),
                                .special = special};
    return true;
}

static bool has(const json_t *object, const struct token *token) {
    return json_object_getn(object, token->text, token->bytes) != NULL;
}

static json_t *to_json(const struct token *token, json_int_t id) {
    return json_pack("{s:I, s:s%, s:b, s:b, s:b, s:b, s:b}", "id", id, "content", token->text, token->bytes,
                     "single_word", token->single_word, "lstrip", token->lstrip, "rstrip", token->rstrip,
                     "normalized", token->normalized, "special", token->special);
}

static enum ob_err add(struct reading *r, const struct token *token) {
    const json_t *id = json_object_getn(r->vocab, token->text, token->bytes);
    if (token->bytes == 0) /* as `tokenizers`: there is nothing to find */
        return OB_OK;
    json_t *entry = to_json(token, json_is_integer(id) ? json_integer_value(id) : r->next);
    if (entry == NULL || json_array_append_new(r->added, entry) != 0 ||
        json_object_setn(r->known, token->text, token->bytes, entry) != 0)
        return no_memory(r);
    r->next += id == NULL;
    return OB_OK;
}

static bool same_flags(const struct token *a, const struct token *b) {
    return a->single_word == b->single_word && a->lstrip == b->lstrip && a->rstrip == b->rstrip &&
           a->normalized == b->normalized && a->special == b->special;
}

/* Of (1): a token that already exists takes the flags that the files say. */
static enum ob_err add_or_change(struct reading *r, struct token *token) {
    json_t *known = json_object_getn(r->known, token->text, token->bytes);
    struct token before;
    if (known != NULL && read_token(known, false, &before) && same_flags(&before, token))
        return OB_OK;
    token->special = token->special || has(r->named, token);
    if (known == NULL)
        return add(r, token);
    json_t *entry = to_json(token, json_integer_value(json_object_get(known, "id")));
    bool ok = entry != NULL && json_object_update(known, entry) == 0;
    json_decref(entry);
    return ok ? OB_OK : no_memory(r);
}

static enum ob_err add_if_new(struct reading *r, const struct token *token) {
    return has(r->known, token) ? OB_OK : add(r, token);
}

/* ---- (2) and (3): special tokens by name, and in lists ---- */

typedef enum ob_err take_token(struct reading *r, const struct token *token);

static bool is_standard(const char *key) {
    for (size_t i = 0; i < NAME_COUNT; i++)
        if (strcmp(key, NAMES[i]) == 0)
            return true;
    return false;
}

/* The keys of a model's own tokens: any other "…_token" that is a string. */
static bool is_own(const char *key, const json_t *value) {
    size_t length = strlen(key);
    return length > 6 && strcmp(key + length - 6, "_token") == 0 && !is_standard(key) &&
           json_is_string(value);
}

/* Those of the map in its order, but as the configuration has them; then the configuration's others. */
static enum ob_err for_each_own(struct reading *r, json_t *map, take_token *take) {
    enum ob_err err = OB_OK;
    struct token token;
    const char *key;
    json_t *value;
    json_object_foreach(map, key, value) {
        const json_t *ours = json_object_get(r->config.root, key);
        if (err == OB_OK && is_own(key, value) &&
            read_token(json_is_string(ours) ? ours : value, true, &token))
            err = take(r, &token);
    }
    json_object_foreach(r->config.root, key, value) {
        bool done = json_is_string(json_object_get(map, key));
        if (err == OB_OK && is_own(key, value) && !done && read_token(value, true, &token))
            err = take(r, &token);
    }
    return err;
}

/* Hands each named special token to `take`. */
static enum ob_err for_each_named(struct reading *r, take_token *take) {
    json_t *map = r->legacy ? r->map.root : NULL, *value;
    enum ob_err err = OB_OK;
    struct token token;
    const char *key;
    for (size_t i = 0; err == OB_OK && i < NAME_COUNT; i++) {
        const json_t *of_map = json_object_get(map, NAMES[i]);
        if (read_token(of_map != NULL ? of_map : json_object_get(r->config.root, NAMES[i]), true, &token))
            err = take(r, &token);
    }
    if (err == OB_OK)
        err = for_each_own(r, map, take);
    json_object_foreach(json_object_get(r->config.root, "extra_special_tokens"), key, value) {
        if (err == OB_OK && read_token(value, true, &token))
            err = take(r, &token);
    }
    return err;
}

static enum ob_err note_name(struct reading *r, const struct token *token) {
    return json_object_setn_new(r->named, token->text, token->bytes, json_true()) == 0 ? OB_OK : no_memory(r);
}

/* The list of (3), or NULL. */
static const json_t *extra_list(const struct reading *r) {
    const json_t *extra = json_object_get(r->config.root, "extra_special_tokens"),
                 *additional = json_object_get(r->config.root, "additional_special_tokens");
    if (json_array_size(extra) > 0)
        return extra;
    if (json_is_array(additional) || !r->legacy)
        return additional;
    return json_object_get(r->map.root, "additional_special_tokens");
}

static enum ob_err for_each_extra(struct reading *r, take_token *take) {
    const json_t *lists[2] = {extra_list(r),
                              r->legacy ? json_object_get(r->map.root, "extra_special_tokens") : NULL};
    enum ob_err err = OB_OK;
    for (size_t l = 0; l < 2; l++)
        for (size_t i = 0; err == OB_OK && i < json_array_size(lists[l]); i++) {
            struct token token;
            if (!read_token(json_array_get(lists[l], i), true, &token))
                return ob_fail(r->error, OB_EFORMAT, "%s: special token %zu of its list has no text",
                               r->folder, i);
            err = take(r, &token);
        }
    return err;
}

/* ---- (1): tokens with ids ---- */

struct numbered {
    json_int_t id;
    struct token token;
};

static int compare(const void *a, const void *b) {
    const struct numbered *x = a, *y = b;
    return (x->id > y->id) - (x->id < y->id);
}

/* {"ID": {"content": …}} */
static enum ob_err read_decoder(const struct reading *r, const json_t *tokens, struct numbered *list) {
    const char *key;
    json_t *value;
    size_t count = 0;
    json_object_foreach((json_t *)tokens, key, value) {
        char *end;
        struct numbered *entry = &list[count++];
        entry->id = strtoll(key, &end, 10);
        if (*end != 0 || end == key || !json_is_object(value) || !read_token(value, false, &entry->token))
            return ob_fail(r->error, OB_EFORMAT,
                           "%s: \"added_tokens_decoder\" is not {\"ID\": {\"content\": …}}", r->config.name);
    }
    return OB_OK;
}

/* {"content": ID}; tokens of tokenizer.json with the same id win, as there. */
static enum ob_err read_numbers(const struct reading *r, const json_t *tokens, struct numbered *list) {
    const char *key;
    json_t *value;
    size_t bytes, count = 0;
    json_object_keylen_foreach((json_t *)tokens, key, bytes, value) {
        struct numbered *entry = &list[count++];
        if (!json_is_integer(value))
            return ob_fail(r->error, OB_EFORMAT, "%s: not {\"TOKEN\": ID}", r->numbered.name);
        entry->id = json_integer_value(value);
        entry->token = (struct token){.text = key, .bytes = bytes};
        entry->token.special = has(r->named, &entry->token);
        entry->token.normalized = !entry->token.special;
    }
    return OB_OK;
}

static bool is_taken(const struct reading *r, json_int_t id) {
    size_t i;
    const json_t *token;
    json_array_foreach(r->added, i, token) {
        if (json_integer_value(json_object_get(token, "id")) == id)
            return true;
    }
    return false;
}

static enum ob_err add_numbered(struct reading *r) {
    const json_t *tokens =
        r->legacy ? r->numbered.root : json_object_get(r->config.root, "added_tokens_decoder");
    size_t count = json_object_size(tokens), kept = 0;
    struct numbered *list = calloc(count + 1, sizeof *list);
    if (list == NULL)
        return no_memory(r);
    enum ob_err err = r->legacy ? read_numbers(r, tokens, list) : read_decoder(r, tokens, list);
    for (size_t i = 0; err == OB_OK && i < count; i++)
        if (!r->legacy || !is_taken(r, list[i].id))
            list[kept++] = list[i];
    qsort(list, kept, sizeof *list, compare);
    for (size_t i = 0; err == OB_OK && i < kept; i++)
        err = add_or_change(r, &list[i].token);
    free(list);
    return err;
}

/* ---- all of them ---- */

/* The tokens that the root has, and which number comes next. */
static enum ob_err take_stock(struct reading *r) {
    size_t i;
    json_t *token;
    if (!json_is_array(r->added)) {
        r->added = json_array();
        if (r->added == NULL || json_object_set_new(r->root, "added_tokens", r->added) != 0)
            return no_memory(r);
    }
    r->next = (json_int_t)json_object_size(r->vocab);
    json_array_foreach(r->added, i, token) {
        struct token one;
        if (!read_token(token, false, &one))
            continue; /* who reads the tokenizer refuses it */
        r->next += !has(r->vocab, &one);
        if (json_object_setn(r->known, one.text, one.bytes, token) != 0)
            return no_memory(r);
    }
    return OB_OK;
}

static enum ob_err read_all(struct reading *r) {
    enum ob_err err = load_if_there(r, "tokenizer_config.json", &r->config);
    r->legacy = json_object_get(r->config.root, "added_tokens_decoder") == NULL;
    if (err == OB_OK && r->legacy)
        err = load_if_there(r, "special_tokens_map.json", &r->map);
    if (err == OB_OK && r->legacy)
        err = load_if_there(r, "added_tokens.json", &r->numbered);
    if (err == OB_OK)
        err = take_stock(r);
    if (err == OB_OK)
        err = for_each_named(r, note_name);
    if (err == OB_OK && r->legacy)
        err = for_each_extra(r, note_name); /* special, too, for added_tokens.json */
    if (err == OB_OK)
        err = add_numbered(r);
    if (err == OB_OK)
        err = for_each_named(r, add_if_new);
    return err == OB_OK ? for_each_extra(r, add_if_new) : err;
}

enum ob_err ob_hf_added_tokens(const char *folder, json_t *root, struct ob_error *error) {
    struct reading r = {.folder = folder,
                        .root = root,
                        .vocab = json_object_get(json_object_get(root, "model"), "vocab"),
                        .added = json_object_get(root, "added_tokens"),
                        .known = json_object(),
                        .named = json_object(),
                        .error = error};
    if (!json_is_object(r.vocab)) /* of another model, which is refused by who reads it */
        return OB_OK;
    enum ob_err err = r.known != NULL && r.named != NULL ? read_all(&r) : no_memory(&r);
    json_decref(r.known);
    json_decref(r.named);
    ob_document_done(&r.config);
    ob_document_done(&r.map);
    ob_document_done(&r.numbered);
    return err;
}
