/* safetensors_file - one file of tensors, validated before anything is read from it.
 *
 * File: le64 header length, JSON header {name: {dtype, shape, data_offsets [from, to)}}, data. Valid if and
 * only if the header fits its length and OB_SAFETENSORS_HEADER_MAX, every dtype is one of
 * model/formats/dtype.h, every size is its shape's, and the ranges fill the data without overlapping or
 * leaving anything out. Types that are not decoded (BOOL, I64 ...) are for whoever asks for such a tensor to
 * refuse: many files hold masks and positions that nobody needs.
 * Errors:  OB_ENOTFOUND, OB_EIO, OB_EFORMAT, OB_ETOOBIG, OB_EUNSUPPORTED: name the file and the tensor.
 * Source:  the safetensors format description of Hugging Face. */
#ifndef OB_MODEL_FORMATS_SAFETENSORS_FILE_H
#define OB_MODEL_FORMATS_SAFETENSORS_FILE_H

#include "model/formats/checkpoint.h"

/* Maps one file, validates it and adds its tensors. */
OB_MUST_USE enum ob_err ob_safetensors_add_file(struct ob_checkpoint *checkpoint, const char *path,
                                                struct ob_error *error);

#endif
