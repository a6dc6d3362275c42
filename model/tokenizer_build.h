/* tokenizer_build - a tokenizer as lists: what the metadata of a GGUF file hold, made into a tokenizer, into
 * the text of a tokenizer.json, and read back from a folder.
 *
 * The numbers of token types, and the names in `model` and `pre`, are GGUF's (tokenizer.ggml.*). Models:
 * "gpt2" (byte-level BPE: tokens in the byte alphabet, `merges` as "left right", `pre` names the pattern) and
 * "llama" (SentencePiece: `scores`; of two neighbours the pair whose joined token has the higher score is
 * merged first). A `pre`, a model or an option that is not known is refused by name.
 *
 * Errors:  OB_EUNSUPPORTED, OB_EFORMAT, OB_ETOOBIG, OB_ENOMEM; messages begin with `name`, which stands for
 * the file. Owns:    parts that a caller fills in stay the caller's. Those of ob_tokenizer_parts_open are
 * freed with ob_tokenizer_parts_free, with all that they point to. Source:  ggml's docs/gguf.md. */
#ifndef OB_MODEL_TOKENIZER_BUILD_H
#define OB_MODEL_TOKENIZER_BUILD_H

#include "model/tokenizer.h"

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
    bool add_bos, add_eos;              /* a text gets them before it, after it */
    bool add_space_prefix;              /* llama: a text gets a space before it */
    const char *chat_template;          /* tokenizer.chat_template, NULL: none */
};

OB_MUST_USE enum ob_err ob_tokenizer_build(const struct ob_tokenizer_parts *parts, const char *name,
                                           struct ob_tokenizer **ret_tokenizer, struct ob_error *error);
/* The text of a tokenizer.json that is the same tokenizer: malloc'ed, the caller frees it. */
OB_MUST_USE enum ob_err ob_tokenizer_parts_json(const struct ob_tokenizer_parts *parts, const char *name,
                                                char **ret_json, size_t *ret_bytes, struct ob_error *error);
/* From FOLDER/tokenizer.json and tokenizer_config.json; OB_EUNSUPPORTED when it is a tokenizer that GGUF has
 * no name for. */
OB_MUST_USE enum ob_err ob_tokenizer_parts_open(const char *folder, struct ob_tokenizer_parts **ret_parts,
                                                struct ob_error *error);
void ob_tokenizer_parts_free(struct ob_tokenizer_parts *parts);

#endif
