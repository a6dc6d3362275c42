#include "model/safetensors.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"

static enum ob_err read_shape(const char *path, struct ob_checkpoint_tensor *tensor, const json_t *shape,
                              struct ob_error *error) {
    if (!json_is_array(shape) || json_array_size(shape) > OB_CHECKPOINT_DIMS_MAX)
        return ob_fail(error, OB_EFORMAT, "%s: tensor %s: bad shape", path, tensor->name);
    tensor->dims = (uint32_t)json_array_size(shape);
    tensor->elements = 1;
    for (uint32_t d = 0; d < tensor->dims; d++) {
        const json_t *size = json_array_get(shape, d);
        json_int_t value = json_integer_value(size);
        if (!json_is_integer(size) || value < 0 ||
            __builtin_mul_overflow(tensor->elements, (uint64_t)value, &tensor->elements) ||
            tensor->elements > (uint64_t)1 << 48)
            return ob_fail(error, OB_EFORMAT, "%s: tensor %s: dimension %u is not a sensible size", path,
                           tensor->name, d);
        tensor->shape[d] = (uint64_t)value;
    }
    return OB_OK;
}

static enum ob_err read_range(const struct ob_checkpoint *checkpoint, struct ob_checkpoint_tensor *tensor,
                              const json_t *offsets, const uint8_t *data, uint64_t data_bytes,
                              struct ob_error *error) {
    json_int_t from = json_integer_value(json_array_get(offsets, 0));
    json_int_t to = json_integer_value(json_array_get(offsets, 1));
    if (json_array_size(offsets) != 2 || !json_is_integer(json_array_get(offsets, 0)) ||
        !json_is_integer(json_array_get(offsets, 1)) || from < 0 || to < from || (uint64_t)to > data_bytes)
        return ob_fail(error, OB_EFORMAT,
                       "%s: tensor %s: its data lies outside the file (is the file cut short?)",
                       checkpoint->path, tensor->name);
    if ((uint64_t)(to - from) != tensor->elements * ob_dtype_block_bytes(tensor->dtype))
        return ob_fail(error, OB_EFORMAT, "%s: tensor %s: %lld bytes do not fit its shape and type",
                       checkpoint->path, tensor->name, (long long)(to - from));
    tensor->data = data + from;
    return OB_OK;
}

static enum ob_err read_entry(const struct ob_checkpoint *checkpoint, struct ob_checkpoint_tensor *tensor,
                              const char *name, const json_t *entry, const uint8_t *data, uint64_t data_bytes,
                              struct ob_error *error) {
    if (strlen(name) >= OB_NAME_MAX)
        return ob_fail(error, OB_ETOOBIG, "%s: tensor name %.60s... is longer than %d bytes",
                       checkpoint->path, name, OB_NAME_MAX - 1);
    memcpy(tensor->name, name, strlen(name) + 1);
    const char *dtype = json_string_value(json_object_get(entry, "dtype"));
    int kind = -1;
    for (int i = 0; dtype && i < OB_DTYPE_PLAIN_COUNT; i++)
        if (strcmp(dtype, ob_dtype_name((enum ob_dtype)i)) == 0)
            kind = i;
    if (kind < 0)
        return ob_fail(error, OB_EUNSUPPORTED, "%s: tensor %s has type %s; F32, F16 and BF16 are read",
                       checkpoint->path, name, dtype ? dtype : "(none)");
    tensor->dtype = (enum ob_dtype)kind;
    enum ob_err failed = read_shape(checkpoint->path, tensor, json_object_get(entry, "shape"), error);
    if (failed)
        return failed;
    return read_range(checkpoint, tensor, json_object_get(entry, "data_offsets"), data, data_bytes, error);
}

static int by_data(const void *a, const void *b) {
    const struct ob_checkpoint_tensor *x = a, *y = b;
    return x->data < y->data ? -1 : x->data > y->data;
}

static enum ob_err check_overlaps(const struct ob_checkpoint *checkpoint, struct ob_error *error) {
    for (size_t i = 1; i < checkpoint->count; i++) {
        const struct ob_checkpoint_tensor *before = &checkpoint->tensors[i - 1],
                                          *tensor = &checkpoint->tensors[i];
        if (tensor->data < before->data + before->elements * ob_dtype_block_bytes(before->dtype))
            return ob_fail(error, OB_EFORMAT, "%s: tensors %s and %s overlap", checkpoint->path, before->name,
                           tensor->name);
    }
    return OB_OK;
}

static enum ob_err read_header(struct ob_checkpoint *checkpoint, json_t *header, const uint8_t *data,
                               uint64_t data_bytes, struct ob_error *error) {
    const char *name;
    json_t *entry;
    checkpoint->tensors = calloc(json_object_size(header) + 1, sizeof *checkpoint->tensors);
    if (!checkpoint->tensors)
        return ob_fail(error, OB_ENOMEM, "%s: out of memory", checkpoint->path);
    json_object_foreach(header, name, entry) {
        if (strcmp(name, "__metadata__") == 0)
            continue;
        enum ob_err failed = read_entry(checkpoint, &checkpoint->tensors[checkpoint->count], name, entry,
                                        data, data_bytes, error);
        if (failed)
            return failed;
        checkpoint->count++;
    }
    qsort(checkpoint->tensors, checkpoint->count, sizeof *checkpoint->tensors, by_data);
    return check_overlaps(checkpoint, error);
}

static enum ob_err parse(struct ob_checkpoint *checkpoint, const struct ob_mapping *mapping,
                         struct ob_error *error) {
    const uint8_t *bytes = mapping->data;
    uint64_t header_bytes = ob_load_u64(bytes);
    if (header_bytes > OB_SAFETENSORS_HEADER_MAX || header_bytes > mapping->bytes - 8)
        return ob_fail(error, OB_EFORMAT,
                       "%s: its header claims %" PRIu64 " bytes: not a safetensors file, or cut short",
                       checkpoint->path, header_bytes);
    json_error_t complaint;
    json_t *header =
        json_loadb((const char *)bytes + 8, (size_t)header_bytes, JSON_REJECT_DUPLICATES, &complaint);
    if (!json_is_object(header)) {
        json_decref(header);
        return ob_fail(error, OB_EFORMAT, "%s: its header is not a JSON object: %s", checkpoint->path,
                       complaint.text);
    }
    enum ob_err failed =
        read_header(checkpoint, header, bytes + 8 + header_bytes, mapping->bytes - 8 - header_bytes, error);
    json_decref(header);
    return failed;
}

enum ob_err ob_safetensors_open(const char *path, struct ob_checkpoint **ret_checkpoint,
                                struct ob_error *error) {
    struct ob_checkpoint *checkpoint = NULL;
    const struct ob_mapping *mapping = NULL;
    enum ob_err failed = ob_checkpoint_new(path, &checkpoint, error);
    if (failed)
        return failed;
    failed = ob_checkpoint_map(checkpoint, path, 8, "safetensors", &mapping, error);
    if (!failed)
        failed = parse(checkpoint, mapping, error);
    if (failed) {
        ob_checkpoint_free(checkpoint);
        return failed;
    }
    *ret_checkpoint = checkpoint;
    return OB_OK;
}
