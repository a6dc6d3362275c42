/* write_model - what export and apply share: a replica's weights as a model for other software. */
#ifndef OB_CLI_WRITE_MODEL_H
#define OB_CLI_WRITE_MODEL_H

#include "base/options.h"
#include "cli/guard.h"
#include "run/model_card.h"
#include "run/replica.h"

extern const char *const OB_CLI_FORMATS[]; /* enum ob_export_format */
extern const char *const OB_CLI_DTYPES[];  /* the plain ones of enum ob_dtype */

#define OB_OPTION_FORMAT(type)                                                                               \
    {                                                                                                        \
        "format", "FORMAT",                                                                                  \
            "safetensors: a Hugging Face folder; gguf: model.gguf for llama.cpp; peft: only the adapters "   \
            "of a run with --adapters, which the others merge",                                              \
            OB_ARGUMENT(type, format), .choices = OB_CLI_FORMATS, .fallback = "safetensors"                  \
    }
#define OB_OPTION_DTYPE(type)                                                                                \
    {                                                                                                        \
        "dtype", "TYPE", "number format of the weights", OB_ARGUMENT(type, dtype), .choices = OB_CLI_DTYPES, \
                                                                                   .fallback = "f32"         \
    }

struct ob_export_options ob_cli_export_options(int format, int dtype);
void ob_cli_print_digest(const struct ob_hash *digest);
/* The folder must be empty or not exist: told before anything is computed. Errors: OB_EBUSY, OB_EIO. */
OB_MUST_USE enum ob_err ob_cli_check_folder(const char *folder, struct ob_error *error);
/* Under FOLDER.part until it is complete, or in FOLDER when that exists. The card must know the frontier already. */
OB_MUST_USE enum ob_err ob_cli_write_model(const struct ob_replica *replica, struct ob_card *card,
                                           const char *folder, struct ob_cli_guard *guard,
                                           struct ob_error *error);

#endif
