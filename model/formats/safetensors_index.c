#include "model/formats/safetensors_index.h"

#include <string.h>

#include "base/path.h"
#include "model/formats/document.h"
#include "model/formats/safetensors_file.h"

/* A file beside the index and nowhere else: no folder, no way up. */
static bool is_plain_name(const char *name) {
    return name && *name && !strchr(name, '/') && strcmp(name, "..") != 0 && strcmp(name, ".") != 0;
}

static enum ob_err add_shard(struct ob_checkpoint *checkpoint, const char *folder, const char *tensor,
                             const char *name, struct ob_error *error) {
    char path[OB_PATH_MAX];
    enum ob_err failed = ob_path_join(path, folder, name, error);
    if (failed)
        return failed;
    for (size_t i = 0; i < checkpoint->mapping_count; i++)
        if (strcmp(checkpoint->mappings[i].path, path) == 0)
            return OB_OK;
    failed = ob_safetensors_add_file(checkpoint, path, error);
    if (failed == OB_ENOTFOUND)
        return ob_fail(error, failed, "%s: file %s, which contains tensor %s, is missing", checkpoint->path,
                       name, tensor);
    return failed;
}

static enum ob_err add_all(struct ob_checkpoint *checkpoint, const char *folder, json_t *map,
                           struct ob_error *error) {
    const char *tensor;
    json_t *file;
    enum ob_err failed = OB_OK;
    json_object_foreach(map, tensor, file) {
        if (!is_plain_name(json_string_value(file)))
            return ob_fail(error, OB_EFORMAT, "%s: tensor %.80s is not given the name of a file beside it",
                           checkpoint->path, tensor);
        if ((failed = add_shard(checkpoint, folder, tensor, json_string_value(file), error)))
            return failed;
    }
    return OB_OK;
}

enum ob_err ob_safetensors_add_index(struct ob_checkpoint *checkpoint, const char *folder,
                                     struct ob_error *error) {
    struct ob_document index = {0};
    enum ob_err failed = ob_document_read(folder, OB_SAFETENSORS_INDEX, &index, error);
    if (failed)
        return failed;
    json_t *map = json_object_get(index.root, "weight_map");
    failed = json_is_object(map) && json_object_size(map) > 0
                 ? add_all(checkpoint, folder, map, error)
                 : ob_fail(error, OB_EFORMAT, "%s: its \"weight_map\" names no tensors", checkpoint->path);
    ob_document_done(&index);
    return failed;
}
