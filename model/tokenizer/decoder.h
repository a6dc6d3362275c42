/* decoder - the `decoder` of a tokenizer.json: ids back into a text.
 *
 * What a token stands for is the vocabulary's affair (model/tokenizer/vocab.h), so that the steps of the file
 * are only checked to say the same: ByteLevel; or, among pieces, U+2581 is a space (Replace, Metaspace), <0xHH>
 * is a byte (ByteFallback), all is one text (Fuse), and how many spaces it loses at its start (Strip).
 *
 * Errors:  OB_EUNSUPPORTED names the step; OB_EFORMAT (an id without a token), OB_ENOMEM.
 * Owns:    nothing.
 * Threads: read-only once read. */
#ifndef OB_MODEL_TOKENIZER_DECODER_H
#define OB_MODEL_TOKENIZER_DECODER_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/tokenizer/vocab.h"

struct ob_decoder {
    size_t strip; /* spaces that a text loses at its start */
};

/* The field; NULL: no steps. */
OB_MUST_USE enum ob_err ob_decoder_read(struct ob_decoder *decoder, const json_t *field, bool byte_level,
                                        struct ob_error *error);
/* ret_text is malloc'ed and NUL-terminated. Special tokens are written as their text unless skip_special. */
OB_MUST_USE enum ob_err ob_decoder_run(const struct ob_decoder *decoder, const struct ob_vocab *vocab,
                                       const int32_t *ids, size_t count, bool skip_special, char **ret_text,
                                       size_t *ret_bytes, struct ob_error *error);

#endif
