/* gguf_config - a config.json from the metadata of a GGUF file. An entry of the architecture that nothing here
 * knows is refused: it may change what the model computes.
 *
 * Errors:  OB_EFORMAT, OB_EUNSUPPORTED, OB_ENOTFOUND name the file and the entry or the tensor.
 * Owns:    the caller owns the document (json_decref). */
#ifndef OB_MODEL_CONVERT_GGUF_CONFIG_H
#define OB_MODEL_CONVERT_GGUF_CONFIG_H

#include <jansson.h>

#include "model/formats/gguf_value.h"

OB_MUST_USE enum ob_err ob_gguf_config(const struct ob_gguf *gguf, json_t **ret_config,
                                       struct ob_error *error);

#endif
