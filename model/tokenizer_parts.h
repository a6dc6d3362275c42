/* tokenizer_parts - what a tokenizer consists of; for tokenizer*.c only. */
#ifndef OB_MODEL_TOKENIZER_PARTS_H
#define OB_MODEL_TOKENIZER_PARTS_H

#include <jansson.h>

#include "model/tokenizer.h"
#include "model/tokenizer_added.h"
#include "model/tokenizer_bpe.h"
#include "model/tokenizer_split.h"
#include "model/tokenizer_vocab.h"

struct ob_tokenizer {
    struct ob_vocab vocab;
    struct ob_bpe bpe;
    struct ob_added raw;        /* added tokens with normalized = false */
    struct ob_added normalized; /* the others; looked for after them */
    struct ob_splitter splitter;
};

/* Fills a zeroed tokenizer from the root of a tokenizer.json; on failure the caller still frees it. */
OB_MUST_USE enum ob_err ob_tokenizer_read(struct ob_tokenizer *tokenizer, const json_t *root,
                                          struct ob_error *error);
/* Its `pre_tokenizer` field, NULL when there is none. */
OB_MUST_USE enum ob_err ob_splitter_read(struct ob_splitter *splitter, const json_t *field,
                                         struct ob_error *error);

#endif
