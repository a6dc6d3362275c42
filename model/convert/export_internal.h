/* export_parts - the writers of the two formats, for export.c. */
#ifndef OB_MODEL_CONVERT_EXPORT_INTERNAL_H
#define OB_MODEL_CONVERT_EXPORT_INTERNAL_H

#include "base/file.h"
#include "model/convert/export.h"

#define OB_EXPORT_BLOCK 4096 /* elements converted at a time */

/* One safetensors file: tensors [first, first + count) of the model, base tensors or adapters. */
struct ob_export_file {
    const char *name, *prefix; /* `prefix` stands before each tensor's name */
    size_t first, count;
};
OB_MUST_USE enum ob_err ob_export_safetensors(const struct ob_weight_source *source,
                                              const struct ob_export_file *file, enum ob_dtype dtype,
                                              const char *folder, struct ob_error *error);
/* FOLDER/model.gguf. */
OB_MUST_USE enum ob_err ob_export_gguf(const struct ob_weight_source *source, enum ob_dtype dtype,
                                       const char *folder, struct ob_error *error);
/* Elements [first, first + count) of a canonical tensor, in a plain type. */
void ob_export_elements(struct ob_output *output, const struct ob_weight_source *source, size_t tensor,
                        uint64_t first, uint64_t count, enum ob_dtype dtype);

#endif
