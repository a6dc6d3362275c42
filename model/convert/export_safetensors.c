#include "model/convert/export_safetensors.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "base/file.h"
#include "model/convert/export_elements.h"

static char *header_text(const struct ob_model *model, const struct ob_export_file *file,
                         enum ob_dtype dtype) {
    json_t *header = json_pack("{s:{s:s}}", "__metadata__", "format", "pt");
    uint64_t at = 0;
    for (size_t i = file->first; i < file->first + file->count; i++) {
        char name[OB_NAME_MAX + 64];
        const struct ob_model_tensor *tensor = &model->tensors[i];
        uint64_t end = at + tensor->elements * ob_dtype_block_bytes(dtype);
        json_t *shape = json_pack("[I]", (json_int_t)tensor->shape[0]);
        if (tensor->dims == 2)
            json_array_append_new(shape, json_integer((json_int_t)tensor->shape[1]));
        (void)snprintf(name, sizeof name, "%.63s%s", file->prefix, tensor->name);
        json_object_set_new(header, name,
                            json_pack("{s:s, s:o, s:[I, I]}", "dtype", ob_dtype_name(dtype), "shape", shape,
                                      "data_offsets", (json_int_t)at, (json_int_t)end));
        at = end;
    }
    char *text = json_dumps(header, JSON_COMPACT | JSON_PRESERVE_ORDER);
    json_decref(header);
    return text;
}

enum ob_err ob_export_safetensors(const struct ob_weight_source *source, const struct ob_export_file *file,
                                  const struct ob_export_options *options, const char *folder,
                                  struct ob_error *error) {
    struct ob_output out;
    enum ob_dtype dtype = options->dtype;
    char *header = header_text(source->model, file, dtype);
    enum ob_err failed = header ? ob_output_open(&out, folder, file->name, error)
                                : ob_fail(error, OB_ENOMEM, "%s: out of memory", folder);
    if (failed) {
        free(header);
        return failed;
    }
    size_t length = strlen(header), padding = (8 - length % 8) % 8;
    out.progress = options->progress;
    out.size = 8 + length + padding;
    for (size_t i = file->first; i < file->first + file->count; i++)
        out.size += source->model->tensors[i].elements * ob_dtype_block_bytes(dtype);
    uint8_t size[8];
    ob_store_u64(size, length + padding);
    ob_output_write(&out, size, sizeof size);
    ob_output_write(&out, header, length);
    ob_output_write(&out, "        ", padding);
    free(header);
    for (size_t i = file->first; i < file->first + file->count && !out.failed; i++)
        ob_export_elements(&out, source, i, 0, source->model->tensors[i].elements, dtype);
    return ob_output_close(&out, OB_OK);
}
