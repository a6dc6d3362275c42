/* export - writing a Hugging Face folder that other software loads.
 *
 * model.safetensors with the source's values (lane 0, unperturbed) under the canonical names in float32,
 * float16 or bfloat16 (rounded half to even), config.json with its torch_dtype set, tokenizer files copied
 * from the base folder. Written into FOLDER, which must not exist or be empty; files are written under
 * temporary names, synced and renamed, so that a reader never sees half a file.
 * Errors: OB_EIO, OB_EBUSY (folder holds files), OB_ENOMEM: name the file. */
#ifndef OB_MODEL_EXPORT_H
#define OB_MODEL_EXPORT_H

#include "model/dtype.h"
#include "model/source.h"

OB_MUST_USE enum ob_err ob_model_export(const struct ob_weight_source *source, enum ob_dtype dtype,
                                        const char *folder, struct ob_error *error);

#endif
