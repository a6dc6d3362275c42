#include "model/tokenizer/added.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "model/tokenizer/utf8.h"

enum ob_err ob_added_add(struct ob_added *added, const struct ob_added_token *token, struct ob_error *error) {
    assert(token->bytes > 0);
    struct ob_added_token *tokens = reallocarray(added->tokens, added->count + 1, sizeof *tokens);
    if (tokens != NULL)
        added->tokens = tokens;
    char *content = tokens == NULL ? NULL : malloc(token->bytes);
    if (content == NULL)
        return ob_fail(error, OB_ENOMEM, "no memory for %zu added tokens", added->count + 1);
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

void ob_added_sort(struct ob_added *added) {
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

void ob_added_done(struct ob_added *added) {
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
