/* The `model` of a tokenizer.json: BPE, with its vocabulary and its merges. */
#include <stdlib.h>
#include <string.h>

#include "model/tokenizer/json.h"
#include "model/tokenizer/tokenizer_internal.h"
#include "model/tokenizer/utf8.h"

struct size {
    size_t ids, keys, bytes;
};

static enum ob_err check_id(const json_t *id, const char *key, size_t bytes, struct ob_error *error) {
    char quote[OB_QUOTE_BYTES];
    if (!json_is_integer(id))
        return ob_fail(error, OB_EFORMAT, "the id of token \"%s\" is not a whole number",
                       ob_utf8_quote(key, bytes, quote));
    json_int_t value = json_integer_value(id);
    if (value < 0 || value >= OB_TOKEN_IDS_MAX)
        return ob_fail(error, value < 0 ? OB_EFORMAT : OB_ETOOBIG,
                       "the id %lld of token \"%s\" is not in [0, %u)", (long long)value,
                       ob_utf8_quote(key, bytes, quote), OB_TOKEN_IDS_MAX);
    return OB_OK;
}

static void size_add(struct size *size, json_int_t id, size_t bytes) {
    if ((size_t)id >= size->ids)
        size->ids = (size_t)id + 1;
    size->keys++;
    size->bytes += bytes;
}

static enum ob_err measure_vocab(const json_t *vocab, struct size *size, struct ob_error *error) {
    const char *key;
    size_t bytes;
    json_t *id;
    json_object_keylen_foreach((json_t *)vocab, key, bytes, id) {
        enum ob_err err = check_id(id, key, bytes, error);
        if (err != OB_OK)
            return err;
        size_add(size, json_integer_value(id), bytes);
    }
    return OB_OK;
}

static enum ob_err measure_added(const json_t *added, struct size *size, struct ob_error *error) {
    for (size_t i = 0; i < json_array_size(added); i++) {
        const json_t *token = json_array_get(added, i);
        const json_t *content = ob_json_field(token, "content");
        if (!json_is_string(content) || json_string_length(content) == 0)
            return ob_fail(error, OB_EFORMAT, "added token %zu has no \"content\"", i);
        const char *text = json_string_value(content);
        size_t bytes = json_string_length(content);
        enum ob_err err = check_id(ob_json_field(token, "id"), text, bytes, error);
        if (err != OB_OK)
            return err;
        size_add(size, json_integer_value(ob_json_field(token, "id")), bytes);
    }
    return OB_OK;
}

static enum ob_err read_vocab(struct ob_vocab *vocab, const json_t *field, enum ob_spelling spelling,
                              struct ob_error *error) {
    const char *key;
    size_t bytes;
    json_t *id;
    json_object_keylen_foreach((json_t *)field, key, bytes, id) {
        enum ob_err err = ob_vocab_add(vocab, (int32_t)json_integer_value(id), key, bytes, spelling, error);
        if (err != OB_OK)
            return err;
    }
    return OB_OK;
}

struct span {
    const char *text;
    size_t bytes;
};

static struct span span_of(const json_t *string) {
    return (struct span){json_string_value(string), json_string_length(string)};
}

/* A merge is "left right" or ["left", "right"]. */
static bool merge_sides(const json_t *merge, struct span *ret_left, struct span *ret_right) {
    if (json_is_array(merge)) {
        const json_t *left = json_array_get(merge, 0), *right = json_array_get(merge, 1);
        if (json_array_size(merge) != 2 || !json_is_string(left) || !json_is_string(right))
            return false;
        *ret_left = span_of(left);
        *ret_right = span_of(right);
        return true;
    }
    if (!json_is_string(merge))
        return false;
    struct span both = span_of(merge);
    const char *space = memchr(both.text, ' ', both.bytes);
    if (space == NULL)
        return false;
    *ret_left = (struct span){both.text, (size_t)(space - both.text)};
    *ret_right = (struct span){space + 1, both.bytes - ret_left->bytes - 1};
    return memchr(ret_right->text, ' ', ret_right->bytes) == NULL;
}

/* `joined` is scratch for the longest key. */
static enum ob_err read_merge(struct ob_tokenizer *tokenizer, const json_t *merge, size_t rank, char *joined,
                              struct ob_error *error) {
    struct span sides[2];
    char quote[OB_QUOTE_BYTES];
    if (!merge_sides(merge, &sides[0], &sides[1]))
        return ob_fail(error, OB_EFORMAT, "merge %zu is not two tokens", rank);
    int32_t ids[2];
    for (int side = 0; side < 2; side++) {
        ids[side] = ob_vocab_find(&tokenizer->vocab, sides[side].text, sides[side].bytes);
        if (ids[side] < 0)
            return ob_fail(error, OB_EFORMAT, "merge %zu has the unknown token \"%s\"", rank,
                           ob_utf8_quote(sides[side].text, sides[side].bytes, quote));
    }
    memcpy(joined, sides[0].text, sides[0].bytes);
    memcpy(joined + sides[0].bytes, sides[1].text, sides[1].bytes);
    size_t bytes = sides[0].bytes + sides[1].bytes;
    int32_t id = ob_vocab_find(&tokenizer->vocab, joined, bytes);
    if (id < 0)
        return ob_fail(error, OB_EFORMAT, "merge %zu makes the unknown token \"%s\"", rank,
                       ob_utf8_quote(joined, bytes, quote));
    ob_bpe_add(&tokenizer->bpe, ids[0], ids[1], (uint32_t)rank, id);
    return OB_OK;
}

static enum ob_err read_merges(struct ob_tokenizer *tokenizer, const json_t *field, bool byte_level,
                               struct ob_error *error) {
    size_t count = json_array_size(field);
    enum ob_err err = ob_bpe_init(&tokenizer->bpe, &tokenizer->vocab, !byte_level, count, error);
    if (err != OB_OK)
        return err;
    char *joined = malloc(2 * tokenizer->vocab.key_bytes_max + 1);
    if (joined == NULL)
        return ob_fail(error, OB_ENOMEM, "no memory for %zu merges", count);
    for (size_t i = 0; err == OB_OK && i < count; i++)
        err = read_merge(tokenizer, json_array_get(field, i), i, joined, error);
    free(joined);
    return err;
}

static bool has_all_bytes(const struct ob_bpe *bpe) {
    for (unsigned byte = 0; byte < 256; byte++)
        if (bpe->byte_ids[byte] < 0)
            return false;
    return true;
}

/* A token for the unknown, and byte fallback, mean nothing where each byte has a token. */
static enum ob_err check_bytes(const struct ob_tokenizer *tokenizer, const json_t *model, bool byte_level,
                               struct ob_error *error) {
    bool fallback;
    enum ob_err err = ob_json_bool(model, "byte_fallback", false, &fallback, error);
    if (err != OB_OK)
        return err;
    if (!byte_level && !fallback)
        return ob_fail(error, OB_EUNSUPPORTED,
                       "neither a ByteLevel pre_tokenizer nor \"byte_fallback\": of BPE, only these two are "
                       "supported");
    if (has_all_bytes(&tokenizer->bpe))
        return OB_OK;
    if (!byte_level)
        return ob_fail(error, OB_EUNSUPPORTED,
                       "\"byte_fallback\" without all tokens from <0x00> to <0xFF> is "
                       "not supported");
    err = ob_json_must_be_empty(model, "unk_token", error);
    return err != OB_OK ? err : ob_json_must_be_empty(model, "byte_fallback", error);
}

static enum ob_err read_options(struct ob_tokenizer *tokenizer, const json_t *model, bool byte_level,
                                struct ob_error *error) {
    static const char *const EMPTY[] = {"dropout", "continuing_subword_prefix", "end_of_word_suffix"};
    enum ob_err err = OB_OK;
    for (size_t i = 0; err == OB_OK && i < sizeof EMPTY / sizeof *EMPTY; i++)
        err = ob_json_must_be_empty(model, EMPTY[i], error);
    if (err == OB_OK)
        err = check_bytes(tokenizer, model, byte_level, error);
    if (err == OB_OK)
        err = ob_json_bool(model, "ignore_merges", false, &tokenizer->bpe.whole_first, error);
    if (err == OB_OK && byte_level && tokenizer->bpe.whole_first &&
        tokenizer->vocab.key_bytes_max > OB_BPE_WHOLE_MAX)
        err = ob_fail(error, OB_ETOOBIG, "a token of %zu bytes with ignore_merges; at most %d are supported",
                      tokenizer->vocab.key_bytes_max, OB_BPE_WHOLE_MAX);
    return err;
}

static enum ob_err check_types(const json_t *model, const json_t *added, struct ob_error *error) {
    if (!json_is_object(model))
        return ob_fail(error, OB_EFORMAT, "no \"model\"");
    char quote[OB_QUOTE_BYTES];
    const json_t *type = ob_json_field(model, "type"); /* not in the oldest files, which are BPE */
    if (type != NULL && !json_is_string(type))
        return ob_fail(error, OB_EFORMAT, "the model's \"type\" is not a string");
    if (type != NULL && strcmp(json_string_value(type), "BPE") != 0)
        return ob_fail(error, OB_EUNSUPPORTED, "the model \"%s\" is not supported, only BPE is",
                       ob_utf8_quote(json_string_value(type), json_string_length(type), quote));
    if (!json_is_object(ob_json_field(model, "vocab")))
        return ob_fail(error, OB_EFORMAT, "the model has no \"vocab\"");
    if (!json_is_array(ob_json_field(model, "merges")))
        return ob_fail(error, OB_EFORMAT, "the model has no \"merges\"");
    if (added != NULL && !json_is_array(added))
        return ob_fail(error, OB_EFORMAT, "\"added_tokens\" is not an array");
    return OB_OK;
}

enum ob_err ob_tokenizer_read_model(struct ob_tokenizer *tokenizer, const json_t *model, const json_t *added,
                                    bool byte_level, struct ob_error *error) {
    const json_t *vocab = ob_json_field(model, "vocab");
    struct size size = {0};
    enum ob_err err = check_types(model, added, error);
    if (err == OB_OK)
        err = measure_vocab(vocab, &size, error);
    if (err == OB_OK)
        err = measure_added(added, &size, error);
    if (err == OB_OK)
        err = ob_vocab_init(&tokenizer->vocab, size.ids, size.keys, size.bytes, error);
    if (err == OB_OK)
        err =
            read_vocab(&tokenizer->vocab, vocab, byte_level ? OB_SPELLING_BYTES : OB_SPELLING_PIECES, error);
    if (err == OB_OK)
        err = read_merges(tokenizer, ob_json_field(model, "merges"), byte_level, error);
    return err != OB_OK ? err : read_options(tokenizer, model, byte_level, error);
}
