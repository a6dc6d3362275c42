#include "model/convert/gguf_checkpoint.h"

#include <stdlib.h>
#include <string.h>

#include "model/convert/gguf_names.h"
#include "model/convert/gguf_rope.h"
#include "model/families/family.h"
#include "model/formats/gguf.h"

#define STRIP 32 /* columns of a transposed matrix that are written together */

struct layout {
    struct ob_gguf *gguf;
    const struct ob_model_config *config;
};

/* (out, in) of the file into (in, out). */
static enum ob_err transpose(struct ob_checkpoint *checkpoint, struct ob_checkpoint_tensor *tensor,
                             struct ob_error *error) {
    uint64_t outs = tensor->shape[0], ins = tensor->shape[1];
    enum ob_dtype dtype = tensor->dtype < OB_DTYPE_PLAIN_COUNT ? tensor->dtype : OB_DTYPE_F32;
    size_t bytes = ob_dtype_block_bytes(dtype);
    void *memory = NULL;
    float *rows = calloc((size_t)ins * STRIP, sizeof *rows);
    enum ob_err failed =
        rows ? ob_checkpoint_allocate(checkpoint, (size_t)(outs * ins) * bytes, &memory, error)
             : ob_fail(error, OB_ENOMEM, "%s: out of memory", checkpoint->path);
    for (uint64_t o = 0; o < outs && !failed; o += STRIP) {
        size_t strip = outs - o < STRIP ? (size_t)(outs - o) : STRIP;
        ob_dtype_decode(tensor->dtype, tensor->data, o * ins, strip * (size_t)ins, rows);
        for (uint64_t i = 0; i < ins; i++) {
            float column[STRIP];
            for (size_t k = 0; k < strip; k++)
                column[k] = rows[k * ins + i];
            ob_dtype_encode(dtype, column, strip, (uint8_t *)memory + (i * outs + o) * bytes);
        }
    }
    free(rows);
    if (failed)
        return failed;
    tensor->dtype = dtype;
    tensor->data = memory;
    tensor->mapping = (uint32_t)(checkpoint->mapping_count - 1);
    tensor->shape[0] = ins;
    tensor->shape[1] = outs;
    return OB_OK;
}

static enum ob_err order_rows(const struct layout *l, struct ob_checkpoint_tensor *tensor, enum ob_slot slot,
                              struct ob_error *error) {
    void *rows = NULL;
    enum ob_err failed = ob_checkpoint_allocate(l->gguf->checkpoint,
                                                (size_t)tensor->shape[0] * sizeof(uint32_t), &rows, error);
    if (failed)
        return failed;
    ob_gguf_rows(l->config, slot, rows);
    tensor->rows = rows;
    return OB_OK;
}

/* A tensor that is not there, or has another shape, is left alone: ob_model_assemble says so. */
static enum ob_err canonical(const struct layout *l, const struct ob_family_tensor *row, uint32_t layer,
                             struct ob_error *error) {
    char name[OB_NAME_MAX];
    struct ob_checkpoint *checkpoint = l->gguf->checkpoint;
    if (!ob_gguf_slot_name(row->slot, layer, name))
        return ob_fail(error, OB_EUNSUPPORTED, "%s: GGUF has no place for tensor %s", checkpoint->path,
                       row->name);
    int64_t at = ob_checkpoint_find(checkpoint, name);
    if (at < 0)
        return OB_OK;
    struct ob_checkpoint_tensor *tensor = &checkpoint->tensors[at];
    ob_family_name(row->name, layer, tensor->name);
    if (ob_gguf_is_shifted(l->config->family, row->role))
        tensor->offset = -1;
    if (tensor->dims == 2 && ob_gguf_is_transposed(l->config->family, row->slot))
        return transpose(checkpoint, tensor, error);
    if (ob_gguf_is_reordered(l->config->family, row->slot) &&
        tensor->shape[0] == ob_family_dimension(l->config, row->shape[0]))
        return order_rows(l, tensor, row->slot, error);
    return OB_OK;
}

/* What is in the file beside the weights: rope factors, which are in the configuration by now. */
static void drop_extras(struct layout *l) {
    struct ob_checkpoint *checkpoint = l->gguf->checkpoint;
    size_t kept = 0;
    for (size_t i = 0; i < checkpoint->count; i++) {
        const char *name = checkpoint->tensors[i].name;
        bool extra = strcmp(name, OB_GGUF_ROPE_FACTORS) == 0 ||
                     strcmp(name, OB_GGUF_ROPE_FACTORS_SHORT) == 0 ||
                     strcmp(name, OB_GGUF_ROPE_FACTORS_LONG) == 0 || strstr(name, ".attn_rot_embd");
        if (!extra)
            checkpoint->tensors[kept++] = checkpoint->tensors[i];
    }
    checkpoint->count = kept;
}

static enum ob_err canonical_all(struct layout *l, struct ob_error *error) {
    enum ob_err failed = OB_OK;
    const struct ob_family *family = l->config->family;
    drop_extras(l);
    for (size_t i = 0; i < family->tensor_count && !failed; i++) {
        /* a head too that the configuration does not have: the model settles what to make of it */
        if (!ob_family_has(l->config, &family->tensors[i]) && family->tensors[i].slot != OB_SLOT_HEAD)
            continue;
        uint32_t layers = ob_family_in_layer(&family->tensors[i]) ? l->config->layers : 1;
        for (uint32_t layer = 0; layer < layers && !failed; layer++)
            failed = canonical(l, &family->tensors[i], layer, error);
    }
    return failed;
}

enum ob_err ob_gguf_checkpoint(const char *path, const struct ob_model_config *config,
                               struct ob_checkpoint **ret_checkpoint, struct ob_error *error) {
    struct layout layout = {.config = config};
    enum ob_err failed = ob_gguf_open(path, &layout.gguf, error);
    if (failed)
        return failed;
    if (!config->family->gguf)
        failed = ob_fail(error, OB_EUNSUPPORTED, "%s: GGUF has no architecture for %s", path,
                         config->family->architecture);
    if (!failed)
        failed = canonical_all(&layout, error);
    if (!failed) {
        *ret_checkpoint = layout.gguf->checkpoint;
        layout.gguf->checkpoint = NULL;
    }
    ob_gguf_free(layout.gguf);
    return failed;
}
