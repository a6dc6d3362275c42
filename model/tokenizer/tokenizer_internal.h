/* tokenizer_parts - what a tokenizer consists of, and the readers of tokenizer.json's fields; for
 * tokenizer*.c only. The readers fill a zeroed tokenizer; on failure the caller still frees it. Messages name
 * the field. */
#ifndef OB_MODEL_TOKENIZER_TOKENIZER_INTERNAL_H
#define OB_MODEL_TOKENIZER_TOKENIZER_INTERNAL_H

#include <jansson.h>

#include "model/tokenizer/added.h"
#include "model/tokenizer/bpe.h"
#include "model/tokenizer/rewrite.h"
#include "model/tokenizer/split.h"
#include "model/tokenizer/tokenizer.h"
#include "model/tokenizer/vocab.h"

#define OB_FRAME_IDS_MAX 8 /* special tokens before a text, or after it */

struct ob_frame_ids {
    int32_t ids[OB_FRAME_IDS_MAX];
    size_t count;
};

struct ob_tokenizer {
    struct ob_vocab vocab;
    struct ob_bpe bpe;
    struct ob_added raw;          /* added tokens with normalized = false */
    struct ob_rewrite normalizer; /* of what lies between them */
    struct ob_added normalized;   /* the others; looked for in the normalized text */
    struct ob_rewrite metaspace;  /* of what lies between those */
    struct ob_splitter splitter;
    size_t strip; /* spaces that a decoded text loses at its start */
    struct ob_frame_ids before, after;
};

/* The whole of a tokenizer.json; its root. */
OB_MUST_USE enum ob_err ob_tokenizer_read(struct ob_tokenizer *tokenizer, const json_t *root,
                                          struct ob_error *error);

/* tokenizer_model.c: `model`, and room in the vocabulary for `added_tokens`. */
OB_MUST_USE enum ob_err ob_tokenizer_read_model(struct ob_tokenizer *tokenizer, const json_t *model,
                                                const json_t *added, bool byte_level, struct ob_error *error);
/* tokenizer_added_json.c: `added_tokens`, with the normalizer that is there already. */
OB_MUST_USE enum ob_err ob_tokenizer_read_added(struct ob_tokenizer *tokenizer, const json_t *field,
                                                bool byte_level, struct ob_error *error);
/* tokenizer_normalizer.c, tokenizer_decoder.c, tokenizer_processor.c: the fields of these names; NULL: none.
 */
OB_MUST_USE enum ob_err ob_tokenizer_read_normalizer(struct ob_tokenizer *tokenizer, const json_t *field,
                                                     struct ob_error *error);
OB_MUST_USE enum ob_err ob_tokenizer_read_decoder(struct ob_tokenizer *tokenizer, const json_t *field,
                                                  bool byte_level, struct ob_error *error);
OB_MUST_USE enum ob_err ob_tokenizer_read_processor(struct ob_tokenizer *tokenizer, const json_t *field,
                                                    struct ob_error *error);
/* tokenizer_pre.c: `pre_tokenizer`. */
bool ob_pre_tokenizer_is_byte_level(const json_t *field);
OB_MUST_USE enum ob_err ob_tokenizer_read_pre(struct ob_tokenizer *tokenizer, const json_t *field,
                                              bool byte_level, struct ob_error *error);

#endif
