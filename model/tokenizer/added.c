#include "model/tokenizer/added.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "model/tokenizer/json.h"
#include "model/tokenizer/utf8.h"

static enum ob_err add(struct ob_added *added, const struct ob_added_token *token, struct ob_error *error) {
    assert(token->bytes > 0);
    struct ob_added_token *tokens = reallocarray(added->tokens, added->count + 1, sizeof *tokens);
    if (tokens != NULL)
        added->tokens = tokens;
    char *content = tokens == NULL ? NULL : malloc(token->bytes);
    if (content == NULL)
        return ob_fail(error, OB_ENOMEM, "not enough memory for %zu added tokens", added->count + 1);
    memcpy(content, token->content, token->bytes);
    tokens[added->count] = *token;
    tokens[added->count++].content = content;
    return OB_OK;
}

static int compare(const void *left, const void *right) {
    const struct ob_added_token *a = left, *b = right;
    int first = (uint8_t)a->content[0] - (uint8_t)b->content[0];
    return first != 0 ? first : (a->bytes < b->bytes) - (a->bytes > b->bytes);
}

static void sort(struct ob_added *added) {
    if (added->count > 0)
        qsort(added->tokens, added->count, sizeof *added->tokens, compare);
    uint32_t at = 0;
    for (unsigned byte = 0; byte < 256; byte++) {
        added->first[byte] = at;
        while (at < added->count && (uint8_t)added->tokens[at].content[0] == byte)
            at++;
    }
    added->first[256] = at;
}

static void done(struct ob_added *added) {
    for (size_t i = 0; i < added->count; i++)
        free((char *)added->tokens[i].content);
    free(added->tokens);
    *added = (struct ob_added){0};
}

static const struct ob_added_token *token_at(const struct ob_added *added, const char *text, size_t bytes) {
    uint8_t byte = (uint8_t)text[0];
    for (uint32_t i = added->first[byte]; i < added->first[byte + 1]; i++) {
        const struct ob_added_token *token = &added->tokens[i];
        if (token->bytes <= bytes && memcmp(token->content, text, token->bytes) == 0)
            return token;
    }
    return NULL;
}

static bool stands_alone(const char *text, size_t bytes, size_t start, size_t end) {
    return !ob_utf8_word_at_end(text, start) && !ob_utf8_word_at_start(text + end, bytes - end);
}

const struct ob_added_token *ob_added_named(const struct ob_added *added, const char *content, size_t bytes) {
    const struct ob_added_token *token =
        added->count == 0 || bytes == 0 ? NULL : token_at(added, content, bytes); /* the longest */
    return token != NULL && token->bytes == bytes ? token : NULL;
}

bool ob_added_find(const struct ob_added *added, bool plain, const char *text, size_t bytes, size_t from,
                   struct ob_added_match *ret_match) {
    if (added->count == 0)
        return false;
    for (size_t at = from; at < bytes; at++) {
        const struct ob_added_token *token = token_at(added, text + at, bytes - at);
        if (token == NULL)
            continue;
        size_t end = at + token->bytes, start = at;
        if ((plain && token->special) || (token->single_word && !stands_alone(text, bytes, start, end))) {
            at = end - 1;
            continue;
        }
        if (token->lstrip)
            start -= ob_utf8_spaces_after(text + from, at - from);
        if (token->rstrip)
            end += ob_utf8_spaces_before(text + end, bytes - end);
        *ret_match = (struct ob_added_match){start, end, token->id};
        return true;
    }
    return false;
}

/* ---- from a tokenizer.json ---- */

/* How the added tokens of a file are read. `tokenizers` numbers those that the model does not have by itself:
 * from the size of the model's vocabulary on, in the file's order, whatever ids the file has. */
struct reading {
    struct ob_added_tokens *tokens;
    struct ob_vocab *vocab;
    const struct ob_normalizer *normalizer;
    enum ob_spelling spelling; /* of the text that an added token stands for */
    size_t next;               /* id of the next one that the model does not have */
};

/* An added token that is in the vocabulary as well must have the same id there. */
static enum ob_err enter_added(struct reading *reading, int32_t id, const char *content, size_t bytes,
                               struct ob_error *error) {
    struct ob_vocab *vocab = reading->vocab;
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
    struct ob_normalized content = {.text = token.content, .bytes = token.bytes};
    enum ob_err err = normalized ? ob_normalizer_run(reading->normalizer, OB_TEXT_FIRST, token.content,
                                                     token.bytes, &content, error)
                                 : OB_OK;
    if (err != OB_OK)
        return err;
    token.content = content.text;
    token.bytes = content.bytes;
    err = ob_vocab_respell(reading->vocab, token.id, token.content, token.bytes, reading->spelling, error);
    if (err == OB_OK && token.bytes > 0)
        err = add(normalized ? &reading->tokens->normalized : &reading->tokens->raw, &token, error);
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
    struct ob_token *entry = &reading->vocab->tokens[token.id];
    entry->special = entry->special || token.special;
    return list_added(reading, token, normalized, error);
}

enum ob_err ob_added_read(struct ob_added_tokens *tokens, struct ob_vocab *vocab,
                          const struct ob_normalizer *normalizer, const json_t *field, bool byte_level,
                          struct ob_error *error) {
    struct reading reading = {.tokens = tokens,
                              .vocab = vocab,
                              .normalizer = normalizer,
                              .spelling = byte_level ? OB_SPELLING_LITERAL : OB_SPELLING_PIECES};
    for (size_t id = 0; id < vocab->ids; id++)
        reading.next += vocab->tokens[id].present;
    for (size_t i = 0; i < json_array_size(field); i++) {
        enum ob_err err = read_added_token(&reading, json_array_get(field, i), error);
        if (err != OB_OK)
            return ob_fail_within(error, err, "added token %zu", i);
    }
    sort(&tokens->raw);
    sort(&tokens->normalized);
    return OB_OK;
}

void ob_added_done(struct ob_added_tokens *tokens) {
    done(&tokens->raw);
    done(&tokens->normalized);
}
