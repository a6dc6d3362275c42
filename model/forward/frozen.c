/* Packs frozen tensors into the products' order once, but only if that takes no more memory than the file's
 * values: a tensor of 4 or 8 bits a weight stays in the file's blocks and is dequantized tile by tile, for all
 * views and sequences together. They are packed into memory of this process, or into a file that daemons of
 * one host share. */
#include <assert.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "model/formats/checkpoint.h"
#include "model/forward/frozen_file.h"
#include "model/forward/multiply.h"

const uint8_t *ob_frozen_packed(const struct ob_pass *pass, size_t tensor) {
    const struct ob_forward *f = pass->forward;
    bool packed = f->in_use.frozen.tensors && f->in_use.frozen_model == pass->source->model &&
                  tensor < f->in_use.frozen.count;
    return packed && !ob_pass_trained(pass, (int64_t)tensor) ? f->in_use.frozen.tensors[tensor] : NULL;
}

void ob_frozen_drop(struct ob_in_use *in_use) {
    struct ob_frozen *frozen = &in_use->frozen;
    for (size_t i = 0; frozen->tensors && !frozen->file && i < frozen->count; i++)
        free(frozen->tensors[i]);
    ob_frozen_file_close(frozen->file);
    free(frozen->tensors);
    *frozen = (struct ob_frozen){0};
    in_use->frozen_model = NULL;
}

/* A matrix of a layer, or the head; not the token embedding when it is only looked up. */
static bool is_factor(const struct ob_forward *f, const struct ob_model *model, size_t tensor) {
    const struct ob_model_tensor *t = &model->tensors[tensor];
    if (t->dims != 2 || t->role == OB_ROLE_EMBEDDING || t->role == OB_ROLE_POSITION)
        return false;
    const struct ob_checkpoint_tensor *file = &model->checkpoint->tensors[model->checkpoint_index[tensor]];
    if (t->shape[0] < 32 || t->shape[1] < 32)
        return false; /* padding would outgrow it */
    return ob_checkpoint_tensor_bytes(file) >= t->elements * f->in_use.products->terms * sizeof(uint16_t);
}

struct shape {
    bool transposed; /* (n, k) in the file; else (k, n) */
    size_t n, k, tiles, tile_bytes;
};

static struct shape shape_of(struct ob_forward *f, const struct ob_model *model, size_t tensor) {
    const struct ob_model_tensor *t = &model->tensors[tensor];
    struct shape s = {.transposed = !f->config.family->input_major || t->role == OB_ROLE_HEAD};
    size_t columns = f->in_use.products->tile_columns;
    s.n = (size_t)t->shape[s.transposed ? 0 : 1];
    s.k = (size_t)t->shape[s.transposed ? 1 : 0];
    s.tiles = (s.n + columns - 1) / columns;
    s.tile_bytes = ob_pass_tile_bytes(f, columns, s.k);
    return s;
}

/* A tile of columns has all terms, so reading a few rows at a time does not suffice. A band of the matrix is
 * read as a whole: the rows of some columns if it is (n, k), everything if it is (k, n). */
static enum ob_err pack_tensor(struct ob_forward *f, const struct ob_model *model, size_t tensor,
                               uint8_t *packed, struct ob_error *error) {
    struct shape s = shape_of(f, model, tensor);
    size_t columns = f->in_use.products->tile_columns, band = s.transposed ? columns * 4 : s.n;
    band = band < s.n ? band : s.n;
    float *values = aligned_alloc(64, (band * s.k * sizeof *values + 63) / 64 * 64);
    if (!values)
        return ob_fail(error, OB_ENOMEM, "not enough memory to pack %s", model->tensors[tensor].name);
    for (size_t at = 0; at < s.n; at += band) {
        size_t some = s.n - at < band ? s.n - at : band;
        for (size_t i = 0; i < some * s.k; i += OB_MODEL_RELEASE_ELEMENTS) {
            size_t left = some * s.k - i;
            ob_model_read(model, tensor, (uint64_t)at * s.k + i,
                          left < OB_MODEL_RELEASE_ELEMENTS ? left : OB_MODEL_RELEASE_ELEMENTS, values + i);
        }
        struct ob_packing job = {.values = values, .packed = packed + at / columns * s.tile_bytes};
        ob_pack(f, some, s.k, s.transposed, &job, 1);
        ob_model_release(model, tensor);
    }
    free(values);
    return OB_OK;
}

/* Unmarks the tensors of layers that a measurement leaves out; what is not a layer's is the same in all of them. */
static void leave_out(const struct ob_pass *pass, size_t *bytes) {
    const struct ob_model *model = pass->source->model;
    uint32_t layers = pass->forward->config.layers;
    struct ob_layers run = ob_pass_layers(pass);
    for (uint32_t layer = 0; layer < layers; layer++)
        for (enum ob_slot slot = 0; slot < OB_SLOT_NONE; slot++) {
            int64_t tensor = ob_model_slot(model, layer, slot);
            bool own = ob_model_slot(model, 0, slot) != ob_model_slot(model, layers - 1, slot);
            if (tensor >= 0 && own && (layer < run.first || layer >= run.end))
                bytes[tensor] = 0;
        }
}

/* Packed bytes of each tensor; 0: it is not packed. Returns the sum. */
static size_t size_all(struct ob_forward *f, const struct ob_weight_source *source, size_t *bytes) {
    const struct ob_model *model = source->model;
    struct ob_pass pass = {.forward = f, .source = source};
    size_t total = 0;
    for (size_t tensor = 0; tensor < model->tensor_count; tensor++) {
        if (ob_pass_trained(&pass, (int64_t)tensor) || !is_factor(f, model, tensor))
            continue;
        struct shape s = shape_of(f, model, tensor);
        bytes[tensor] = s.tiles * s.tile_bytes;
    }
    leave_out(&pass, bytes);
    for (size_t tensor = 0; tensor < model->tensor_count; tensor++)
        total += bytes[tensor];
    return total;
}

static enum ob_err pack_apart(struct ob_forward *f, const struct ob_model *model, const size_t *bytes,
                              struct ob_error *error) {
    enum ob_err failed = OB_OK;
    for (size_t tensor = 0; tensor < model->tensor_count && !failed; tensor++) {
        if (bytes[tensor] == 0)
            continue;
        uint8_t *packed = f->in_use.frozen.tensors[tensor] = aligned_alloc(64, bytes[tensor]);
        failed = packed ? pack_tensor(f, model, tensor, packed, error)
                        : ob_fail(error, OB_ENOMEM, "not enough memory for %s in bfloat16 (%zu MB)",
                                  model->tensors[tensor].name, bytes[tensor] >> 20);
    }
    return failed;
}

/* All that the packed bytes depend on. */
static void describe(const struct ob_forward *f, const size_t *bytes, size_t count,
                     char ret_what[static OB_FROZEN_WHAT_MAX]) {
    uint8_t hash[16];
    char base[2 * OB_HASH_BYTES + 1], tensors[2 * sizeof hash + 1], layout[OB_PRODUCTS_LAYOUT_MAX] = "",
                                                                    cpu[256];
    crypto_generichash(hash, sizeof hash, (const uint8_t *)bytes, count * sizeof *bytes, NULL, 0);
    (void)sodium_bin2hex(tensors, sizeof tensors, hash, sizeof hash);
    (void)sodium_bin2hex(base, sizeof base, f->shared_base.bytes, OB_HASH_BYTES);
    if (f->in_use.products->layout)
        f->in_use.products->layout(f->in_use.state, layout);
    (void)snprintf(ret_what, OB_FROZEN_WHAT_MAX, "base %s; products %s %s; tensors %s; processor %s", base,
                   f->in_use.products->name, layout, tensors, ob_cpu_names(cpu, sizeof cpu));
}

static enum ob_err pack_shared(struct ob_forward *f, const struct ob_model *model, const size_t *bytes,
                               size_t total, struct ob_error *error) {
    char what[OB_FROZEN_WHAT_MAX];
    bool ready;
    describe(f, bytes, model->tensor_count, what);
    enum ob_err failed =
        ob_frozen_file_open(f->shared_folder, what, total, &f->in_use.frozen.file, &ready, error);
    if (failed)
        return failed;
    size_t at = 0;
    for (size_t tensor = 0; tensor < model->tensor_count && !failed; tensor++) {
        if (bytes[tensor] == 0)
            continue;
        uint8_t *packed = f->in_use.frozen.tensors[tensor] = ob_frozen_file_data(f->in_use.frozen.file) + at;
        at += bytes[tensor];
        if (!ready)
            failed = pack_tensor(f, model, tensor, packed, error);
    }
    return failed || ready ? failed : ob_frozen_file_finish(f->in_use.frozen.file, error);
}

enum ob_err ob_frozen_prepare(struct ob_forward *forward, const struct ob_weight_source *source,
                              struct ob_error *error) {
    const struct ob_model *model = source->model;
    if (!forward->in_use.products->packs || forward->in_use.frozen_model == model)
        return OB_OK;
    ob_frozen_drop(&forward->in_use);
    size_t *bytes = calloc(model->tensor_count, sizeof *bytes);
    forward->in_use.frozen.tensors =
        calloc(model->tensor_count + 2 * model->adapter_count, sizeof *forward->in_use.frozen.tensors);
    if (!forward->in_use.frozen.tensors || !bytes) {
        free(bytes);
        return ob_fail(error, OB_ENOMEM, "not enough memory for %zu tensors", model->tensor_count);
    }
    forward->in_use.frozen.count = model->tensor_count;
    forward->in_use.frozen.bytes = size_all(forward, source, bytes);
    bool shared = forward->shared_folder && forward->layer_limit == 0 && forward->in_use.frozen.bytes > 0;
    enum ob_err failed = shared ? pack_shared(forward, model, bytes, forward->in_use.frozen.bytes, error)
                                : pack_apart(forward, model, bytes, error);
    free(bytes);
    if (failed)
        ob_frozen_drop(&forward->in_use);
    else
        forward->in_use.frozen_model = model;
    return failed;
}
