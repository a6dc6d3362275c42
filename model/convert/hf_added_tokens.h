/* hf_added_tokens - tokens of a Hugging Face folder that stand outside its tokenizer.json, put into it.
 *
 * They are found in a text before it is cut, like those of "added_tokens". As AutoTokenizer of transformers 5.24 has
 * them, in this order:
 *   1. added_tokens_decoder of tokenizer_config.json, by id; without that key added_tokens.json, by id, and the entries
 *      of special_tokens_map.json count before those of tokenizer_config.json
 *   2. the named ones: bos_token, eos_token, unk_token, sep_token, pad_token, cls_token, mask_token, then any other
 *      "…_token" that is a string, and extra_special_tokens that is an object
 *   3. extra_special_tokens that is a list, or additional_special_tokens
 * One that the model's vocabulary knows has that id; the others are numbered from the vocabulary's end on, whatever ids
 * the files say. One that "added_tokens" has keeps its id; what (1) says of its flags counts.
 *
 * Errors:  OB_EFORMAT names the file and the key; those of model/formats/document.h.
 * Owns:    nothing.
 * Threads: pure function.
 * Source:  transformers' tokenization_utils_base.py and tokenization_utils_tokenizers.py, by their results
 *          (tests/parity/make_folders.py). */
#ifndef OB_MODEL_CONVERT_HF_ADDED_TOKENS_H
#define OB_MODEL_CONVERT_HF_ADDED_TOKENS_H

#include <jansson.h>

#include "base/err.h"

/* root: of a tokenizer.json whose model has a "vocab"; its "added_tokens" grow. */
OB_MUST_USE enum ob_err ob_hf_added_tokens(const char *folder, json_t *root, struct ob_error *error);

#endif
