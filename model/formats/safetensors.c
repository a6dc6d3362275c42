#include "model/formats/safetensors.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cursor.h"
#include "base/path.h"
#include "model/formats/json_reader.h"

/* Where a file's data begins, how long it is, and how much of it tensors have claimed. */
struct data {
    uint64_t from, bytes, claimed;
};

static enum ob_err read_type(const char *path, const char *name, const json_t *entry,
                             enum ob_dtype *ret_dtype, struct ob_error *error) {
    const char *dtype = json_string_value(json_object_get(entry, "dtype"));
    for (int i = 0; dtype && i < OB_DTYPE_PLAIN_COUNT; i++)
        if (strcmp(dtype, ob_dtype_name((enum ob_dtype)i)) == 0) {
            *ret_dtype = (enum ob_dtype)i;
            return OB_OK;
        }
    return ob_fail(error, OB_EUNSUPPORTED, "%s: tensor %s has type %.40s; F32, F16 and BF16 are read", path,
                   name, dtype ? dtype : "(none)");
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
        return ob_fail(error, OB_EFORMAT,
                       "%s: tensor %s: its data lies outside the file (is the file cut short?)", path, name);
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
        return ob_fail(error, OB_EFORMAT, "%s: %" PRIu64 " bytes of its data belong to no tensor",
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
                       "%s: its header claims %" PRIu64 " bytes: not a safetensors file, or cut short", path,
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

typedef enum ob_err (*fill_fn)(struct ob_checkpoint *checkpoint, const char *from, struct ob_error *error);

static enum ob_err open_with(fill_fn fill, const char *name, const char *from,
                             struct ob_checkpoint **ret_checkpoint, struct ob_error *error) {
    struct ob_checkpoint *checkpoint = NULL;
    enum ob_err failed = ob_checkpoint_new(name, &checkpoint, error);
    if (!failed)
        failed = fill(checkpoint, from, error);
    if (failed) {
        ob_checkpoint_free(checkpoint);
        return failed;
    }
    *ret_checkpoint = checkpoint;
    return OB_OK;
}

enum ob_err ob_safetensors_open(const char *path, struct ob_checkpoint **ret_checkpoint,
                                struct ob_error *error) {
    return open_with(ob_safetensors_add_file, path, path, ret_checkpoint, error);
}

static bool is_there(const char *folder, const char *name, char path[OB_PATH_MAX]) {
    return ob_path_join(path, folder, name, NULL) == OB_OK && access(path, F_OK) == 0;
}

enum ob_err ob_safetensors_open_folder(const char *folder, struct ob_checkpoint **ret_checkpoint,
                                       struct ob_error *error) {
    char path[OB_PATH_MAX];
    if (is_there(folder, "model.safetensors", path))
        return ob_safetensors_open(path, ret_checkpoint, error);
    if (is_there(folder, OB_SAFETENSORS_INDEX, path))
        return open_with(ob_safetensors_add_index, path, folder, ret_checkpoint, error);
    if (is_there(folder, "pytorch_model.bin", path) || is_there(folder, "pytorch_model.bin.index.json", path))
        return ob_fail(error, OB_EUNSUPPORTED,
                       "%s: is a pickle, which can run code when it is loaded: save the model as safetensors "
                       "(transformers: save_pretrained)",
                       path);
    return ob_fail(error, OB_ENOTFOUND, "%s: holds neither model.safetensors nor %s", folder,
                   OB_SAFETENSORS_INDEX);
}
