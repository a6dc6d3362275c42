/* safetensors - a memory-mapped checkpoint file, validated before anything is read from it.
 *
 * File: le64 header length, JSON header {name: {dtype, shape, data_offsets [from, to)}}, data. Valid if and
 * only if the header fits its length and OB_SAFETENSORS_HEADER_MAX, every dtype is F32, F16 or BF16, every
 * size is its shape's, and the ranges lie in the file without overlapping.
 * Errors:  OB_ENOTFOUND, OB_EIO, OB_EFORMAT, OB_ETOOBIG, OB_EUNSUPPORTED: name the file and the tensor.
 * Source:  the safetensors format description of Hugging Face. */
#ifndef OB_MODEL_SAFETENSORS_H
#define OB_MODEL_SAFETENSORS_H

#include "model/checkpoint.h"

OB_MUST_USE enum ob_err ob_safetensors_open(const char *path, struct ob_checkpoint **ret_checkpoint,
                                            struct ob_error *error);

#endif
