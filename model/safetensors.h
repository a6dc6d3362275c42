/* safetensors - a memory-mapped checkpoint file, validated before anything is read from it.
 *
 * File: le64 header length, JSON header {name: {dtype, shape, data_offsets [from, to)}}, data. Valid if and
 * only if the header fits its length and OB_SAFETENSORS_HEADER_MAX, every dtype is F32, F16 or BF16, every
 * size is its shape's, and the ranges lie in the file without overlapping. Errors:  OB_ENOTFOUND, OB_EIO,
 * OB_EFORMAT, OB_ETOOBIG, OB_EUNSUPPORTED: name the file and the tensor. Owns:    the mapping. Threads:
 * read-only after open. Source:  the safetensors format description of Hugging Face. */
#ifndef OB_MODEL_SAFETENSORS_H
#define OB_MODEL_SAFETENSORS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/limits.h"
#include "model/export.h"

#define OB_CHECKPOINT_DIMS_MAX 8

struct ob_checkpoint_tensor {
    char name[OB_NAME_MAX];
    enum ob_dtype dtype;
    uint32_t dims;
    uint64_t shape[OB_CHECKPOINT_DIMS_MAX];
    uint64_t elements;
    const uint8_t *data; /* into the mapping; not aligned */
};

struct ob_checkpoint {
    char *path;
    void *map;
    size_t map_bytes;
    size_t count;
    struct ob_checkpoint_tensor *tensors; /* in the order of their data */
};

OB_MUST_USE enum ob_err ob_checkpoint_open(const char *path, struct ob_checkpoint **ret_checkpoint,
                                           struct ob_error *error);
void ob_checkpoint_free(struct ob_checkpoint *checkpoint);
/* The index of a name, or -1. */
int64_t ob_checkpoint_find(const struct ob_checkpoint *checkpoint, const char *name);
/* Elements [first, first + count) as float32; exact for all three types. */
void ob_checkpoint_read(const struct ob_checkpoint_tensor *tensor, uint64_t first, size_t count,
                        float *ret_values);

#endif
