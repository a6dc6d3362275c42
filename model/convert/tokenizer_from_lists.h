/* tokenizer_from_lists - a tokenizer as lists: what the metadata of a GGUF file hold, made into the JSON of a
 * tokenizer.json, and read back from one.
 *
 * The numbers of token types, and the names in `model` and `pre`, are GGUF's (tokenizer.ggml.*). Models:
 * "gpt2" (byte-level BPE: tokens in the byte alphabet, `merges` as "left right", `pre` names the pattern) and
 * "llama" (SentencePiece: `scores`; of two neighbours the pair whose joined token has the higher score is
 * merged first). A `pre`, a model or an option that is not known is rejected with an error that names it.
 *
 * Errors:  OB_EUNSUPPORTED, OB_EFORMAT, OB_ETOOBIG, OB_ENOMEM; the caller puts the file's name before
 *          the message.
 * Owns:    parts that a caller fills in stay the caller's. Those of ob_tokenizer_parts_read are freed
 *          with ob_tokenizer_parts_free; they point into `root`, which must outlive them.
 * Source:  ggml's docs/gguf.md. */
#ifndef OB_MODEL_CONVERT_TOKENIZER_FROM_LISTS_H
#define OB_MODEL_CONVERT_TOKENIZER_FROM_LISTS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum ob_token_type {
    OB_TOKEN_NORMAL = 1,
    OB_TOKEN_UNKNOWN,
    OB_TOKEN_CONTROL,
    OB_TOKEN_USER_DEFINED,
    OB_TOKEN_UNUSED,
    OB_TOKEN_BYTE
};

struct ob_token_text {
    const char *data; /* UTF-8, no NUL at its end is needed */
    size_t bytes;
};

struct ob_tokenizer_parts {
    const char *model; /* tokenizer.ggml.model */
    const char *pre;   /* tokenizer.ggml.pre; NULL or "default" are refused for gpt2 */
    size_t token_count;
    const struct ob_token_text *tokens; /* (token_count), by id */
    const int32_t *types;               /* (token_count) enum ob_token_type; NULL: all normal */
    const float *scores;                /* (token_count) for llama; NULL for gpt2 */
    size_t merge_count;
    const struct ob_token_text *merges; /* (merge_count) for gpt2 */
    int64_t bos, eos, unknown;          /* token ids, -1: none */
    int8_t add_bos, add_eos;            /* a text gets them before it, after it: 1 yes, 0 no, -1 not said */
    bool add_space_prefix;              /* llama: a text gets a space before it */
};

/* The root of a tokenizer.json; the caller calls json_decref. */
OB_MUST_USE enum ob_err ob_tokenizer_parts_json(const struct ob_tokenizer_parts *parts, json_t **ret_root,
                                                struct ob_error *error);
/* From the root of a tokenizer.json and that of a tokenizer_config.json (NULL: there is none), for a model
 * with `vocabulary` tokens: ids without a token get one of type UNUSED. OB_EUNSUPPORTED when GGUF has no name
 * for it. The scores of a "llama" are made from the order of its merges. */
OB_MUST_USE enum ob_err ob_tokenizer_parts_read(const json_t *root, const json_t *config, size_t vocabulary,
                                                struct ob_tokenizer_parts **ret_parts,
                                                struct ob_error *error);
void ob_tokenizer_parts_free(struct ob_tokenizer_parts *parts);

#endif
