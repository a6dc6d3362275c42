/* model - a checkpoint opened for reading: its configuration and its tensors in canonical order.
 * model/convert/open_model.h opens one.
 *
 * Canonical order, names and element order are the family table's (model/families/family.h), whatever the file: a
 * tied weight is one tensor. Numbers in the manifest are indices into `tensors`.
 * The checkpoint's file stays memory-mapped, in its own type, until ob_model_free.
 *
 * Errors:  OB_ENOTFOUND, OB_EFORMAT, OB_EUNSUPPORTED, OB_ETOOBIG, OB_EIO: all name the file and the tensor.
 * Threads: read-only after open. */
#ifndef OB_MODEL_FAMILIES_MODEL_H
#define OB_MODEL_FAMILIES_MODEL_H

#include <stddef.h>

#include "base/err.h"
#include "base/ids.h"
#include "base/limits.h"
#include "base/progress_callback.h"
#include "model/families/config.h"
#include "model/families/role.h"
#include "model/families/slot.h"

struct ob_model_tensor {
    char name[OB_NAME_MAX]; /* canonical: Hugging Face's name in this family */
    enum ob_tensor_role role;
    uint32_t dims; /* 1 or 2 */
    uint64_t shape[2];
    uint64_t elements;
};

struct ob_model {
    struct ob_model_config config;
    size_t tensor_count;
    struct ob_model_tensor *tensors;
    struct ob_checkpoint *checkpoint; /* model/formats/checkpoint.h */
    size_t *checkpoint_index;         /* where each canonical tensor lies in the file */
    size_t adapter_count;             /* tensors after the first tensor_count: model/families/adapter.h */
    int64_t *adapter_of;              /* A of each base tensor, or -1; NULL: no adapters */
    struct ob_basis *basis;           /* NULL, or what each A is (model/families/basis.h), and of … */
    size_t *basis_index;              /* … adapter k the number of its tensor there */
    int64_t *slots;                   /* tensor of each (layer, slot), -1: none; ob_model_slot reads it */
    char *path;                       /* the folder or the file */
};

/* A model from a checkpoint that a reader of another format has filled. Every tensor of the family must be
 * there with its shape; unexpected ones are rejected with an error that names them (known buffers such
 * as GPT-2's attention masks, and a tied head's copy, are ignored). Takes the checkpoint, on failure too.
 * `path`: where tokenizer and configuration lie. */
OB_MUST_USE enum ob_err ob_model_assemble(const char *path, const struct ob_model_config *config,
                                          struct ob_checkpoint *checkpoint, struct ob_model **ret_model,
                                          struct ob_error *error);
void ob_model_free(struct ob_model *model);

/* The tensor in a slot of a layer (0 for what is not in a layer), or -1. */
int64_t ob_model_slot(const struct ob_model *model, uint32_t layer, enum ob_slot slot);

/* The checkpoint's own values as float32: elements [first, first + count) of a canonical tensor, or of an A that a basis
 * gives. Exact. */
void ob_model_read(const struct ob_model *model, size_t tensor, uint64_t first, size_t count,
                   float *ret_values);

/* What has been read of a tensor's file pages may leave memory. Now and then while a large one is loaded, so
 * that the file and what is made of it are never in memory together; it costs next to nothing. */
#define OB_MODEL_RELEASE_ELEMENTS (1u << 20)
void ob_model_release(const struct ob_model *model, size_t tensor);

/* BLAKE2b-256 over every canonical tensor: le32 name length, name, le64 elements, its float32 values
 * little-endian. Two files with the same values have the same hash, whatever their type or order. `progress` (NULL: nobody)
 * counts bytes of float32. */
OB_MUST_USE enum ob_err ob_model_hash(const struct ob_model *model,
                                      const struct ob_progress_callback *progress, struct ob_hash *ret_hash,
                                      struct ob_error *error);

#endif
