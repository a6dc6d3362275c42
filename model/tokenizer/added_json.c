/* The `added_tokens` of a tokenizer.json. */
#include <stdlib.h>
#include <string.h>

#include "model/tokenizer/json.h"
#include "model/tokenizer/tokenizer_internal.h"
#include "model/tokenizer/utf8.h"

/* How the added tokens of a file are read. `tokenizers` numbers those that the model does not have by itself:
 * from the size of the model's vocabulary on, in the file's order, whatever ids the file has. */
struct reading {
    struct ob_tokenizer *tokenizer;
    enum ob_spelling spelling; /* of the text that an added token stands for */
    size_t next;               /* id of the next one that the model does not have */
};

/* An added token that is in the vocabulary as well must have the same id there. */
static enum ob_err enter_added(struct reading *reading, int32_t id, const char *content, size_t bytes,
                               struct ob_error *error) {
    struct ob_vocab *vocab = &reading->tokenizer->vocab;
    char quote[OB_QUOTE_BYTES];
    int32_t known = ob_vocab_find(vocab, content, bytes);
    if (known == id)
        return OB_OK;
    if (known >= 0)
        return ob_fail(error, OB_EFORMAT, "token \"%s\" has two ids, %d and %d",
                       ob_utf8_quote(content, bytes, quote), known, id);
    enum ob_err err = ob_vocab_add(vocab, id, content, bytes, OB_SPELLING_LITERAL, error);
    if (err != OB_OK)
        return err;
    if ((size_t)id != reading->next)
        return ob_fail(
            error, OB_EUNSUPPORTED,
            "token \"%s\" has the id %d, but Hugging Face tokenizers makes it %zu, the next after "
            "the vocabulary and the added tokens before it: put the token into the model's \"vocab\" "
            "if %d is right",
            ob_utf8_quote(content, bytes, quote), id, reading->next, id);
    vocab->tokens[id].only_added = true;
    reading->next++;
    return OB_OK;
}

/* A token with normalized = true is looked for as the normalizer makes it, and stands for that. */
static enum ob_err list_added(const struct reading *reading, struct ob_added_token token, bool normalized,
                              struct ob_error *error) {
    struct ob_tokenizer *tokenizer = reading->tokenizer;
    struct ob_rewritten content = {.text = token.content, .bytes = token.bytes};
    enum ob_err err = normalized ? ob_rewrite_run(&tokenizer->normalizer, OB_PLACE_BEGINS, token.content,
                                                  token.bytes, &content, error)
                                 : OB_OK;
    if (err != OB_OK)
        return err;
    token.content = content.text;
    token.bytes = content.bytes;
    err = ob_vocab_respell(&tokenizer->vocab, token.id, token.content, token.bytes, reading->spelling, error);
    if (err == OB_OK && token.bytes > 0)
        err = ob_added_add(normalized ? &tokenizer->normalized : &tokenizer->raw, &token, error);
    free(content.owned);
    return err;
}

static enum ob_err read_added_token(struct reading *reading, const json_t *field, struct ob_error *error) {
    const json_t *content = ob_json_field(field, "content");
    struct ob_added_token token = {.content = json_string_value(content),
                                   .bytes = json_string_length(content)};
    token.id = (int32_t)json_integer_value(ob_json_field(field, "id"));
    bool normalized;
    enum ob_err err = enter_added(reading, token.id, token.content, token.bytes, error);
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
    struct ob_token *entry = &reading->tokenizer->vocab.tokens[token.id];
    entry->special = entry->special || token.special;
    return list_added(reading, token, normalized, error);
}

enum ob_err ob_tokenizer_read_added(struct ob_tokenizer *tokenizer, const json_t *field, bool byte_level,
                                    struct ob_error *error) {
    struct reading reading = {.tokenizer = tokenizer,
                              .spelling = byte_level ? OB_SPELLING_LITERAL : OB_SPELLING_PIECES};
    for (size_t id = 0; id < tokenizer->vocab.ids; id++)
        reading.next += tokenizer->vocab.tokens[id].present;
    for (size_t i = 0; i < json_array_size(field); i++) {
        enum ob_err err = read_added_token(&reading, json_array_get(field, i), error);
        if (err != OB_OK)
            return ob_fail_within(error, err, "added token %zu", i);
    }
    ob_added_sort(&tokenizer->raw);
    ob_added_sort(&tokenizer->normalized);
    return OB_OK;
}
