/* The `added_tokens` of a tokenizer.json. */
#include <stdlib.h>
#include <string.h>

#include "model/tokenizer_json.h"
#include "model/tokenizer_parts.h"
#include "model/tokenizer_utf8.h"

/* An added token that is in the vocabulary as well must have the same id there. */
static enum ob_err enter_added(struct ob_vocab *vocab, int32_t id, const char *content, size_t bytes,
                               struct ob_error *error) {
    int32_t known = ob_vocab_find(vocab, content, bytes);
    if (known < 0)
        return ob_vocab_add(vocab, id, content, bytes, OB_SPELLING_LITERAL, error);
    char quote[OB_QUOTE_BYTES];
    if (known != id)
        return ob_fail(error, OB_EFORMAT, "token \"%s\" has two ids, %d and %d",
                       ob_utf8_quote(content, bytes, quote), known, id);
    ob_vocab_make_literal(vocab, id);
    return OB_OK;
}

/* A token with normalized = true is looked for as the normalizer makes it. */
static enum ob_err list_added(struct ob_tokenizer *tokenizer, struct ob_added_token token, bool normalized,
                              struct ob_error *error) {
    if (!normalized)
        return ob_added_add(&tokenizer->raw, &token, error);
    struct ob_rewritten content = {0};
    enum ob_err err =
        ob_rewrite_run(&tokenizer->normalizer, OB_PLACE_BEGINS, token.content, token.bytes, &content, error);
    if (err != OB_OK)
        return err;
    token.content = content.text;
    token.bytes = content.bytes;
    err = token.bytes == 0 ? OB_OK : ob_added_add(&tokenizer->normalized, &token, error);
    free(content.owned);
    return err;
}

static enum ob_err read_added_token(struct ob_tokenizer *tokenizer, const json_t *field,
                                    struct ob_error *error) {
    const json_t *content = ob_json_field(field, "content");
    struct ob_added_token token = {.content = json_string_value(content),
                                   .bytes = json_string_length(content)};
    token.id = (int32_t)json_integer_value(ob_json_field(field, "id"));
    bool normalized;
    enum ob_err err = enter_added(&tokenizer->vocab, token.id, token.content, token.bytes, error);
    if (err == OB_OK)
        err = ob_json_bool(field, "single_word", false, &token.single_word, error);
    if (err == OB_OK)
        err = ob_json_bool(field, "lstrip", false, &token.lstrip, error);
    if (err == OB_OK)
        err = ob_json_bool(field, "rstrip", false, &token.rstrip, error);
    if (err == OB_OK)
        err = ob_json_bool(field, "special", false, &token.special, error);
    if (err == OB_OK)
        err = ob_json_bool(field, "normalized", true, &normalized, error);
    if (err != OB_OK)
        return err;
    struct ob_token *entry = &tokenizer->vocab.tokens[token.id];
    entry->special = entry->special || token.special;
    return list_added(tokenizer, token, normalized, error);
}

enum ob_err ob_tokenizer_read_added(struct ob_tokenizer *tokenizer, const json_t *field,
                                    struct ob_error *error) {
    for (size_t i = 0; i < json_array_size(field); i++) {
        enum ob_err err = read_added_token(tokenizer, json_array_get(field, i), error);
        if (err != OB_OK)
            return ob_fail_within(error, err, "added token %zu", i);
    }
    ob_added_sort(&tokenizer->raw);
    ob_added_sort(&tokenizer->normalized);
    return OB_OK;
}
