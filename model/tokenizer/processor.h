/* processor - the `post_processor` of a tokenizer.json: which special tokens stand before and after a single
 * text. ByteLevel adds none; TemplateProcessing by its `single`; RobertaProcessing and BertProcessing by `cls`
 * and `sep`. In a Sequence a later one goes around an earlier one.
 *
 * Errors:  OB_EFORMAT, OB_EUNSUPPORTED, OB_ETOOBIG.
 * Owns:    nothing.
 * Threads: read-only once read. */
#ifndef OB_MODEL_TOKENIZER_PROCESSOR_H
#define OB_MODEL_TOKENIZER_PROCESSOR_H

#include <jansson.h>
#include <stdint.h>

#include "model/tokenizer/vocab.h"

#define OB_AFFIX_IDS_MAX 8 /* special tokens before a text, or after it */

struct ob_affix {
    int32_t ids[OB_AFFIX_IDS_MAX];
    size_t count;
};

struct ob_processor {
    struct ob_affix prefix, suffix;
};

/* The field; NULL: nothing is added. */
OB_MUST_USE enum ob_err ob_processor_read(struct ob_processor *processor, const struct ob_vocab *vocab,
                                          const json_t *field, struct ob_error *error);

#endif
