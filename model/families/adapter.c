#include "model/families/adapter.h"

#include <assert.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "model/families/basis.h"
#include "model/families/family.h"

#define LABEL      "onebyte/lora"
#define BLOCK      4096 /* elements merged at a time */
#define WORDS      16   /* of one keystream block */
#define WEIGHT_END ".weight"

bool ob_adapter_name(const char *base, char letter, char ret_name[OB_NAME_MAX]) {
    size_t length = strlen(base), end = strlen(WEIGHT_END);
    if (length < end || strcmp(base + length - end, WEIGHT_END) != 0)
        return false;
    return snprintf(ret_name, OB_NAME_MAX, "%.*s.lora_%c.weight", (int)(length - end), base, letter) <
           OB_NAME_MAX;
}

static void sizes_of(const struct ob_model *model, size_t tensor, uint64_t *ret_in, uint64_t *ret_out) {
    const struct ob_model_tensor *t = &model->tensors[tensor];
    bool input_major = model->config.family->input_major;
    *ret_in = t->shape[input_major ? 0 : 1];
    *ret_out = t->shape[input_major ? 1 : 0];
}

static enum ob_err add(struct ob_model *model, size_t base, char letter, uint64_t rows, uint64_t columns,
                       struct ob_error *error) {
    struct ob_model_tensor *tensor = &model->tensors[model->tensor_count + model->adapter_count];
    *tensor = (struct ob_model_tensor){
        .role = OB_ROLE_ADAPTER, .dims = 2, .shape = {rows, columns}, .elements = rows * columns};
    if (!ob_adapter_name(model->tensors[base].name, letter, tensor->name))
        return ob_fail(error, OB_EUSAGE,
                       "%s: tensor %s cannot have an adapter: its name does not end in .weight", model->path,
                       model->tensors[base].name);
    model->adapter_count++;
    return OB_OK;
}

static enum ob_err adapt(struct ob_model *model, size_t base, struct ob_error *error) {
    const struct ob_model_tensor *tensor = &model->tensors[base];
    uint64_t in, out, rank = model->config.adapter_rank;
    if (tensor->role != OB_ROLE_ATTENTION && tensor->role != OB_ROLE_MLP)
        return ob_fail(error, OB_EUSAGE,
                       "%s: tensor %s is not a matrix of attention or mlp and cannot have an adapter",
                       model->path, tensor->name);
    sizes_of(model, base, &in, &out);
    model->adapter_of[base] = (int64_t)(model->tensor_count + model->adapter_count);
    enum ob_err failed = add(model, base, 'A', rank, in, error);
    return failed ? failed : add(model, base, 'B', out, rank, error);
}

enum ob_err ob_model_adapt(struct ob_model *model, uint32_t rank, double alpha, const bool *targets,
                           struct ob_error *error) {
    assert(rank >= 1 && rank <= OB_ADAPTER_RANK_MAX && model->adapter_count == 0);
    struct ob_model_tensor *tensors = reallocarray(model->tensors, model->tensor_count, 3 * sizeof *tensors);
    if (tensors)
        model->tensors = tensors;
    model->adapter_of = calloc(model->tensor_count, sizeof *model->adapter_of);
    if (!tensors || !model->adapter_of)
        return ob_fail(error, OB_ENOMEM, "%s: not enough memory for adapters", model->path);
    model->config.adapter_rank = rank;
    model->config.adapter_alpha = alpha;
    model->config.adapter_scale = (float)(alpha / rank);
    enum ob_err failed = OB_OK;
    for (size_t i = 0; i < model->tensor_count && !failed; i++) {
        model->adapter_of[i] = -1;
        if (targets[i])
            failed = adapt(model, i, error);
    }
    if (!failed && model->adapter_count == 0)
        failed = ob_fail(error, OB_EUSAGE, "%s: no tensor gets an adapter; check --lora-target", model->path);
    return failed;
}

bool ob_adapter_is_a(const struct ob_model *model, size_t tensor) {
    return tensor >= model->tensor_count && (tensor - model->tensor_count) % 2 == 0;
}

/* Finds each A in the basis. */
static enum ob_err match_basis(struct ob_model *model, const char *path, struct ob_error *error) {
    const struct ob_basis *basis = model->basis;
    size_t matrices = model->adapter_count / 2;
    model->basis_index = calloc(matrices + 1, sizeof *model->basis_index);
    if (!model->basis_index)
        return ob_fail(error, OB_ENOMEM, "%s: not enough memory", path);
    for (size_t k = 0; k < matrices; k++) {
        const struct ob_model_tensor *a = &model->tensors[model->tensor_count + 2 * k];
        uint64_t in = 0;
        int64_t found = ob_basis_find(basis, a->name, &in);
        if (found < 0)
            return ob_fail(error, OB_EMISMATCH, "%s: has no tensor %s, which the run needs", path, a->name);
        if (ob_basis_facts(basis)->rank != a->shape[0] || in != a->shape[1])
            return ob_fail(error, OB_EMISMATCH, "%s: the shape of tensor %s does not fit the model", path,
                           a->name);
        model->basis_index[k] = (size_t)found;
    }
    if (ob_basis_count(basis) != matrices)
        return ob_fail(error, OB_EMISMATCH, "%s: has %zu tensors; the run has adapters at %zu matrices", path,
                       ob_basis_count(basis), matrices);
    return OB_OK;
}

enum ob_err ob_model_set_basis(struct ob_model *model, struct ob_basis *basis, const char *path,
                               struct ob_error *error) {
    assert(model->adapter_count > 0 && !model->basis);
    model->basis = basis;
    return match_basis(model, path, error);
}

void ob_adapter_initial(const struct ob_run_id *run, uint32_t number, uint64_t in, uint64_t first,
                        size_t count, int32_t *ret_values) {
    uint8_t key[32], nonce[crypto_stream_chacha20_ietf_NONCEBYTES] = {0}, block[4 * WORDS];
    int bits = 0;
    while (in >> bits)
        bits++;
    crypto_generichash(key, sizeof key, (const unsigned char *)LABEL, sizeof LABEL - 1, run->hash.bytes,
                       OB_HASH_BYTES);
    ob_store_u32(nonce, number);
    for (size_t i = 0; i < count; i++) {
        uint64_t at = first + i;
        if (i == 0 || at % WORDS == 0) {
            memset(block, 0, sizeof block);
            crypto_stream_chacha20_ietf_xor_ic(block, block, sizeof block, nonce, (uint32_t)(at / WORDS),
                                               key);
        }
        ret_values[i] = (int32_t)ob_load_u32(block + 4 * (at % WORDS)) >> (5 + bits / 2);
    }
}

/* One row's part of (out, in): out = row, in = column …; of (in, out): the other way round. */
static void merge_part(const struct ob_weight_source *source, size_t tensor, uint64_t row, uint64_t column,
                       size_t count, float *values) {
    const struct ob_model *model = source->model;
    size_t a = (size_t)model->adapter_of[tensor], b = a + 1, rank = model->config.adapter_rank;
    bool input_major = model->config.family->input_major;
    uint64_t in, out;
    float one[OB_ADAPTER_RANK_MAX], other[BLOCK];
    double sums[BLOCK] = {0};
    sizes_of(model, tensor, &in, &out);
    float *const ones[2] = {one, NULL}, *const others[2] = {other, NULL};
    if (!input_major)
        ob_source_read(source, b, row * rank, rank, ones);
    for (size_t k = 0; k < rank; k++) {
        if (!input_major) {
            ob_source_read(source, a, k * in + column, count, others);
            for (size_t i = 0; i < count; i++)
                sums[i] += (double)one[k] * (double)other[i];
            continue;
        }
        ob_source_read(source, a, k * in + row, 1, ones);
        for (size_t i = 0; i < count; i++) {
            ob_source_read(source, b, (column + i) * rank + k, 1, others);
            sums[i] += (double)one[0] * (double)other[0];
        }
    }
    for (size_t i = 0; i < count; i++)
        values[i] = (float)((double)values[i] + (double)model->config.adapter_scale * sums[i]);
}

void ob_source_read_merged(const struct ob_weight_source *source, size_t tensor, uint64_t first, size_t count,
                           float *ret_values) {
    const struct ob_model *model = source->model;
    float *const lanes[2] = {ret_values, NULL};
    bool is_base = tensor < model->tensor_count;
    assert(!source->key);
    ob_source_read(source, tensor, first, count, lanes);
    if (!is_base || !source->weights || !model->adapter_of || model->adapter_of[tensor] < 0)
        return;
    uint64_t width = model->tensors[tensor].shape[1];
    while (count > 0) {
        uint64_t column = first % width;
        size_t part = width - column < count ? (size_t)(width - column) : count;
        part = part < BLOCK ? part : BLOCK;
        merge_part(source, tensor, first / width, column, part, ret_values);
        first += part;
        count -= part;
        ret_values += part;
    }
}
