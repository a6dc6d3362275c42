/* Packs frozen tensors into the products' order once, but only if that takes no more memory than the file's
 * values: a tensor of 4 or 8 bits a weight stays in the file's blocks and is dequantized tile by tile, for all
 * views and sequences together. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "model/formats/checkpoint.h"
#include "model/forward/multiply.h"

const uint8_t *ob_frozen_packed(const struct ob_pass *pass, size_t tensor) {
    const struct ob_forward *f = pass->forward;
    bool packed = f->frozen.tensors && f->frozen_model == pass->source->model && tensor < f->frozen.count;
    return packed && !ob_pass_trained(pass, (int64_t)tensor) ? f->frozen.tensors[tensor] : NULL;
}

void ob_frozen_drop(struct ob_forward *forward) {
    struct ob_frozen *frozen = &forward->frozen;
    for (size_t i = 0; frozen->tensors && i < frozen->count; i++)
        free(frozen->tensors[i]);
    free(frozen->tensors);
    *frozen = (struct ob_frozen){0};
    forward->frozen_model = NULL;
}

/* A matrix of a layer, or the head; not the token embedding when it is only looked up. */
static bool is_factor(const struct ob_forward *f, const struct ob_model *model, size_t tensor) {
    const struct ob_model_tensor *t = &model->tensors[tensor];
    if (t->dims != 2 || t->role == OB_ROLE_EMBEDDING || t->role == OB_ROLE_POSITION)
        return false;
    const struct ob_checkpoint_tensor *file = &model->checkpoint->tensors[model->checkpoint_index[tensor]];
    if (t->shape[0] < 32 || t->shape[1] < 32)
        return false; /* padding would outgrow it */
    return ob_checkpoint_tensor_bytes(file) >= t->elements * f->products->terms * sizeof(uint16_t);
}

/* A tile of columns has all terms, so reading a few rows at a time does not suffice. A band of the matrix is
 * read as a whole: the rows of some columns if it is (n, k), everything if it is (k, n). */
static enum ob_err pack_tensor(struct ob_forward *f, const struct ob_model *model, size_t tensor,
                               struct ob_error *error) {
    const struct ob_model_tensor *t = &model->tensors[tensor];
    bool transposed = !f->config.family->input_major || t->role == OB_ROLE_HEAD;
    size_t n = (size_t)t->shape[transposed ? 0 : 1], k = (size_t)t->shape[transposed ? 1 : 0];
    size_t columns = f->products->tile_columns, band = transposed ? columns * 4 : n;
    size_t tile_bytes = ob_pass_tile_bytes(f, columns, k), tiles = (n + columns - 1) / columns;
    float *values = aligned_alloc(64, (band * k * sizeof *values + 63) / 64 * 64);
    uint8_t *packed = aligned_alloc(64, tiles * tile_bytes);
    if (!values || !packed) {
        free(values);
        free(packed);
        return ob_fail(error, OB_ENOMEM, "not enough memory for %s in bfloat16 (%zu MB)", t->name,
                       tiles * tile_bytes >> 20);
    }
    for (size_t at = 0; at < n; at += band) {
        size_t some = n - at < band ? n - at : band;
        for (size_t i = 0; i < some * k; i += OB_MODEL_RELEASE_ELEMENTS) {
            size_t left = some * k - i;
            ob_model_read(model, tensor, (uint64_t)at * k + i,
                          left < OB_MODEL_RELEASE_ELEMENTS ? left : OB_MODEL_RELEASE_ELEMENTS, values + i);
        }
        struct ob_packing job = {.values = values, .packed = packed + at / columns * tile_bytes};
        ob_pack(f, some, k, transposed, &job, 1);
        ob_model_release(model, tensor);
    }
    free(values);
    f->frozen.tensors[tensor] = packed;
    f->frozen.bytes += tiles * tile_bytes;
    return OB_OK;
}

/* Marks the tensors of layers that a measurement leaves out. */
static void mark_left_out(const struct ob_forward *f, const struct ob_model *model, bool *left_out) {
    for (uint32_t layer = f->layer_limit; f->layer_limit > 0 && layer < f->config.layers; layer++)
        for (enum ob_slot slot = 0; slot < OB_SLOT_NONE; slot++) {
            int64_t tensor = ob_model_slot(model, layer, slot);
            if (tensor >= 0 && tensor != ob_model_slot(model, 0, slot))
                left_out[tensor] = true;
        }
}

enum ob_err ob_frozen_prepare(struct ob_forward *forward, const struct ob_weight_source *source,
                              struct ob_error *error) {
    const struct ob_model *model = source->model;
    struct ob_pass pass = {.forward = forward, .source = source};
    if (!forward->products->packs || forward->frozen_model == model)
        return OB_OK;
    ob_frozen_drop(forward);
    forward->frozen.tensors =
        calloc(model->tensor_count + 2 * model->adapter_count, sizeof *forward->frozen.tensors);
    bool *left_out = calloc(model->tensor_count + 2 * model->adapter_count, sizeof *left_out);
    if (!forward->frozen.tensors || !left_out) {
        free(left_out);
        return ob_fail(error, OB_ENOMEM, "not enough memory for %zu tensors", model->tensor_count);
    }
    mark_left_out(forward, model, left_out);
    forward->frozen.count = model->tensor_count;
    enum ob_err failed = OB_OK;
    for (size_t tensor = 0; tensor < model->tensor_count && !failed; tensor++)
        if (!left_out[tensor] && !ob_pass_trained(&pass, (int64_t)tensor) &&
            is_factor(forward, model, tensor))
            failed = pack_tensor(forward, model, tensor, error);
    free(left_out);
    if (failed)
        ob_frozen_drop(forward);
    else
        forward->frozen_model = model;
    return failed;
}
