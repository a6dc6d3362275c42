/* safetensors - a checkpoint's file or files, memory-mapped and validated before anything is read from them.
 *
 * File: le64 header length, JSON header {name: {dtype, shape, data_offsets [from, to)}}, data. Valid if and
 * only if the header fits its length and OB_SAFETENSORS_HEADER_MAX, every dtype is F32, F16 or BF16, every
 * size is its shape's, and the ranges fill the data without overlapping or leaving anything out. Folder:
 * model.safetensors, or model.safetensors.index.json with {weight_map: {tensor: file}} and the files that it
 * names: each named tensor must lie in its file, and each file's tensors must be named.
 * Errors:  OB_ENOTFOUND, OB_EIO, OB_EFORMAT, OB_ETOOBIG, OB_EUNSUPPORTED: name the file and the tensor.
 * Source:  the safetensors format description of Hugging Face. */
#ifndef OB_MODEL_FORMATS_SAFETENSORS_H
#define OB_MODEL_FORMATS_SAFETENSORS_H

#include "model/formats/checkpoint.h"

OB_MUST_USE enum ob_err ob_safetensors_open(const char *path, struct ob_checkpoint **ret_checkpoint,
                                            struct ob_error *error);
OB_MUST_USE enum ob_err ob_safetensors_open_folder(const char *folder, struct ob_checkpoint **ret_checkpoint,
                                                   struct ob_error *error);

#define OB_SAFETENSORS_INDEX "model.safetensors.index.json"

/* safetensors_index.c: reads the index in a folder and adds the files that it names, which lie beside it. */
OB_MUST_USE enum ob_err ob_safetensors_add_index(struct ob_checkpoint *checkpoint, const char *folder,
                                                 struct ob_error *error);
/* Maps one file, validates it and adds its tensors. */
OB_MUST_USE enum ob_err ob_safetensors_add_file(struct ob_checkpoint *checkpoint, const char *path,
                                                struct ob_error *error);

#endif
