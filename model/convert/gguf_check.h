/* gguf_check - what a GGUF file could not say of a model, so that it would be read as another one.
 *
 * Errors:  OB_EUNSUPPORTED names what the architecture has no place for.
 * Threads: pure functions. */
#ifndef OB_MODEL_CONVERT_GGUF_CHECK_H
#define OB_MODEL_CONVERT_GGUF_CHECK_H

#include "model/families/model.h"

OB_MUST_USE enum ob_err ob_gguf_check_model(const struct ob_model *model, struct ob_error *error);

#endif
