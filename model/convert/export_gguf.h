/* export_gguf - a model as one GGUF file, version 3: FOLDER/model.gguf. For export.c.
 * Errors: OB_EIO, OB_ENOMEM; OB_EUNSUPPORTED when GGUF has no name for the family, a tensor or the tokenizer. */
#ifndef OB_MODEL_CONVERT_EXPORT_GGUF_H
#define OB_MODEL_CONVERT_EXPORT_GGUF_H

#include "model/convert/export_options.h"
#include "model/families/weight_source.h"

OB_MUST_USE enum ob_err ob_export_gguf(const struct ob_weight_source *source,
                                       const struct ob_export_options *options, const char *folder,
                                       struct ob_error *error);

#endif
