/* base - the base model of a run on this machine: described for a token, and found by what a token says.
 *
 * Looked for, when nobody names it: in the Hugging Face cache ($HF_HUB_CACHE, $HF_HOME/hub, ~/.cache/huggingface/hub), in
 * ./models and ~/models, and in the llama.cpp cache ($LLAMA_CACHE, ~/.cache/llama.cpp): folders and files whose weights have
 * the size that the token says, or its name; of those the first whose tensors have the base hash. */
#ifndef OB_CLI_BASE_H
#define OB_CLI_BASE_H

#include "base/path.h"
#include "run/manifest.h"
#include "run/token.h"

/* Its name, and the bytes of its weights; "" and 0 when it cannot be looked at. */
void ob_cli_base_describe(const char *model, char ret_name[static OB_NAME_MAX], uint64_t *ret_bytes);
/* A folder that has one GGUF file and no config.json, as `onebyte export --format gguf` makes it, stands for that file. Returns
 * ret_model: that, or what was given. */
const char *ob_cli_model_file(const char *given, char ret_model[static OB_PATH_MAX]);
uint64_t ob_cli_elements(const struct ob_manifest_tensor *tensor);

/* Are this model's tensors the run's base?
 * Errors:  those of opening a model; OB_EMISMATCH. */
OB_MUST_USE enum ob_err ob_cli_base_check(const char *model, const struct ob_hash *base_hash,
                                          struct ob_error *error);
/* Errors:  OB_ENOTFOUND: where it was looked for, and what to give. */
OB_MUST_USE enum ob_err ob_cli_base_find(const struct ob_token *token, char ret_model[static OB_PATH_MAX],
                                         struct ob_error *error);

#endif
