/* safetensors_index - a checkpoint in several files.
 *
 * model.safetensors.index.json is {"weight_map": {tensor: file}}. The index names the files, which lie beside
 * it; which tensors there are, the files say: an entry for a tensor that its file does not have (a buffer that
 * was not saved) is passed over, and a tensor that the index does not name is there all the same. One that the
 * model needs is missed when the model is assembled.
 * Errors:  as model/formats/safetensors_file.h; a file that is missing is named together with a tensor. */
#ifndef OB_MODEL_FORMATS_SAFETENSORS_INDEX_H
#define OB_MODEL_FORMATS_SAFETENSORS_INDEX_H

#include "model/formats/checkpoint.h"

#define OB_SAFETENSORS_INDEX "model.safetensors.index.json"

/* Reads the index in a folder and adds the files that it names. */
OB_MUST_USE enum ob_err ob_safetensors_add_index(struct ob_checkpoint *checkpoint, const char *folder,
                                                 struct ob_error *error);

#endif
