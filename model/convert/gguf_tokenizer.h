/* gguf_tokenizer - the tokenizer in the metadata of a GGUF file, as the documents of a Hugging Face folder.
 *
 * Errors:  OB_ENOTFOUND (the file has no tokenizer), OB_EFORMAT, OB_ETOOBIG, OB_EUNSUPPORTED: name the
 *          file.
 * Owns:    the caller calls json_decref.
 * Threads: pure functions. */
#ifndef OB_MODEL_CONVERT_GGUF_TOKENIZER_H
#define OB_MODEL_CONVERT_GGUF_TOKENIZER_H

#include <jansson.h>

#include "model/formats/gguf.h"

/* tokenizer.json */
OB_MUST_USE enum ob_err ob_gguf_tokenizer(const struct ob_gguf *gguf, json_t **ret_root,
                                          struct ob_error *error);
/* tokenizer_config.json: special tokens and the chat template. */
OB_MUST_USE enum ob_err ob_gguf_tokenizer_config(const struct ob_gguf *gguf, json_t **ret_root,
                                                 struct ob_error *error);

#endif
