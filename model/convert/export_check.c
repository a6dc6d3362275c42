#include "model/convert/export_check.h"

#include <stdio.h>
#include <string.h>

#include "base/path.h"
#include "model/convert/open_model.h"
#include "model/families/adapter.h"
#include "model/formats/checkpoint.h"
#include "model/formats/safetensors.h"

#define BLOCK 4096 /* elements compared at a time */

/* Where the written values are read from. */
struct written {
    const char *path;
    const struct ob_model *model;                  /* of a whole model; or else … */
    const struct ob_checkpoint_tensor *checkpoint; /* … one tensor of a file */
};

static void read_written(const struct written *w, size_t tensor, uint64_t first, size_t count,
                         float *ret_values) {
    if (w->model)
        ob_model_read(w->model, tensor, first, count, ret_values);
    else
        ob_checkpoint_read(w->checkpoint, first, count, ret_values);
}

static uint32_t bits_of(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* GGUF keeps some tensors in float32 whatever was asked for. */
static bool same(float wanted, float rounded, float found) {
    return bits_of(found) == bits_of(rounded) || bits_of(found) == bits_of(wanted);
}

/* A tensor that its file keeps with an offset comes back as float32 has it after both additions. */
static void shift(const struct written *w, size_t tensor, size_t count, float *values) {
    float offset = w->model ? w->model->checkpoint->tensors[w->model->checkpoint_index[tensor]].offset : 0;
    for (size_t i = 0; i < count && offset != 0; i++)
        values[i] = (values[i] - offset) + offset;
}

/* What is compared, and how far that is. */
struct checking {
    const struct ob_weight_source *source;
    const struct ob_export_options *options;
    uint64_t done, size; /* bytes in the type that was asked for */
};

static enum ob_err compare(struct checking *c, size_t tensor, const struct written *w,
                           struct ob_error *error) {
    const struct ob_model_tensor *of = &c->source->model->tensors[tensor];
    enum ob_dtype dtype = c->options->dtype;
    float wanted[BLOCK], rounded[BLOCK], found[BLOCK];
    uint8_t bytes[4 * BLOCK];
    for (uint64_t first = 0; first < of->elements; first += BLOCK) {
        size_t part = of->elements - first < BLOCK ? (size_t)(of->elements - first) : BLOCK;
        enum ob_err failed = ob_progress_tell(c->options->progress, "reading back", c->done, c->size, error);
        if (failed)
            return failed;
        ob_source_read_merged(c->source, tensor, first, part, wanted);
        shift(w, tensor, part, wanted);
        ob_dtype_encode(dtype, wanted, part, bytes);
        ob_dtype_decode(dtype, bytes, 0, part, rounded);
        read_written(w, tensor, first, part, found);
        for (size_t i = 0; i < part; i++)
            if (!same(wanted[i], rounded[i], found[i]))
                return ob_fail(
                    error, OB_EMISMATCH,
                    "%s: tensor %s does not hold what was written (element %llu); do not use this file",
                    w->path, of->name, (unsigned long long)(first + i));
        c->done += part * ob_dtype_block_bytes(dtype);
    }
    return OB_OK;
}

static enum ob_err check_model(struct checking *c, const char *path, struct ob_error *error) {
    const struct ob_model *ours = c->source->model;
    struct ob_model *model = NULL;
    enum ob_err failed = ob_model_open(path, &model, error);
    if (failed)
        return failed;
    struct written written = {.path = path, .model = model};
    if (model->tensor_count != ours->tensor_count)
        failed = ob_fail(error, OB_EMISMATCH, "%s: has %zu tensors, %zu were written", path,
                         model->tensor_count, ours->tensor_count);
    for (size_t i = 0; i < ours->tensor_count && !failed; i++)
        failed = strcmp(model->tensors[i].name, ours->tensors[i].name) == 0 &&
                         model->tensors[i].elements == ours->tensors[i].elements
                     ? compare(c, i, &written, error)
                     : ob_fail(error, OB_EMISMATCH, "%s: has no tensor %s as it was written", path,
                               ours->tensors[i].name);
    ob_model_free(model);
    return failed;
}

static enum ob_err check_peft(struct checking *c, const char *path, struct ob_error *error) {
    const struct ob_model *model = c->source->model;
    struct ob_checkpoint *file = NULL;
    enum ob_err failed = ob_safetensors_open(path, &file, error);
    for (size_t i = model->tensor_count; i < model->tensor_count + model->adapter_count && !failed; i++) {
        char name[OB_NAME_MAX + 64];
        (void)snprintf(name, sizeof name, OB_EXPORT_PEFT_PREFIX "%s", model->tensors[i].name);
        int64_t at = ob_checkpoint_find(file, name);
        struct written written = {.path = path, .checkpoint = at < 0 ? NULL : &file->tensors[at]};
        failed = at < 0 ? ob_fail(error, OB_EMISMATCH, "%s: has no tensor %s", path, name)
                        : compare(c, i, &written, error);
    }
    ob_checkpoint_free(file);
    return failed;
}

enum ob_err ob_export_check(const struct ob_weight_source *source, const struct ob_export_options *options,
                            const char *folder, struct ob_error *error) {
    static const char *const NAMES[] = {NULL, "model.gguf",
                                        "adapter_model.safetensors"}; /* enum ob_export_format */
    const struct ob_model *model = source->model;
    bool adapters = options->format == OB_EXPORT_PEFT;
    struct checking checking = {.source = source, .options = options};
    char path[OB_PATH_MAX];
    for (size_t i = 0; i < (adapters ? model->adapter_count : model->tensor_count); i++)
        checking.size += model->tensors[(adapters ? model->tensor_count : 0) + i].elements *
                         ob_dtype_block_bytes(options->dtype);
    if (options->format == OB_EXPORT_SAFETENSORS)
        return check_model(&checking, folder, error);
    enum ob_err failed = ob_path_join(path, folder, NAMES[options->format], error);
    if (failed)
        return failed;
    return adapters ? check_peft(&checking, path, error) : check_model(&checking, path, error);
}
