/* export_safetensors - a model's tensors as one safetensors file. For export.c.
 * Errors: OB_EIO, OB_ENOMEM name the file. */
#ifndef OB_MODEL_CONVERT_EXPORT_SAFETENSORS_H
#define OB_MODEL_CONVERT_EXPORT_SAFETENSORS_H

#include "model/convert/export_options.h"
#include "model/families/weight_source.h"

/* Tensors [first, first + count) of the model, base tensors or adapters. */
struct ob_export_file {
    const char *name, *prefix; /* `prefix` stands before each tensor's name */
    size_t first, count;
};
OB_MUST_USE enum ob_err ob_export_safetensors(const struct ob_weight_source *source,
                                              const struct ob_export_file *file,
                                              const struct ob_export_options *options, const char *folder,
                                              struct ob_error *error);

#endif
