/* gguf_metadata - what a GGUF export says about the model and its tokenizer. For export_gguf.c.
 * Errors: OB_EUNSUPPORTED when GGUF has no name for the tokenizer; those of the base's files. */
#ifndef OB_MODEL_CONVERT_GGUF_METADATA_H
#define OB_MODEL_CONVERT_GGUF_METADATA_H

#include "model/families/model.h"
#include "model/formats/gguf_writer.h"

/* Adds all entries. The base file's as they are, but for those that speak of its types and parts. */
OB_MUST_USE enum ob_err ob_gguf_metadata(const struct ob_model *model, enum ob_dtype dtype,
                                         struct ob_gguf_writer *writer, struct ob_error *error);

#endif
