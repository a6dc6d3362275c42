/* model_list - STATE_DIR/model.parts, the list by which members share the base model's files (run/model_parts.h).
 *
 * Errors:  OB_EUSAGE (a file that cannot be listed), those of files. */
#ifndef OB_CLI_MODEL_LIST_H
#define OB_CLI_MODEL_LIST_H

#include "base/path.h"
#include "run/model_parts.h"

/* Names the files of a Hugging Face folder, or a GGUF file, and writes the list. Reads the whole model once. */
OB_MUST_USE enum ob_err ob_cli_model_list_make(const char *state_dir, const char *model,
                                               struct ob_error *error);
/* The list's own name; false: there is no list. */
bool ob_cli_model_list_name(const char *state_dir, struct ob_hash *ret_name);

#endif
