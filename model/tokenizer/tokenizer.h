/* tokenizer - BPE read from a Hugging Face tokenizer.json.
 *
 * Two kinds: byte-level BPE (GPT-2, OPT, Pythia, Llama 3, Qwen, SmolLM) and BPE with byte fallback,
 * SentencePiece's (Llama 2, Mistral, TinyLlama, Gemma). Normalizers: NFC, Prepend, Replace. Pre-tokenizers:
 * ByteLevel, Split with a pattern (PCRE2, Unicode), Digits, Metaspace; Sequences of all these. Added tokens
 * are matched before anything else, the longest first. Text is bytes: each byte that is not UTF-8 stays one
 * token. A part of the file that this does not implement is rejected with an error that names it
 * (OB_EUNSUPPORTED), never ignored.
 *
 * Owns:    ob_tokenizer_new allocates all it needs.
 * Threads: a tokenizer is read-only after it is loaded; encode and decode may run in many threads. */
#ifndef OB_MODEL_TOKENIZER_TOKENIZER_H
#define OB_MODEL_TOKENIZER_TOKENIZER_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "model/tokenizer/text_position.h"

struct ob_tokenizer;

/* From the root of a tokenizer.json; `name` stands for the file in messages. That of a model's folder or GGUF
 * file: model/convert/open_tokenizer.h. */
OB_MUST_USE enum ob_err ob_tokenizer_read(const json_t *root, const char *name,
                                          struct ob_tokenizer **ret_tokenizer, struct ob_error *error);
/* The same from the file's bytes. */
OB_MUST_USE enum ob_err ob_tokenizer_parse(const char *json, size_t bytes, const char *name,
                                           struct ob_tokenizer **ret_tokenizer, struct ob_error *error);
void ob_tokenizer_free(struct ob_tokenizer *tokenizer);
size_t ob_tokenizer_vocabulary(const struct ob_tokenizer *tokenizer); /* largest id + 1 */
/* How many tokens have no row in an embedding of `rows`, and the first of them (-1: none). */
size_t ob_tokenizer_beyond(const struct ob_tokenizer *tokenizer, uint32_t rows, int32_t *ret_first);

/* BLAKE2b-256 of the JSON that it was read from: two with the same give the same ids. False: that JSON cannot be
 * written (it has NaN, say, in a field that is not looked at). */
#define OB_TOKENIZER_DIGEST_BYTES 32
bool ob_tokenizer_digest(const struct ob_tokenizer *tokenizer,
                         uint8_t ret_digest[static OB_TOKENIZER_DIGEST_BYTES]);

/* The special tokens that the model expects before and after a text, as BOS and EOS: from the post_processor.
 * They live as long as the tokenizer. */
struct ob_tokenizer_affixes {
    const int32_t *prefix, *suffix;
    size_t prefix_count, suffix_count;
};
struct ob_tokenizer_affixes ob_tokenizer_affixes(const struct ob_tokenizer *tokenizer);
/* Does it put a space before a text (Prepend, Metaspace)? */
bool ob_tokenizer_prepends_space(const struct ob_tokenizer *tokenizer);

/* What one thread keeps from text to text: scratch memory, and the ids of pieces that it has met. It belongs to one
 * tokenizer, which must outlive it. free accepts NULL. */
struct ob_tokenizer_scratch;
OB_MUST_USE enum ob_err ob_tokenizer_scratch_new(const struct ob_tokenizer *tokenizer,
                                                 struct ob_tokenizer_scratch **ret_scratch,
                                                 struct ob_error *error);
void ob_tokenizer_scratch_free(struct ob_tokenizer_scratch *scratch);

/* How a text is encoded. */
struct ob_encode_options {
    enum ob_text_position position;
    bool
        plain; /* others wrote it: what spells a special token is text in it. OB_EUNSUPPORTED when the vocabulary
                   cannot tell the two apart */
    struct ob_tokenizer_scratch *scratch; /* the thread's; NULL: none, which is slower */
};

/* ret_ids is malloc'ed, the caller frees it (NULL when there are none). Prefix and suffix are not added. options NULL:
 * a first text. */
OB_MUST_USE enum ob_err ob_tokenizer_encode(const struct ob_tokenizer *tokenizer,
                                            const struct ob_encode_options *options, const char *text,
                                            size_t bytes, int32_t **ret_ids, size_t *ret_count,
                                            struct ob_error *error);
/* The id of the special token with exactly this text; -1 when there is none, or when it changes what stands
 * around it (lstrip, rstrip, single_word, a normalizer that it goes through). */
int32_t ob_tokenizer_special(const struct ob_tokenizer *tokenizer, const char *text, size_t bytes);
/* ret_text is malloc'ed and NUL-terminated (the length is in ret_bytes); ids out of range: OB_EFORMAT.
 * Special tokens are written as their text unless skip_special. */
OB_MUST_USE enum ob_err ob_tokenizer_decode(const struct ob_tokenizer *tokenizer, const int32_t *ids,
                                            size_t count, bool skip_special, char **ret_text,
                                            size_t *ret_bytes, struct ob_error *error);

#endif
