/* checkpoint - the tensors of a checkpoint's files, memory-mapped in their own type, found by name. What
 * kind of file they come from (model/formats/safetensors.h, model/formats/gguf.h) makes no difference afterwards.
 *
 * Errors:  OB_ENOTFOUND, OB_EREFUSED (permissions), OB_EIO, OB_EFORMAT, OB_ETOOBIG name the file and the tensor.
 * Owns:    the mappings and the list.
 * Threads: read-only after open. */
#ifndef OB_MODEL_FORMATS_CHECKPOINT_H
#define OB_MODEL_FORMATS_CHECKPOINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/limits.h"
#include "model/formats/dtype.h"

#define OB_CHECKPOINT_DIMS_MAX    8
#define OB_CHECKPOINT_TENSORS_MAX 16384
#define OB_CHECKPOINT_FILES_MAX   1024

struct ob_checkpoint_tensor {
    char name[OB_NAME_MAX];
    enum ob_dtype dtype;
    uint32_t dims;
    uint64_t shape[OB_CHECKPOINT_DIMS_MAX]; /* the last one varies fastest */
    uint64_t elements;
    uint32_t mapping;     /* index of the file that it lies in */
    const uint8_t *data;  /* into the mapping; not aligned */
    const uint32_t *rows; /* of the first dimension: row r lies at place rows[r]. NULL: in order */
    float offset;         /* added to what the file holds, in float32 */
};

struct ob_mapping {
    char *path;
    void *data;
    size_t bytes;
    bool is_file; /* may be dropped from memory and comes back; else it is ours alone */
};

struct ob_checkpoint {
    char *path; /* for messages */
    size_t mapping_count;
    struct ob_mapping *mappings;
    size_t count, capacity;
    struct ob_checkpoint_tensor *tensors;
};

/* An empty one; the caller fills it. */
OB_MUST_USE enum ob_err ob_checkpoint_new(const char *path, struct ob_checkpoint **ret_checkpoint,
                                          struct ob_error *error);
void ob_checkpoint_free(struct ob_checkpoint *checkpoint);
/* Maps a regular file of at least `bytes_min` bytes for reading; `format` is what it should be. */
OB_MUST_USE enum ob_err ob_checkpoint_map(struct ob_checkpoint *checkpoint, const char *path,
                                          size_t bytes_min, const char *format,
                                          const struct ob_mapping **ret_mapping, struct ob_error *error);
/* Adds a copy of `tensor`, of which everything but `elements` and `data` is set: the data lies at [from, from
 * + bytes) of its mapping. Refuses a shape whose product is no sensible size or does not fit `bytes`, data
 * outside the file, and a name that already exists. */
OB_MUST_USE enum ob_err ob_checkpoint_add(struct ob_checkpoint *checkpoint,
                                          const struct ob_checkpoint_tensor *tensor, uint64_t from,
                                          uint64_t bytes, struct ob_error *error);
/* Sorts the tensors by mapping and place, and refuses two that overlap. */
OB_MUST_USE enum ob_err ob_checkpoint_check_overlaps(struct ob_checkpoint *checkpoint,
                                                     struct ob_error *error);
/* Zeroed memory that lives as long as the checkpoint. */
OB_MUST_USE enum ob_err ob_checkpoint_allocate(struct ob_checkpoint *checkpoint, size_t bytes,
                                               void **ret_memory, struct ob_error *error);

/* A file's pages under a tensor may leave memory: they come back from the file when they are read again. */
void ob_checkpoint_release(const struct ob_checkpoint *checkpoint, const struct ob_checkpoint_tensor *tensor);

uint64_t ob_checkpoint_tensor_bytes(const struct ob_checkpoint_tensor *tensor);
/* The index of a name, or -1. */
int64_t ob_checkpoint_find(const struct ob_checkpoint *checkpoint, const char *name);
/* Elements [first, first + count) as float32, plus `offset`; exact for all types (model/formats/dtype.h). */
void ob_checkpoint_read(const struct ob_checkpoint_tensor *tensor, uint64_t first, size_t count,
                        float *ret_values);

#endif
