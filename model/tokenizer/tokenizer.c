#include "model/tokenizer/tokenizer.h"

#include <assert.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "model/convert/documents.h"
#include "model/tokenizer/tokenizer_internal.h"
#include "model/tokenizer/utf8.h"

void ob_tokenizer_free(struct ob_tokenizer *tokenizer) {
    if (tokenizer == NULL)
        return;
    ob_vocab_done(&tokenizer->vocab);
    ob_bpe_done(&tokenizer->bpe);
    ob_added_done(&tokenizer->raw);
    ob_added_done(&tokenizer->normalized);
    ob_rewrite_done(&tokenizer->normalizer);
    ob_rewrite_done(&tokenizer->metaspace);
    ob_splitter_done(&tokenizer->splitter);
    free(tokenizer);
}

static enum ob_err read_root(const json_t *root, const char *name, struct ob_tokenizer **ret_tokenizer,
                             struct ob_error *error) {
    struct ob_tokenizer *tokenizer = calloc(1, sizeof *tokenizer);
    enum ob_err err = tokenizer == NULL ? ob_fail(error, OB_ENOMEM, "no memory for a tokenizer")
                                        : ob_tokenizer_read(tokenizer, root, error);
    if (err != OB_OK) {
        ob_tokenizer_free(tokenizer);
        return ob_fail_within(error, err, "%s", name);
    }
    *ret_tokenizer = tokenizer;
    return OB_OK;
}

enum ob_err ob_tokenizer_parse(const char *json, size_t bytes, const char *name,
                               struct ob_tokenizer **ret_tokenizer, struct ob_error *error) {
    struct ob_error ours;
    error = error == NULL ? &ours : error;
    if (bytes > OB_JSON_BYTES_MAX)
        return ob_fail(error, OB_ETOOBIG, "%s: more than %u bytes", name, OB_JSON_BYTES_MAX);
    json_error_t where;
    json_t *root = json_loadb(json, bytes, JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, &where);
    if (root == NULL)
        return ob_fail(error, json_error_code(&where) == json_error_out_of_memory ? OB_ENOMEM : OB_EFORMAT,
                       "%s:%d: %s", name, where.line, where.text);
    enum ob_err err = read_root(root, name, ret_tokenizer, error);
    json_decref(root);
    return err;
}

enum ob_err ob_tokenizer_open(const char *model, struct ob_tokenizer **ret_tokenizer,
                              struct ob_error *error) {
    struct ob_error ours;
    error = error == NULL ? &ours : error;
    struct ob_document document = {0};
    enum ob_err err = ob_document_load(model, "tokenizer.json", &document, error);
    if (err == OB_OK)
        err = read_root(document.root, document.name, ret_tokenizer, error);
    ob_document_done(&document);
    return err;
}

size_t ob_tokenizer_vocabulary(const struct ob_tokenizer *tokenizer) {
    return tokenizer->vocab.ids;
}

/* One call of ob_tokenizer_encode. */
struct encoding {
    const struct ob_tokenizer *tokenizer;
    bool plain; /* special tokens are text */
    struct ob_bpe_work work;
    struct ob_ids ids;
    struct ob_split_run run;
    struct ob_error *error;
};

static enum ob_err encode_piece(void *context, const char *piece, size_t bytes) {
    struct encoding *encoding = context;
    const struct ob_tokenizer *tokenizer = encoding->tokenizer;
    return ob_bpe_piece(&tokenizer->bpe, &tokenizer->vocab, &encoding->work, piece, bytes, &encoding->ids,
                        encoding->error);
}

/* Text without added tokens: its valid stretches, and each byte between them by itself. */
static enum ob_err encode_stretches(struct encoding *encoding, enum ob_place place, const char *text,
                                    size_t bytes) {
    enum ob_err err = OB_OK;
    encoding->run.may_prefix = place != OB_PLACE_GOES_ON;
    for (size_t at = 0; err == OB_OK && at < bytes;) {
        size_t valid = ob_utf8_valid(text + at, bytes - at);
        if (valid > 0)
            err = ob_split(&encoding->run, text + at, valid);
        else
            err = encode_piece(encoding, text + at, valid = 1);
        at += valid;
        encoding->run.may_prefix = false;
    }
    return err;
}

typedef enum ob_err encode_part(struct encoding *, enum ob_place place, const char *text, size_t bytes);

static enum ob_err encode_plain(struct encoding *encoding, enum ob_place place, const char *text,
                                size_t bytes) {
    struct ob_rewritten now = {0};
    enum ob_err err =
        ob_rewrite_run(&encoding->tokenizer->metaspace, place, text, bytes, &now, encoding->error);
    if (err == OB_OK)
        err = encode_stretches(encoding, place, now.text, now.bytes);
    free(now.owned);
    return err;
}

/* Cuts the text at the added tokens of one list and hands what lies between to `between`. */
static enum ob_err encode_around(struct encoding *encoding, const struct ob_added *added, enum ob_place place,
                                 const char *text, size_t bytes, encode_part *between) {
    struct ob_added_match match;
    size_t done = 0;
    enum ob_err err = OB_OK;
    while (err == OB_OK && ob_added_find(added, encoding->plain, text, bytes, done, &match)) {
        err = between(encoding, done == 0 ? place : OB_PLACE_INSIDE, text + done, match.start - done);
        if (err == OB_OK)
            err = ob_ids_append(&encoding->ids, match.id, encoding->error);
        done = match.end;
    }
    return err != OB_OK ? err
                        : between(encoding, done == 0 ? place : OB_PLACE_INSIDE, text + done, bytes - done);
}

static enum ob_err encode_normalized(struct encoding *encoding, enum ob_place place, const char *text,
                                     size_t bytes) {
    const struct ob_tokenizer *tokenizer = encoding->tokenizer;
    struct ob_rewritten now = {0};
    enum ob_err err = ob_rewrite_run(&tokenizer->normalizer, place, text, bytes, &now, encoding->error);
    if (err == OB_OK)
        err = encode_around(encoding, &tokenizer->normalized, place, now.text, now.bytes, encode_plain);
    free(now.owned);
    return err;
}

static enum ob_err encode(const struct ob_tokenizer *tokenizer, enum ob_place place, bool plain,
                          const char *text, size_t bytes, int32_t **ret_ids, size_t *ret_count,
                          struct ob_error *error) {
    if (bytes >= OB_BPE_PIECE_MAX)
        return ob_fail(error, OB_ETOOBIG, "a text of %zu bytes; at most %u are encoded", bytes,
                       OB_BPE_PIECE_MAX);
    text = bytes == 0 ? "" : text;
    struct encoding encoding = {.tokenizer = tokenizer, .plain = plain, .error = error};
    encoding.run = (struct ob_split_run){.splitter = &tokenizer->splitter,
                                         .match = ob_split_match_data(),
                                         .take = encode_piece,
                                         .context = &encoding,
                                         .error = error};
    enum ob_err err = encoding.run.match == NULL
                          ? ob_fail(error, OB_ENOMEM, "no memory to encode a text")
                          : encode_around(&encoding, &tokenizer->raw, place, text, bytes, encode_normalized);
    pcre2_match_data_free(encoding.run.match);
    ob_bpe_work_done(&encoding.work);
    if (err != OB_OK) {
        free(encoding.ids.data);
        return err;
    }
    *ret_ids = encoding.ids.data;
    *ret_count = encoding.ids.count;
    return OB_OK;
}

enum ob_err ob_tokenizer_encode(const struct ob_tokenizer *tokenizer, const char *text, size_t bytes,
                                int32_t **ret_ids, size_t *ret_count, struct ob_error *error) {
    return encode(tokenizer, OB_PLACE_BEGINS, false, text, bytes, ret_ids, ret_count, error);
}

enum ob_err ob_tokenizer_encode_on(const struct ob_tokenizer *tokenizer, const char *text, size_t bytes,
                                   int32_t **ret_ids, size_t *ret_count, struct ob_error *error) {
    return encode(tokenizer, OB_PLACE_GOES_ON, false, text, bytes, ret_ids, ret_count, error);
}

/* No rule of a vocabulary forbids that ordinary pieces make up a special token: then the two cannot be told
 * apart, and the text is refused. */
static enum ob_err check_plain(const struct ob_tokenizer *tokenizer, const int32_t *ids, size_t count,
                               struct ob_error *error) {
    const struct ob_vocab *vocab = &tokenizer->vocab;
    char quote[OB_QUOTE_BYTES];
    for (size_t i = 0; i < count; i++) {
        const struct ob_token *token = &vocab->tokens[ids[i]];
        if (token->special)
            return ob_fail(error, OB_EUNSUPPORTED,
                           "a text that this tokenizer cannot tell from the special token \"%s\"",
                           ob_utf8_quote(vocab->arena + token->text, token->text_bytes, quote));
    }
    return OB_OK;
}

enum ob_err ob_tokenizer_encode_plain(const struct ob_tokenizer *tokenizer, bool begins, const char *text,
                                      size_t bytes, int32_t **ret_ids, size_t *ret_count,
                                      struct ob_error *error) {
    int32_t *ids = NULL;
    size_t count = 0;
    enum ob_err err =
        encode(tokenizer, begins ? OB_PLACE_BEGINS : OB_PLACE_INSIDE, true, text, bytes, &ids, &count, error);
    if (err == OB_OK)
        err = check_plain(tokenizer, ids, count, error);
    if (err != OB_OK) {
        free(ids);
        return err;
    }
    *ret_ids = ids;
    *ret_count = count;
    return OB_OK;
}

int32_t ob_tokenizer_special(const struct ob_tokenizer *tokenizer, const char *text, size_t bytes) {
    const struct ob_added_token *token = ob_added_named(&tokenizer->raw, text, bytes);
    if (token == NULL && tokenizer->normalizer.steps_count == 0)
        token = ob_added_named(&tokenizer->normalized, text, bytes);
    bool usable = token != NULL && token->special && !token->lstrip && !token->rstrip && !token->single_word;
    return usable ? token->id : -1;
}

struct ob_tokenizer_frame ob_tokenizer_frame(const struct ob_tokenizer *tokenizer) {
    return (struct ob_tokenizer_frame){.before = tokenizer->before.ids,
                                       .before_count = tokenizer->before.count,
                                       .after = tokenizer->after.ids,
                                       .after_count = tokenizer->after.count};
}

enum ob_err ob_tokenizer_decode(const struct ob_tokenizer *tokenizer, const int32_t *ids, size_t count,
                                bool skip_special, char **ret_text, size_t *ret_bytes,
                                struct ob_error *error) {
    const struct ob_vocab *vocab = &tokenizer->vocab;
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        if (ids[i] < 0 || (size_t)ids[i] >= vocab->ids || !vocab->tokens[ids[i]].present)
            return ob_fail(error, OB_EFORMAT, "the tokenizer has no token %d", ids[i]);
        bytes += vocab->tokens[ids[i]].text_bytes;
    }
    char *text = malloc(bytes + 1);
    if (text == NULL)
        return ob_fail(error, OB_ENOMEM, "no memory for a text of %zu bytes", bytes);
    size_t used = 0, spaces = 0;
    for (size_t i = 0; i < count; i++) {
        const struct ob_token *token = &vocab->tokens[ids[i]];
        if (token->special && skip_special)
            continue;
        memcpy(text + used, vocab->arena + token->text, token->text_bytes);
        used += token->text_bytes;
    }
    assert(used <= bytes);
    while (spaces < tokenizer->strip && spaces < used && text[spaces] == ' ')
        spaces++;
    used -= spaces;
    memmove(text, text + spaces, used);
    text[used] = '\0';
    *ret_text = text;
    *ret_bytes = used;
    return OB_OK;
}
