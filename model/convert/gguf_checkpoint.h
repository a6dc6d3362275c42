/* gguf_checkpoint - a GGUF file's tensors under canonical names and in canonical order.
 *
 * Rows in another order are found by a table. Matrices that must be transposed are copied into memory (in
 * their own type when it is a plain one, else in float32); all else stays mapped.
 * Errors:  those of model/formats/gguf.h; OB_EUNSUPPORTED names the architecture or the tensor.
 * Owns:    the caller owns the checkpoint. */
#ifndef OB_MODEL_CONVERT_GGUF_CHECKPOINT_H
#define OB_MODEL_CONVERT_GGUF_CHECKPOINT_H

#include "model/families/config.h"
#include "model/formats/checkpoint.h"

/* `config`: what ob_gguf_config gave, read. */
OB_MUST_USE enum ob_err ob_gguf_checkpoint(const char *path, const struct ob_model_config *config,
                                           struct ob_checkpoint **ret_checkpoint, struct ob_error *error);

#endif
