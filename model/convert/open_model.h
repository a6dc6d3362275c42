/* open_model - a model from its folder or file: the only place that knows both worlds.
 *
 * PATH is a Hugging Face folder, with config.json and model.safetensors or the files of
 * model.safetensors.index.json (F32, F16, BF16); or a GGUF file.
 * Errors:  OB_ENOTFOUND, OB_EFORMAT, OB_EUNSUPPORTED, OB_ETOOBIG, OB_EIO: name the file and the tensor.
 * Owns:    the caller frees the model (ob_model_free). */
#ifndef OB_MODEL_CONVERT_OPEN_MODEL_H
#define OB_MODEL_CONVERT_OPEN_MODEL_H

#include "model/families/model.h"

OB_MUST_USE enum ob_err ob_model_open(const char *path, struct ob_model **ret_model, struct ob_error *error);

#endif
