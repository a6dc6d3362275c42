/* A tokenizer.json into lists: the opposite of tokenizer_from_lists.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/convert/pre_tokenizer_names.h"
#include "model/convert/tokenizer_from_lists.h"
#include "model/tokenizer/tokenizer.h"
#include "model/tokenizer/vocab.h"

#define PAD_BYTES 16 /* of the text of an id without a token: "[PAD4194303]" */

/* What ob_tokenizer_parts_read gives out is the first member. */
struct lists {
    struct ob_tokenizer_parts parts;
    struct ob_token_text *tokens, *merges;
    int32_t *types;
    float *scores;
    char *pads, *joined;
};

struct reading {
    const json_t *root, *model, *config;
    struct lists *lists;
    struct ob_error *error;
};

void ob_tokenizer_parts_free(struct ob_tokenizer_parts *parts) {
    struct lists *lists = (struct lists *)parts;
    if (lists == NULL)
        return;
    free(lists->tokens);
    free(lists->merges);
    free(lists->types);
    free(lists->scores);
    free(lists->pads);
    free(lists->joined);
    free(lists);
}

static struct ob_token_text text_of(const json_t *string) {
    return (struct ob_token_text){json_string_value(string), json_string_length(string)};
}

/* Does the file say what the table's row says? It may leave out what is the default, and say what changes no
 * id (trim_offsets). */
static bool says(const json_t *file, const json_t *row) {
    const char *key;
    const json_t *value;
    if (json_is_array(row)) {
        bool same = json_array_size(file) == json_array_size(row);
        for (size_t i = 0; same && i < json_array_size(row); i++)
            same = says(json_array_get(file, i), json_array_get(row, i));
        return same;
    }
    if (!json_is_object(row))
        return json_equal(file, row);
    json_object_foreach((json_t *)file, key, value) if (strcmp(key, "trim_offsets") != 0 &&
                                                        json_object_get(row, key) == NULL) return false;
    json_object_foreach((json_t *)row, key, value) {
        const json_t *said = json_object_get(file, key);
        bool is_default = said == NULL && strcmp(key, "use_regex") == 0 && json_is_true(value);
        if (strcmp(key, "trim_offsets") == 0)
            continue;
        if (!is_default && !says(said, value))
            return false;
    }
    return true;
}

static bool fits(const struct reading *r, const struct ob_pre_name *row) {
    const json_t *normalizer = json_object_get(r->root, "normalizer");
    json_t *wanted = json_loads(row->pre_tokenizer, 0, NULL);
    const char *kind = json_string_value(json_object_get(normalizer, "type"));
    bool composes = kind != NULL && strcmp(kind, "NFC") == 0;
    bool ignores = json_is_true(json_object_get(r->model, "ignore_merges"));
    bool same = says(json_object_get(r->root, "pre_tokenizer"), wanted) && composes == row->composes &&
                ignores == row->ignore_merges && (composes || !json_is_object(normalizer));
    json_decref(wanted);
    return same;
}

static enum ob_err find_kind(const struct reading *r) {
    struct ob_tokenizer_parts *parts = &r->lists->parts;
    if (json_is_true(json_object_get(r->model, "byte_fallback"))) {
        parts->model = "llama";
        return OB_OK;
    }
    parts->model = "gpt2";
    for (const struct ob_pre_name *row = OB_PRE_NAMES; row->name != NULL && parts->pre == NULL; row++)
        if (fits(r, row))
            parts->pre = row->name;
    return parts->pre != NULL
               ? OB_OK
               : ob_fail(r->error, OB_EUNSUPPORTED, "GGUF has no name for its pre-tokenizer and normalizer");
}

static bool set_token(struct lists *lists, const json_t *id, struct ob_token_text text, int32_t type) {
    json_int_t number = json_integer_value(id);
    if (!json_is_integer(id) || number < 0 || (size_t)number >= lists->parts.token_count)
        return false;
    lists->tokens[number] = text;
    lists->types[number] = type;
    return true;
}

static bool is_byte(struct ob_token_text text) {
    return text.bytes == 6 && memcmp(text.data, "<0x", 3) == 0 && text.data[5] == '>';
}

static enum ob_err read_tokens(const struct reading *r) {
    const char *key;
    size_t bytes;
    const json_t *id;
    bool byte_level = strcmp(r->lists->parts.model, "gpt2") == 0, ok = true;
    json_object_keylen_foreach(json_object_get(r->model, "vocab"), key, bytes, id) {
        struct ob_token_text text = {key, bytes};
        ok = ok &&
             set_token(r->lists, id, text, !byte_level && is_byte(text) ? OB_TOKEN_BYTE : OB_TOKEN_NORMAL);
    }
    const json_t *unknown = json_object_get(r->model, "unk_token");
    const json_t *added = json_object_get(r->root, "added_tokens");
    for (size_t i = 0; ok && i < json_array_size(added); i++) {
        const json_t *token = json_array_get(added, i), *content = json_object_get(token, "content");
        bool is_unknown = unknown != NULL && json_equal(content, unknown);
        bool special = json_is_true(json_object_get(token, "special"));
        ok = json_string_length(content) > 0 &&
             set_token(r->lists, json_object_get(token, "id"), text_of(content),
                       is_unknown ? OB_TOKEN_UNKNOWN
                       : special  ? OB_TOKEN_CONTROL
                                  : OB_TOKEN_USER_DEFINED);
    }
    return ok ? OB_OK
              : ob_fail(r->error, OB_EFORMAT, "a token has an id beyond the model's vocabulary of %zu",
                        r->lists->parts.token_count);
}

/* Ids without a token, which a model whose vocabulary was rounded up has. */
static void fill_gaps(struct lists *lists) {
    for (size_t id = 0; id < lists->parts.token_count; id++) {
        if (lists->tokens[id].data != NULL)
            continue;
        char *text = lists->pads + id * PAD_BYTES;
        int bytes = snprintf(text, PAD_BYTES, "[PAD%u]", (unsigned)(id % OB_TOKEN_IDS_MAX));
        lists->tokens[id] = (struct ob_token_text){text, (size_t)bytes};
        lists->types[id] = OB_TOKEN_UNUSED;
    }
}

static int64_t id_of(const struct lists *lists, const json_t *vocab, struct ob_token_text text) {
    const json_t *id = json_object_getn(vocab, text.data, text.bytes);
    if (json_is_integer(id))
        return json_integer_value(id);
    for (size_t i = lists->parts.token_count; text.bytes > 0 && i-- > 0;) /* added ones stand at the end */
        if (lists->tokens[i].bytes == text.bytes && memcmp(lists->tokens[i].data, text.data, text.bytes) == 0)
            return (int64_t)i;
    return -1;
}

/* "left right", however the file has it. */
static struct ob_token_text join(const json_t *merge, char **arena) {
    if (json_is_string(merge))
        return text_of(merge);
    struct ob_token_text left = text_of(json_array_get(merge, 0)), right = text_of(json_array_get(merge, 1));
    struct ob_token_text joined = {*arena, left.bytes + 1 + right.bytes};
    if (left.bytes > 0)
        memcpy(*arena, left.data, left.bytes);
    (*arena)[left.bytes] = ' ';
    if (right.bytes > 0)
        memcpy(*arena + left.bytes + 1, right.data, right.bytes);
    *arena += joined.bytes;
    return joined;
}

/* The earlier a merge, the higher the score of what it makes. */
static void score(struct lists *lists, const json_t *vocab, struct ob_token_text merge, size_t rank,
                  char *scratch) {
    const char *space = memchr(merge.data, ' ', merge.bytes);
    size_t left = space == NULL ? 0 : (size_t)(space - merge.data);
    if (space == NULL)
        return;
    memcpy(scratch, merge.data, left);
    memcpy(scratch + left, space + 1, merge.bytes - left - 1);
    const json_t *id = json_object_getn(vocab, scratch, merge.bytes - 1);
    size_t number = (size_t)json_integer_value(id);
    if (id != NULL && lists->scores[number] >= 0)
        lists->scores[number] = -(float)(rank + 1);
}

static size_t merge_bytes(const json_t *merges, size_t *ret_longest) {
    size_t bytes = 0;
    for (size_t i = 0; i < json_array_size(merges); i++) {
        const json_t *merge = json_array_get(merges, i);
        size_t length = json_is_string(merge) ? json_string_length(merge)
                                              : json_string_length(json_array_get(merge, 0)) + 1 +
                                                    json_string_length(json_array_get(merge, 1));
        bytes += length;
        *ret_longest = length > *ret_longest ? length : *ret_longest;
    }
    return bytes;
}

static enum ob_err read_merges(const struct reading *r) {
    struct lists *lists = r->lists;
    const json_t *merges = json_object_get(r->model, "merges"), *vocab = json_object_get(r->model, "vocab");
    size_t count = json_array_size(merges), longest = 0, bytes = merge_bytes(merges, &longest);
    bool byte_level = strcmp(lists->parts.model, "gpt2") == 0;
    lists->merges = calloc(count + 1, sizeof *lists->merges);
    lists->joined = malloc(bytes + 1);
    lists->scores = byte_level ? NULL : calloc(lists->parts.token_count + 1, sizeof *lists->scores);
    char *scratch = malloc(longest + 1), *arena = lists->joined;
    bool ok = lists->merges && lists->joined && scratch && (byte_level || lists->scores);
    for (size_t i = 0; ok && i < count; i++) {
        lists->merges[i] = join(json_array_get(merges, i), &arena);
        if (!byte_level)
            score(lists, vocab, lists->merges[i], i, scratch);
    }
    free(scratch);
    lists->parts.scores = lists->scores;
    lists->parts.merges = byte_level ? lists->merges : NULL;
    lists->parts.merge_count = byte_level ? count : 0;
    return ok ? OB_OK : ob_fail(r->error, OB_ENOMEM, "not enough memory for %zu merges", count);
}

/* A token of tokenizer_config.json: its text, or an object with it. */
static int64_t special(const struct reading *r, const char *key) {
    const json_t *value = json_object_get(r->config, key);
    if (json_is_object(value))
        value = json_object_get(value, "content");
    return json_is_string(value) ? id_of(r->lists, json_object_get(r->model, "vocab"), text_of(value)) : -1;
}

/* GGUF knows one token before a text, its BOS, and one after it, its EOS. `special` is the one that
 * tokenizer_config.json names, or -1. */
static enum ob_err affix(const struct reading *r, const int32_t *ids, size_t count, int64_t special,
                         const char *name, int64_t *ret_id, int8_t *ret_add) {
    bool other = count == 1 && special >= 0 && ids[0] != special;
    if (count > 1 || other)
        return ob_fail(r->error, OB_EUNSUPPORTED,
                       "GGUF cannot express a post_processor that adds %s than the %s_token",
                       count > 1 ? "more tokens" : "another token", name);
    *ret_id = count == 1 ? ids[0] : special;
    *ret_add = count == 1;
    return OB_OK;
}

/* What stands around a text: what the stages of the tokenizer do, however their JSON is spelled. */
static enum ob_err read_around(const struct reading *r) {
    struct ob_tokenizer_parts *parts = &r->lists->parts;
    const json_t *unknown = json_object_get(r->model, "unk_token");
    struct ob_tokenizer *tokenizer = NULL;
    enum ob_err err = ob_tokenizer_read(r->root, "tokenizer.json", &tokenizer, r->error);
    if (err != OB_OK)
        return err;
    struct ob_tokenizer_affixes a = ob_tokenizer_affixes(tokenizer);
    err = affix(r, a.prefix, a.prefix_count, special(r, "bos_token"), "bos", &parts->bos, &parts->add_bos);
    if (err == OB_OK)
        err =
            affix(r, a.suffix, a.suffix_count, special(r, "eos_token"), "eos", &parts->eos, &parts->add_eos);
    parts->unknown =
        json_is_string(unknown) ? id_of(r->lists, json_object_get(r->model, "vocab"), text_of(unknown)) : -1;
    parts->add_space_prefix = ob_tokenizer_prepends_space(tokenizer);
    ob_tokenizer_free(tokenizer);
    return err;
}

static enum ob_err read_all(const struct reading *r, size_t vocabulary) {
    struct lists *lists = r->lists;
    enum ob_err err = find_kind(r);
    if (err != OB_OK)
        return err;
    lists->parts.token_count = vocabulary;
    lists->tokens = calloc(vocabulary + 1, sizeof *lists->tokens);
    lists->types = calloc(vocabulary + 1, sizeof *lists->types);
    lists->pads = calloc(vocabulary + 1, PAD_BYTES);
    lists->parts.tokens = lists->tokens;
    lists->parts.types = lists->types;
    if (!lists->tokens || !lists->types || !lists->pads)
        return ob_fail(r->error, OB_ENOMEM, "not enough memory for %zu tokens", vocabulary);
    err = read_tokens(r);
    if (err == OB_OK)
        err = read_merges(r);
    fill_gaps(lists);
    return err == OB_OK ? read_around(r) : err;
}

enum ob_err ob_tokenizer_parts_read(const json_t *root, const json_t *config, size_t vocabulary,
                                    struct ob_tokenizer_parts **ret_parts, struct ob_error *error) {
    struct reading reading = {root, json_object_get(root, "model"), config, NULL, error};
    reading.lists = calloc(1, sizeof *reading.lists);
    if (!reading.lists)
        return ob_fail(error, OB_ENOMEM, "not enough memory for a tokenizer");
    enum ob_err err = read_all(&reading, vocabulary);
    if (err != OB_OK)
        ob_tokenizer_parts_free(&reading.lists->parts);
    else
        *ret_parts = &reading.lists->parts;
    return err;
}
