#include "model/families/model.h"

#include <assert.h>
#include <endian.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "model/families/basis.h"
#include "model/families/family.h"
#include "model/families/tie.h"
#include "model/formats/checkpoint.h"

int64_t ob_model_slot(const struct ob_model *model, uint32_t layer, enum ob_slot slot) {
    assert(layer < model->config.layers);
    return model->slots[(size_t)layer * OB_SLOT_COUNT + slot];
}

static size_t count_tensors(const struct ob_model_config *config) {
    size_t count = 0;
    for (size_t i = 0; i < config->family->tensor_count; i++)
        if (ob_family_has(config, &config->family->tensors[i]))
            count += ob_family_in_layer(&config->family->tensors[i]) ? config->layers : 1;
    return count;
}

static void describe(struct ob_model *model, const struct ob_family_tensor *row, uint32_t layer) {
    size_t index = model->tensor_count++;
    struct ob_model_tensor *tensor = &model->tensors[index];
    ob_family_name(row->name, layer, tensor->name);
    tensor->role = row->role;
    if (row->slot == OB_SLOT_TOKENS && model->config.tied)
        tensor->role = OB_ROLE_HEAD;
    tensor->dims = row->shape[1] == OB_DIM_NONE ? 1 : 2;
    tensor->shape[0] = ob_family_dimension(&model->config, row->shape[0]);
    tensor->shape[1] = ob_family_dimension(&model->config, row->shape[1]);
    tensor->elements = tensor->shape[0] * tensor->shape[1];
    model->slots[(size_t)layer * OB_SLOT_COUNT + row->slot] = (int64_t)index;
}

static void describe_rows(struct ob_model *model, size_t from, size_t to, uint32_t layer) {
    for (size_t i = from; i < to; i++)
        if (ob_family_has(&model->config, &model->config.family->tensors[i]))
            describe(model, &model->config.family->tensors[i], layer);
}

/* Canonical order: the table's rows, those of a layer together, layer after layer, where the first of them
 * stands. */
static void describe_all(struct ob_model *model) {
    const struct ob_family *family = model->config.family;
    for (size_t i = 0; i < (size_t)model->config.layers * OB_SLOT_COUNT; i++)
        model->slots[i] = -1;
    for (size_t i = 0; i < family->tensor_count;) {
        size_t end = i;
        while (end < family->tensor_count && ob_family_in_layer(&family->tensors[end]))
            end++;
        for (uint32_t layer = 0; end > i && layer < model->config.layers; layer++)
            describe_rows(model, i, end, layer);
        if (end == i)
            describe_rows(model, i, ++end, 0);
        i = end;
    }
}

static enum ob_err match(struct ob_model *model, size_t i, bool *used, struct ob_error *error) {
    const struct ob_model_tensor *tensor = &model->tensors[i];
    const char *path = model->checkpoint->path;
    enum ob_slot slot = (int64_t)i == ob_model_slot(model, 0, OB_SLOT_TOKENS) ? OB_SLOT_TOKENS
                        : (int64_t)i == ob_model_slot(model, 0, OB_SLOT_HEAD) ? OB_SLOT_HEAD
                                                                              : OB_SLOT_NONE;
    int64_t at = ob_family_locate(&model->config, model->checkpoint, slot, tensor->name);
    if (at < 0)
        return ob_fail(error, OB_ENOTFOUND, "%s: tensor %s is missing", path, tensor->name);
    const struct ob_checkpoint_tensor *found = &model->checkpoint->tensors[at];
    bool same = found->dims == tensor->dims && found->shape[0] == tensor->shape[0] &&
                (tensor->dims == 1 || found->shape[1] == tensor->shape[1]);
    if (!same)
        return ob_fail(error, OB_EMISMATCH,
                       "%s: tensor %s has shape (%" PRIu64 ", %" PRIu64 "), config.json asks for (%" PRIu64
                       ", %" PRIu64 ")",
                       path, tensor->name, found->dims > 0 ? found->shape[0] : 0,
                       found->dims > 1 ? found->shape[1] : 1, tensor->shape[0], tensor->shape[1]);
    if (found->dtype >= OB_DTYPE_COUNT)
        return ob_fail(error, OB_EUNSUPPORTED, "%s: tensor %s has type %s; F32, F16 and BF16 are read", path,
                       tensor->name, ob_dtype_name(found->dtype));
    model->checkpoint_index[i] = (size_t)at;
    used[at] = true;
    return OB_OK;
}

static enum ob_err match_all(struct ob_model *model, struct ob_error *error) {
    bool *used = calloc(model->checkpoint->count + 1, sizeof *used);
    enum ob_err failed = used ? OB_OK : ob_fail(error, OB_ENOMEM, "%s: out of memory", model->path);
    for (size_t i = 0; i < model->tensor_count && !failed; i++)
        failed = match(model, i, used, error);
    for (size_t i = 0; i < model->checkpoint->count && !failed; i++) {
        const char *name = model->checkpoint->tensors[i].name;
        if (!used[i] && !ob_family_ignores(&model->config, name))
            failed = ob_fail(error, OB_EUNSUPPORTED, "%s: tensor %s is not part of a %s",
                             model->checkpoint->path, name, model->config.family->architecture);
    }
    free(used);
    return failed;
}

static enum ob_err assemble(struct ob_model *model, struct ob_error *error) {
    size_t count = count_tensors(&model->config);
    const char *path = model->checkpoint->path;
    if (count > OB_TENSORS_MAX)
        return ob_fail(error, OB_ETOOBIG, "%s: %zu tensors, at most %d are supported", path, count,
                       OB_TENSORS_MAX);
    assert(count > 0);
    model->tensors = calloc(count, sizeof *model->tensors);
    model->checkpoint_index = calloc(count, sizeof *model->checkpoint_index);
    model->slots = calloc((size_t)model->config.layers * OB_SLOT_COUNT, sizeof *model->slots);
    if (!model->path || !model->tensors || !model->checkpoint_index || !model->slots)
        return ob_fail(error, OB_ENOMEM, "%s: out of memory", path);
    describe_all(model);
    assert(model->tensor_count == count);
    return match_all(model, error);
}

enum ob_err ob_model_assemble(const char *path, const struct ob_model_config *config,
                              struct ob_checkpoint *checkpoint, struct ob_model **ret_model,
                              struct ob_error *error) {
    struct ob_model *model = calloc(1, sizeof *model);
    if (!model) {
        ob_checkpoint_free(checkpoint);
        return ob_fail(error, OB_ENOMEM, "%s: out of memory", path);
    }
    model->config = *config;
    ob_family_settle_head(&model->config, checkpoint);
    model->checkpoint = checkpoint;
    model->path = strdup(path);
    enum ob_err failed = assemble(model, error);
    if (failed) {
        ob_model_free(model);
        return failed;
    }
    *ret_model = model;
    return OB_OK;
}

void ob_model_free(struct ob_model *model) {
    if (!model)
        return;
    ob_checkpoint_free(model->checkpoint);
    free(model->checkpoint_index);
    free(model->adapter_of);
    free(model->basis_index);
    ob_basis_free(model->basis);
    free(model->slots);
    free(model->tensors);
    free(model->path);
    free(model);
}

void ob_model_read(const struct ob_model *model, size_t tensor, uint64_t first, size_t count,
                   float *ret_values) {
    if (tensor >= model->tensor_count) {
        size_t adapter = tensor - model->tensor_count;
        assert(model->basis && adapter % 2 == 0 && adapter < model->adapter_count);
        ob_basis_read(model->basis, model->basis_index[adapter / 2], first, count, ret_values);
        return;
    }
    ob_checkpoint_read(&model->checkpoint->tensors[model->checkpoint_index[tensor]], first, count,
                       ret_values);
}

void ob_model_release(const struct ob_model *model, size_t tensor) {
    assert(tensor < model->tensor_count);
    ob_checkpoint_release(model->checkpoint, &model->checkpoint->tensors[model->checkpoint_index[tensor]]);
}

struct hashing {
    const struct ob_model *model;
    const struct ob_progress_callback *progress;
    crypto_generichash_state state;
    uint64_t done, size; /* bytes of float32 */
};

static enum ob_err tell_hashed(struct hashing *h, size_t tensor, struct ob_error *error) {
    ob_model_release(h->model, tensor);
    return ob_progress_tell(h->progress, "hashing the base model", h->done, h->size, error);
}

static enum ob_err hash_tensor(struct hashing *h, size_t tensor, struct ob_error *error) {
    const struct ob_model_tensor *t = &h->model->tensors[tensor];
    crypto_generichash_state *state = &h->state;
    enum ob_err failed = OB_OK;
    uint8_t number[8], bytes[4 * 1024];
    float values[1024];
    ob_store_u32(number, (uint32_t)strlen(t->name));
    crypto_generichash_update(state, number, 4);
    crypto_generichash_update(state, (const uint8_t *)t->name, strlen(t->name));
    ob_store_u64(number, t->elements);
    crypto_generichash_update(state, number, 8);
    for (uint64_t at = 0; at < t->elements && !failed; at += 1024) {
        size_t count = t->elements - at < 1024 ? (size_t)(t->elements - at) : 1024;
        if (at % OB_MODEL_RELEASE_ELEMENTS == 0)
            failed = tell_hashed(h, tensor, error);
        ob_model_read(h->model, tensor, at, count, values);
        for (size_t i = 0; i < count; i++) {
            uint32_t bits; /* in a form that compilers vectorise: a start hashes all of the base */
            memcpy(&bits, &values[i], sizeof bits);
            bits = htole32(bits);
            memcpy(bytes + 4 * i, &bits, sizeof bits);
        }
        crypto_generichash_update(state, bytes, 4 * count);
        h->done += 4 * count;
    }
    return failed;
}

enum ob_err ob_model_hash(const struct ob_model *model, const struct ob_progress_callback *progress,
                          struct ob_hash *ret_hash, struct ob_error *error) {
    struct hashing h = {.model = model, .progress = progress};
    enum ob_err failed = OB_OK;
    for (size_t i = 0; i < model->tensor_count; i++)
        h.size += 4 * model->tensors[i].elements;
    crypto_generichash_init(&h.state, NULL, 0, OB_HASH_BYTES);
    for (size_t i = 0; i < model->tensor_count && !failed; i++) {
        failed = hash_tensor(&h, i, error);
        ob_model_release(model, i);
    }
    if (!failed)
        crypto_generichash_final(&h.state, ret_hash->bytes, OB_HASH_BYTES);
    return failed;
}
