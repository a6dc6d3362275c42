/* safetensors - the checkpoint of a Hugging Face folder, memory-mapped and validated.
 *
 * model.safetensors (model/formats/safetensors_file.h), or the files of model.safetensors.index.json
 * (model/formats/safetensors_index.h).
 * Errors:  OB_ENOTFOUND, OB_EIO, OB_EFORMAT, OB_ETOOBIG, OB_EUNSUPPORTED: name the file and the tensor. */
#ifndef OB_MODEL_FORMATS_SAFETENSORS_H
#define OB_MODEL_FORMATS_SAFETENSORS_H

#include "model/formats/checkpoint.h"

OB_MUST_USE enum ob_err ob_safetensors_open(const char *path, struct ob_checkpoint **ret_checkpoint,
                                            struct ob_error *error);
OB_MUST_USE enum ob_err ob_safetensors_open_folder(const char *folder, struct ob_checkpoint **ret_checkpoint,
                                                   struct ob_error *error);

#endif
