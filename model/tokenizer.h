/* tokenizer - byte-level BPE read from a Hugging Face tokenizer.json.
 *
 * Pre-tokenizers: ByteLevel with GPT-2's pattern (use_regex), Split with a Regex pattern (PCRE2, Unicode),
 * Digits, and Sequences of them (SmolLM2: Digits(individual) then ByteLevel). Added tokens are matched
 * before anything else, the longest first. Text is bytes: invalid UTF-8 is kept byte for byte (each invalid
 * byte is a piece of its own). A part of the file that this does not implement is refused by name
 * (OB_EUNSUPPORTED), never ignored.
 *
 * Owns:    ob_tokenizer_new allocates all it needs.
 * Threads: a tokenizer is read-only after it is loaded; encode and decode may run in many threads. */
#ifndef OB_MODEL_TOKENIZER_H
#define OB_MODEL_TOKENIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct ob_tokenizer;

/* Reads the tokenizer.json of a folder or of a GGUF file (model/documents.h). */
OB_MUST_USE enum ob_err ob_tokenizer_open(const char *model, struct ob_tokenizer **ret_tokenizer,
                                          struct ob_error *error);
/* The same from memory; `name` stands for the file in messages. */
OB_MUST_USE enum ob_err ob_tokenizer_parse(const char *json, size_t bytes, const char *name,
                                           struct ob_tokenizer **ret_tokenizer, struct ob_error *error);
void ob_tokenizer_free(struct ob_tokenizer *tokenizer);
size_t ob_tokenizer_vocabulary(const struct ob_tokenizer *tokenizer); /* largest id + 1 */

/* ret_ids is malloc'ed, the caller frees it (NULL when there are none). No BOS or EOS is added. */
OB_MUST_USE enum ob_err ob_tokenizer_encode(const struct ob_tokenizer *tokenizer, const char *text,
                                            size_t bytes, int32_t **ret_ids, size_t *ret_count,
                                            struct ob_error *error);
/* ret_text is malloc'ed and NUL-terminated (the length is in ret_bytes); ids out of range: OB_EFORMAT.
 * Special tokens are written as their text unless skip_special. */
OB_MUST_USE enum ob_err ob_tokenizer_decode(const struct ob_tokenizer *tokenizer, const int32_t *ids,
                                            size_t count, bool skip_special, char **ret_text,
                                            size_t *ret_bytes, struct ob_error *error);

#endif
