#include "model/formats/safetensors_file.h"

#include <inttypes.h>
#include <jansson.h>
#include <string.h>

#include "base/cursor.h"
#include "model/formats/json_reader.h"

/* Where a file's data begins, how long it is, and how much of it tensors have claimed. */
struct data {
    uint64_t from, bytes, claimed;
};

static enum ob_err read_type(const char *path, const char *name, const json_t *entry,
                             enum ob_dtype *ret_dtype, struct ob_error *error) {
    const char *dtype = json_string_value(json_object_get(entry, "dtype"));
    for (int i = 0; dtype && i < OB_DTYPE_KNOWN_COUNT; i++) {
        bool is_quantized = i >= OB_DTYPE_PLAIN_COUNT && i < OB_DTYPE_COUNT; /* of GGUF alone */
        if (!is_quantized && strcmp(dtype, ob_dtype_name((enum ob_dtype)i)) == 0) {
            *ret_dtype = (enum ob_dtype)i;
            return OB_OK;
        }
    }
    return ob_fail(error, OB_EUNSUPPORTED, "%s: tensor %s has unknown type %.40s", path, name,
                   dtype ? dtype : "(none)");
}

static enum ob_err read_shape(const char *path, struct ob_checkpoint_tensor *tensor, const json_t *entry,
                              struct ob_error *error) {
    const json_t *shape = json_object_get(entry, "shape");
    if (!json_is_array(shape) || json_array_size(shape) > OB_CHECKPOINT_DIMS_MAX)
        return ob_fail(error, OB_EFORMAT, "%s: tensor %s: its shape is not a list of at most %d sizes", path,
                       tensor->name, OB_CHECKPOINT_DIMS_MAX);
    tensor->dims = (uint32_t)json_array_size(shape);
    for (uint32_t d = 0; d < tensor->dims; d++) {
        const json_t *size = json_array_get(shape, d);
        if (!json_is_integer(size) || json_integer_value(size) < 0)
            return ob_fail(error, OB_EFORMAT, "%s: tensor %s: dimension %u is not a sensible size", path,
                           tensor->name, d);
        tensor->shape[d] = (uint64_t)json_integer_value(size);
    }
    return OB_OK;
}

static enum ob_err add_tensor(struct ob_checkpoint *checkpoint, const char *name, const json_t *entry,
                              struct data *data, struct ob_error *error) {
    struct ob_checkpoint_tensor tensor = {.mapping = (uint32_t)checkpoint->mapping_count - 1};
    const char *path = checkpoint->mappings[tensor.mapping].path;
    if (strlen(name) >= OB_NAME_MAX)
        return ob_fail(error, OB_ETOOBIG, "%s: tensor name %.60s... is longer than %d bytes", path, name,
                       OB_NAME_MAX - 1);
    memcpy(tensor.name, name, strlen(name) + 1);
    enum ob_err failed = read_type(path, name, entry, &tensor.dtype, error);
    if (!failed)
        failed = read_shape(path, &tensor, entry, error);
    if (failed)
        return failed;
    const json_t *offsets = json_object_get(entry, "data_offsets");
    const json_t *first = json_array_get(offsets, 0), *last = json_array_get(offsets, 1);
    json_int_t from = json_integer_value(first), to = json_integer_value(last);
    if (json_array_size(offsets) != 2 || !json_is_integer(first) || !json_is_integer(last) || from < 0 ||
        to < from)
        return ob_fail(error, OB_EFORMAT, "%s: tensor %s: its data_offsets are not [from, to)", path, name);
    if ((uint64_t)to > data->bytes)
        return ob_fail(error, OB_EFORMAT, "%s: tensor %s: data lies outside the file; is the file truncated?",
                       path, name);
    data->claimed += (uint64_t)(to - from);
    return ob_checkpoint_add(checkpoint, &tensor, data->from + (uint64_t)from, (uint64_t)(to - from), error);
}

static enum ob_err add_tensors(struct ob_checkpoint *checkpoint, json_t *header, struct data *data,
                               struct ob_error *error) {
    const char *name;
    json_t *entry;
    json_object_foreach(header, name, entry) {
        enum ob_err failed =
            strcmp(name, "__metadata__") == 0 ? OB_OK : add_tensor(checkpoint, name, entry, data, error);
        if (failed)
            return failed;
    }
    enum ob_err failed = ob_checkpoint_check_overlaps(checkpoint, error);
    if (!failed && data->claimed != data->bytes)
        return ob_fail(error, OB_EFORMAT, "%s: %" PRIu64 " bytes of data belong to no tensor",
                       checkpoint->mappings[checkpoint->mapping_count - 1].path, data->bytes - data->claimed);
    return failed;
}

enum ob_err ob_safetensors_add_file(struct ob_checkpoint *checkpoint, const char *path,
                                    struct ob_error *error) {
    const struct ob_mapping *file = NULL;
    enum ob_err failed = ob_checkpoint_map(checkpoint, path, 8, "safetensors", &file, error);
    if (failed)
        return failed;
    const uint8_t *bytes = file->data;
    uint64_t header_bytes = ob_load_u64(bytes);
    if (header_bytes > OB_SAFETENSORS_HEADER_MAX || header_bytes > file->bytes - 8)
        return ob_fail(error, OB_EFORMAT,
                       "%s: its header claims %" PRIu64 " bytes; not a safetensors file, or truncated", path,
                       header_bytes);
    struct data data = {.from = 8 + header_bytes, .bytes = file->bytes - 8 - header_bytes};
    json_t *header = NULL;
    failed = ob_json_read((const char *)bytes + 8, (size_t)header_bytes, OB_JSON_STRICT, &header, error);
    if (failed)
        return ob_fail_within(error, failed, "%s: its header is not a JSON object", path);
    failed = json_is_object(header) ? add_tensors(checkpoint, header, &data, error)
                                    : ob_fail(error, OB_EFORMAT, "%s: its header is not a JSON object", path);
    json_decref(header);
    return failed;
}
