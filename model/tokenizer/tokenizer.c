#include "model/tokenizer/tokenizer.h"

#include <assert.h>
#include <sodium/crypto_generichash.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "model/tokenizer/added.h"
#include "model/tokenizer/bpe.h"
#include "model/tokenizer/decoder.h"
#include "model/tokenizer/json.h"
#include "model/tokenizer/normalizer.h"
#include "model/tokenizer/pre_tokenizer.h"
#include "model/tokenizer/processor.h"
#include "model/tokenizer/utf8.h"

/* In the order in which a text passes them: added tokens with normalized = false, the normalizer for what lies
 * between them, the other added tokens, the pre-tokenizer for what lies between those, BPE for each piece. */
struct ob_tokenizer {
    struct ob_added_tokens added;
    struct ob_normalizer normalizer;
    struct ob_pre_tokenizer pre_tokenizer;
    struct ob_vocab vocab;
    struct ob_bpe bpe;
    struct ob_processor processor;
    struct ob_decoder decoder;
    bool has_digest;
    uint8_t digest[OB_TOKENIZER_DIGEST_BYTES];
};

void ob_tokenizer_free(struct ob_tokenizer *tokenizer) {
    if (tokenizer == NULL)
        return;
    ob_added_done(&tokenizer->added);
    ob_normalizer_done(&tokenizer->normalizer);
    ob_pre_tokenizer_done(&tokenizer->pre_tokenizer);
    ob_vocab_done(&tokenizer->vocab);
    ob_bpe_done(&tokenizer->bpe);
    free(tokenizer);
}

/* Truncation and padding are accepted and have no effect: nothing is cut off or filled up here. */
static enum ob_err read_stages(struct ob_tokenizer *t, const json_t *root, struct ob_error *error) {
    const json_t *pre = ob_json_field(root, "pre_tokenizer"), *added = ob_json_field(root, "added_tokens");
    bool byte_level = ob_pre_tokenizer_is_byte_level(pre);
    if (!json_is_object(root))
        return ob_fail(error, OB_EFORMAT, "not a JSON object");
    enum ob_err err = ob_normalizer_read(&t->normalizer, ob_json_field(root, "normalizer"), error);
    if (err == OB_OK)
        err = ob_pre_tokenizer_read(&t->pre_tokenizer, pre, error);
    if (err == OB_OK)
        err = ob_bpe_read(&t->bpe, &t->vocab, ob_json_field(root, "model"), added, byte_level, error);
    if (err == OB_OK)
        err = ob_added_read(&t->added, &t->vocab, &t->normalizer, added, byte_level, error);
    if (err == OB_OK)
        err = ob_decoder_read(&t->decoder, ob_json_field(root, "decoder"), byte_level, error);
    if (err == OB_OK)
        err = ob_processor_read(&t->processor, &t->vocab, ob_json_field(root, "post_processor"), error);
    return err;
}

static int hash_some(const char *text, size_t bytes, void *context) {
    return crypto_generichash_update(context, (const uint8_t *)text, bytes);
}

static void take_digest(struct ob_tokenizer *tokenizer, const json_t *root) {
    crypto_generichash_state hash;
    crypto_generichash_init(&hash, NULL, 0, sizeof tokenizer->digest);
    tokenizer->has_digest = json_dump_callback(root, hash_some, &hash, JSON_COMPACT) == 0;
    crypto_generichash_final(&hash, tokenizer->digest, sizeof tokenizer->digest);
}

enum ob_err ob_tokenizer_read(const json_t *root, const char *name, struct ob_tokenizer **ret_tokenizer,
                              struct ob_error *error) {
    struct ob_error ours;
    error = error == NULL ? &ours : error;
    struct ob_tokenizer *tokenizer = calloc(1, sizeof *tokenizer);
    enum ob_err err = tokenizer == NULL ? ob_fail(error, OB_ENOMEM, "not enough memory for a tokenizer")
                                        : read_stages(tokenizer, root, error);
    if (err != OB_OK) {
        ob_tokenizer_free(tokenizer);
        return ob_fail_within(error, err, "%s", name);
    }
    take_digest(tokenizer, root);
    *ret_tokenizer = tokenizer;
    return OB_OK;
}

enum ob_err ob_tokenizer_parse(const char *json, size_t bytes, const char *name,
                               struct ob_tokenizer **ret_tokenizer, struct ob_error *error) {
    struct ob_error ours;
    error = error == NULL ? &ours : error;
    if (bytes > OB_JSON_BYTES_MAX)
        return ob_fail(error, OB_ETOOBIG, "%s: larger than %u bytes", name, OB_JSON_BYTES_MAX);
    json_error_t where;
    json_t *root = json_loadb(json, bytes, JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, &where);
    if (root == NULL)
        return ob_fail(error, json_error_code(&where) == json_error_out_of_memory ? OB_ENOMEM : OB_EFORMAT,
                       "%s:%d: %s", name, where.line, where.text);
    enum ob_err err = ob_tokenizer_read(root, name, ret_tokenizer, error);
    json_decref(root);
    return err;
}

size_t ob_tokenizer_vocabulary(const struct ob_tokenizer *tokenizer) {
    return tokenizer->vocab.ids;
}

size_t ob_tokenizer_beyond(const struct ob_tokenizer *tokenizer, uint32_t rows, int32_t *ret_first) {
    size_t count = 0;
    *ret_first = -1;
    for (size_t id = rows; id < tokenizer->vocab.ids; id++) {
        if (!tokenizer->vocab.tokens[id].present)
            continue;
        *ret_first = count++ == 0 ? (int32_t)id : *ret_first;
    }
    return count;
}

struct ob_tokenizer_scratch {
    const struct ob_tokenizer *tokenizer;
    struct ob_bpe_work work;
    pcre2_match_data *match;
};

static enum ob_err scratch_init(struct ob_tokenizer_scratch *scratch, const struct ob_tokenizer *tokenizer,
                                struct ob_error *error) {
    *scratch = (struct ob_tokenizer_scratch){.tokenizer = tokenizer, .match = ob_split_match_data()};
    return scratch->match != NULL ? OB_OK : ob_fail(error, OB_ENOMEM, "not enough memory to encode a text");
}

static void scratch_done(struct ob_tokenizer_scratch *scratch) {
    pcre2_match_data_free(scratch->match);
    ob_bpe_work_done(&scratch->work);
}

enum ob_err ob_tokenizer_scratch_new(const struct ob_tokenizer *tokenizer,
                                     struct ob_tokenizer_scratch **ret_scratch, struct ob_error *error) {
    struct ob_tokenizer_scratch *scratch = malloc(sizeof *scratch);
    if (scratch == NULL)
        return ob_fail(error, OB_ENOMEM, "not enough memory to encode texts");
    enum ob_err err = scratch_init(scratch, tokenizer, error);
    if (err == OB_OK)
        err = ob_bpe_work_remember(&scratch->work, error);
    if (err != OB_OK) {
        ob_tokenizer_scratch_free(scratch);
        return err;
    }
    *ret_scratch = scratch;
    return OB_OK;
}

void ob_tokenizer_scratch_free(struct ob_tokenizer_scratch *scratch) {
    if (scratch == NULL)
        return;
    scratch_done(scratch);
    free(scratch);
}

/* One call of ob_tokenizer_encode. */
struct encoding {
    const struct ob_tokenizer *tokenizer;
    bool plain; /* special tokens are text */
    struct ob_bpe_work *work;
    struct ob_ids ids;
    struct ob_split_run run;
    struct ob_error *error;
};

static enum ob_err encode_piece(void *context, const char *piece, size_t bytes) {
    struct encoding *encoding = context;
    const struct ob_tokenizer *tokenizer = encoding->tokenizer;
    return ob_bpe_piece(&tokenizer->bpe, &tokenizer->vocab, encoding->work, piece, bytes, &encoding->ids,
                        encoding->error);
}

typedef enum ob_err encode_part(struct encoding *, enum ob_text_position position, const char *text,
                                size_t bytes);

static enum ob_err encode_plain(struct encoding *encoding, enum ob_text_position position, const char *text,
                                size_t bytes) {
    return ob_split(&encoding->run, position, text, bytes);
}

/* Cuts the text at the added tokens of one list and hands what lies between to `between`. */
static enum ob_err encode_around(struct encoding *encoding, const struct ob_added *added,
                                 enum ob_text_position position, const char *text, size_t bytes,
                                 encode_part *between) {
    struct ob_added_match match;
    size_t done = 0;
    enum ob_err err = OB_OK;
    while (err == OB_OK && ob_added_find(added, encoding->plain, text, bytes, done, &match)) {
        err = between(encoding, done == 0 ? position : OB_TEXT_INNER, text + done, match.start - done);
        if (err == OB_OK)
            err = ob_ids_append(&encoding->ids, match.id, encoding->error);
        done = match.end;
    }
    return err != OB_OK ? err
                        : between(encoding, done == 0 ? position : OB_TEXT_INNER, text + done, bytes - done);
}

static enum ob_err encode_normalized(struct encoding *encoding, enum ob_text_position position,
                                     const char *text, size_t bytes) {
    const struct ob_tokenizer *tokenizer = encoding->tokenizer;
    struct ob_normalized now = {0};
    enum ob_err err = ob_normalizer_run(&tokenizer->normalizer, position, text, bytes, &now, encoding->error);
    if (err == OB_OK)
        err = encode_around(encoding, &tokenizer->added.normalized, position, now.text, now.bytes,
                            encode_plain);
    free(now.owned);
    return err;
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
                           "this tokenizer cannot tell a part of the text from the special token \"%s\"",
                           ob_utf8_quote(vocab->arena + token->text, token->text_bytes, quote));
    }
    return OB_OK;
}

static enum ob_err encode(const struct ob_tokenizer *tokenizer, const struct ob_encode_options *options,
                          struct ob_tokenizer_scratch *scratch, const char *text, size_t bytes,
                          struct ob_ids *ret_ids, struct ob_error *error) {
    assert(scratch->tokenizer == tokenizer);
    struct encoding encoding = {
        .tokenizer = tokenizer, .plain = options->plain, .work = &scratch->work, .error = error};
    encoding.run = (struct ob_split_run){.pre_tokenizer = &tokenizer->pre_tokenizer,
                                         .match = scratch->match,
                                         .take = encode_piece,
                                         .context = &encoding,
                                         .error = error};
    enum ob_err err =
        encode_around(&encoding, &tokenizer->added.raw, options->position, text, bytes, encode_normalized);
    if (err == OB_OK && options->plain)
        err = check_plain(tokenizer, encoding.ids.data, encoding.ids.count, error);
    if (err != OB_OK)
        free(encoding.ids.data);
    else
        *ret_ids = encoding.ids;
    return err;
}

enum ob_err ob_tokenizer_encode(const struct ob_tokenizer *tokenizer, const struct ob_encode_options *options,
                                const char *text, size_t bytes, int32_t **ret_ids, size_t *ret_count,
                                struct ob_error *error) {
    static const struct ob_encode_options FIRST = {.position = OB_TEXT_FIRST};
    struct ob_tokenizer_scratch ours = {0};
    struct ob_ids ids = {0};
    options = options == NULL ? &FIRST : options;
    if (bytes >= OB_BPE_PIECE_MAX)
        return ob_fail(error, OB_ETOOBIG, "a text of %zu bytes exceeds the limit of %u", bytes,
                       OB_BPE_PIECE_MAX);
    enum ob_err err = options->scratch == NULL ? scratch_init(&ours, tokenizer, error) : OB_OK;
    if (err == OB_OK)
        err = encode(tokenizer, options, options->scratch == NULL ? &ours : options->scratch,
                     bytes == 0 ? "" : text, bytes, &ids, error);
    scratch_done(&ours);
    if (err == OB_OK) {
        *ret_ids = ids.data;
        *ret_count = ids.count;
    }
    return err;
}

int32_t ob_tokenizer_special(const struct ob_tokenizer *tokenizer, const char *text, size_t bytes) {
    const struct ob_added_token *token = ob_added_named(&tokenizer->added.raw, text, bytes);
    if (token == NULL && tokenizer->normalizer.steps_count == 0)
        token = ob_added_named(&tokenizer->added.normalized, text, bytes);
    bool usable = token != NULL && token->special && !token->lstrip && !token->rstrip && !token->single_word;
    return usable ? token->id : -1;
}

struct ob_tokenizer_affixes ob_tokenizer_affixes(const struct ob_tokenizer *tokenizer) {
    const struct ob_processor *processor = &tokenizer->processor;
    return (struct ob_tokenizer_affixes){.prefix = processor->prefix.ids,
                                         .prefix_count = processor->prefix.count,
                                         .suffix = processor->suffix.ids,
                                         .suffix_count = processor->suffix.count};
}

bool ob_tokenizer_digest(const struct ob_tokenizer *tokenizer,
                         uint8_t ret_digest[static OB_TOKENIZER_DIGEST_BYTES]) {
    memcpy(ret_digest, tokenizer->digest, sizeof tokenizer->digest);
    return tokenizer->has_digest;
}

bool ob_tokenizer_prepends_space(const struct ob_tokenizer *tokenizer) {
    return ob_normalizer_prepends(&tokenizer->normalizer) ||
           ob_normalizer_prepends(&tokenizer->pre_tokenizer.metaspace);
}

enum ob_err ob_tokenizer_decode(const struct ob_tokenizer *tokenizer, const int32_t *ids, size_t count,
                                bool skip_special, char **ret_text, size_t *ret_bytes,
                                struct ob_error *error) {
    return ob_decoder_run(&tokenizer->decoder, &tokenizer->vocab, ids, count, skip_special, ret_text,
                          ret_bytes, error);
}
