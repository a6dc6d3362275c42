/* hf_tokenizer - the tokenizer of a folder that has no tokenizer.json: vocab.json and merges.txt, as
 * GPT-2 and OPT were first given out.
 *
 * How a text is cut is not in these files: the class says it ("tokenizer_class" of tokenizer_config.json,
 * else "model_type" of config.json): GPT2Tokenizer (GPT-2, OPT), Qwen2Tokenizer, GPTNeoXTokenizer; others are
 * rejected with an error that names them. Special tokens: model/convert/hf_added_tokens.h. add_bos_token
 * and add_eos_token count here, because no post_processor says otherwise. All as `transformers` 5 does.
 *
 * A folder with a SentencePiece tokenizer.model alone is refused, with what to do.
 *
 * Errors:  OB_ENOTFOUND (the folder has no tokenizer), OB_EFORMAT, OB_EUNSUPPORTED, OB_EIO, OB_ENOMEM:
 *          name the file.
 * Owns:    the caller calls json_decref.
 * Threads: pure function. */
#ifndef OB_MODEL_CONVERT_HF_TOKENIZER_H
#define OB_MODEL_CONVERT_HF_TOKENIZER_H

#include <jansson.h>

#include "base/err.h"

/* The root of a tokenizer.json. */
OB_MUST_USE enum ob_err ob_tokenizer_folder(const char *folder, json_t **ret_root, struct ob_error *error);

#endif
