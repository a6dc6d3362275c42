#include "model/formats/gguf_tensors.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define DIMS_MAX 4

/* ggml's types in the order of their numbers, for messages and for those that are read. NULL: retired. */
static const struct {
    const char *name;
    int dtype; /* of model/formats/dtype.h, or -1 */
} TYPES[] = {
    {"F32", OB_DTYPE_F32},
    {"F16", OB_DTYPE_F16},
    {"Q4_0", OB_DTYPE_Q4_0},
    {"Q4_1", OB_DTYPE_Q4_1},
    {NULL, -1},
    {NULL, -1},
    {"Q5_0", OB_DTYPE_Q5_0},
    {"Q5_1", OB_DTYPE_Q5_1},
    {"Q8_0", OB_DTYPE_Q8_0},
    {"Q8_1", -1},
    {"Q2_K", -1},
    {"Q3_K", -1},
    {"Q4_K", OB_DTYPE_Q4_K},
    {"Q5_K", OB_DTYPE_Q5_K},
    {"Q6_K", OB_DTYPE_Q6_K},
    {"Q8_K", -1},
    {"IQ2_XXS", -1},
    {"IQ2_XS", -1},
    {"IQ3_XXS", -1},
    {"IQ1_S", -1},
    {"IQ4_NL", -1},
    {"IQ3_S", -1},
    {"IQ2_S", -1},
    {"IQ4_XS", -1},
    {"I8", -1},
    {"I16", -1},
    {"I32", -1},
    {"I64", -1},
    {"F64", -1},
    {"IQ1_M", -1},
    {"BF16", OB_DTYPE_BF16},
    {NULL, -1},
    {NULL, -1},
    {NULL, -1},
    {"TQ1_0", -1},
    {"TQ2_0", -1},
    {NULL, -1},
    {NULL, -1},
    {NULL, -1},
    {"MXFP4", -1},
};
#define TYPE_COUNT (sizeof TYPES / sizeof *TYPES)

uint32_t ob_gguf_dtype_number(enum ob_dtype dtype) {
    uint32_t number = 0;
    while (TYPES[number].dtype != (int)dtype)
        number++;
    return number;
}

static enum ob_err read_name(const char *path, size_t number, struct ob_reader *in,
                             struct ob_checkpoint_tensor *tensor, struct ob_error *error) {
    uint64_t bytes = ob_read_u64(in);
    if (in->failed)
        return OB_OK; /* read_description says so */
    if (bytes == 0 || bytes >= OB_NAME_MAX)
        return ob_fail(error, OB_EFORMAT, "%s: tensor %zu has a name of %" PRIu64 " bytes, expected 1 to %d",
                       path, number, bytes, OB_NAME_MAX - 1);
    ob_read_bytes(in, tensor->name, (size_t)bytes);
    if (strlen(tensor->name) != bytes && !in->failed)
        return ob_fail(error, OB_EFORMAT, "%s: the name of tensor %zu contains a NUL", path, number);
    return OB_OK;
}

static enum ob_err read_shape(const char *path, struct ob_reader *in, struct ob_checkpoint_tensor *tensor,
                              struct ob_error *error) {
    tensor->dims = ob_read_u32(in);
    if (in->failed)
        return OB_OK;
    if (tensor->dims < 1 || tensor->dims > DIMS_MAX)
        return ob_fail(error, OB_EFORMAT, "%s: tensor %s has %u dimensions, expected 1 to %d", path,
                       tensor->name, tensor->dims, DIMS_MAX);
    for (uint32_t d = tensor->dims; d-- > 0;) { /* fastest first in the file, last with us */
        tensor->shape[d] = ob_read_u64(in);
        if (tensor->shape[d] == 0 && !in->failed)
            return ob_fail(error, OB_EFORMAT, "%s: tensor %s: dimension %u is 0", path, tensor->name, d);
    }
    return OB_OK;
}

static enum ob_err check_type(const char *path, struct ob_checkpoint_tensor *tensor, uint32_t type,
                              struct ob_error *error) {
    if (type >= TYPE_COUNT || !TYPES[type].name)
        return ob_fail(error, OB_EUNSUPPORTED, "%s: tensor %s has unknown type %u", path, tensor->name, type);
    if (TYPES[type].dtype < 0)
        return ob_fail(error, OB_EUNSUPPORTED,
                       "%s: tensor %s has type %s; F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q4_K, Q5_K "
                       "and Q6_K are supported",
                       path, tensor->name, TYPES[type].name);
    tensor->dtype = (enum ob_dtype)TYPES[type].dtype;
    uint64_t row = tensor->shape[tensor->dims - 1];
    if (row % ob_dtype_block_elements(tensor->dtype) != 0)
        return ob_fail(error, OB_EFORMAT, "%s: tensor %s: rows of %" PRIu64 " are no whole blocks of %s",
                       path, tensor->name, row, TYPES[type].name);
    return OB_OK;
}

struct description {
    struct ob_checkpoint_tensor tensor;
    uint64_t offset;
};

static enum ob_err read_description(const struct ob_gguf *gguf, size_t number, struct ob_reader *in,
                                    struct description *ret, struct ob_error *error) {
    const char *path = ob_gguf_path(gguf);
    enum ob_err failed = read_name(path, number, in, &ret->tensor, error);
    if (!failed)
        failed = read_shape(path, in, &ret->tensor, error);
    uint32_t type = ob_read_u32(in);
    ret->offset = ob_read_u64(in);
    if (!failed && in->failed)
        failed = ob_fail(error, OB_EFORMAT, "%s: the description of tensor %zu is truncated", path, number);
    if (!failed)
        failed = check_type(path, &ret->tensor, type, error);
    if (!failed && ret->offset % gguf->alignment != 0)
        failed = ob_fail(error, OB_EFORMAT, "%s: tensor %s starts at %" PRIu64 ", no multiple of %" PRIu64,
                         path, ret->tensor.name, ret->offset, gguf->alignment);
    return failed;
}

/* The data starts at the next multiple of the alignment. */
static enum ob_err add(struct ob_gguf *gguf, const struct description *d, uint64_t end_of_header,
                       struct ob_error *error) {
    uint64_t start = (end_of_header + gguf->alignment - 1) / gguf->alignment * gguf->alignment, from,
             elements = 1;
    for (uint32_t k = 0; k < d->tensor.dims; k++)
        if (__builtin_mul_overflow(elements, d->tensor.shape[k], &elements))
            elements = 0; /* ob_checkpoint_add refuses that shape */
    uint64_t bytes =
        elements / ob_dtype_block_elements(d->tensor.dtype) * ob_dtype_block_bytes(d->tensor.dtype);
    if (__builtin_add_overflow(start, d->offset, &from))
        from = UINT64_MAX;
    return ob_checkpoint_add(gguf->checkpoint, &d->tensor, from, bytes, error);
}

enum ob_err ob_gguf_read_tensors(struct ob_gguf *gguf, struct ob_reader *in, uint64_t count,
                                 struct ob_error *error) {
    const char *path = ob_gguf_path(gguf);
    const struct ob_mapping *file = &gguf->checkpoint->mappings[gguf->checkpoint->mapping_count - 1];
    if (count > OB_CHECKPOINT_TENSORS_MAX)
        return ob_fail(error, OB_ETOOBIG, "%s: %" PRIu64 " tensors, at most %d are read", path, count,
                       OB_CHECKPOINT_TENSORS_MAX);
    struct description *descriptions = calloc((size_t)count + 1, sizeof *descriptions);
    enum ob_err failed = descriptions ? OB_OK : ob_fail(error, OB_ENOMEM, "%s: out of memory", path);
    for (size_t i = 0; i < count && !failed; i++)
        failed = read_description(gguf, i, in, &descriptions[i], error);
    for (size_t i = 0; i < count && !failed; i++)
        descriptions[i].tensor.mapping = (uint32_t)(gguf->checkpoint->mapping_count - 1);
    for (size_t i = 0; i < count && !failed; i++)
        failed = add(gguf, &descriptions[i], (uint64_t)(in->at - (const uint8_t *)file->data), error);
    free(descriptions);
    return failed ? failed : ob_checkpoint_check_overlaps(gguf->checkpoint, error);
}
