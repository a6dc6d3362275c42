#include "run/replica.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "model/convert/open_model.h"
#include "model/families/adapter.h"
#include "run/base_weights.h"
#include "run/basis_file.h"
#include "spsa/memory_check.h"

/* The adapters' A, of a file that is what the manifest says. */
static enum ob_err open_basis(struct ob_replica *replica, struct ob_error *error) {
    const struct ob_manifest *manifest = replica->manifest;
    struct ob_basis *basis = NULL;
    enum ob_err failed = ob_run_basis_open(manifest, &basis, error);
    return failed ? failed : ob_model_set_basis(replica->model, basis, manifest->basis_path, error);
}

/* The manifest's tensor that a model tensor is, checked: -1 when it is not trainable. */
static enum ob_err match(struct ob_replica *replica, size_t tensor, size_t *next, struct ob_error *error) {
    const struct ob_model_tensor *ours = &replica->model->tensors[tensor];
    const struct ob_manifest *manifest = replica->manifest;
    replica->trainable[tensor] = -1;
    if (manifest->has_basis && ob_adapter_is_a(replica->model, tensor))
        return OB_OK;
    if (*next == manifest->tensor_count || strcmp(manifest->tensors[*next].name, ours->name) != 0)
        return ours->role != OB_ROLE_ADAPTER
                   ? OB_OK
                   : ob_fail(error, OB_EMISMATCH, "%s: the manifest does not list adapter %s",
                             replica->model->path, ours->name);
    const struct ob_manifest_tensor *theirs = &manifest->tensors[*next];
    if (theirs->layout.elements != ours->elements || theirs->dims != ours->dims ||
        theirs->shape[0] != ours->shape[0])
        return ob_fail(error, OB_EMISMATCH, "%s: the shape of tensor %s differs from the manifest",
                       replica->model->path, ours->name);
    replica->model_tensor[*next] = tensor;
    replica->trainable[tensor] = (int64_t)(*next)++;
    return OB_OK;
}

/* Gives the model the adapters that the manifest trains. */
static enum ob_err adapt(struct ob_replica *replica, struct ob_error *error) {
    const struct ob_manifest *manifest = replica->manifest;
    struct ob_model *model = replica->model;
    if (!manifest->lora_rank)
        return OB_OK;
    bool *targets = calloc(model->tensor_count, sizeof *targets);
    if (!targets)
        return ob_fail(error, OB_ENOMEM, "%s: not enough memory for its tensors", replica->model->path);
    for (size_t i = 0; i < model->tensor_count; i++) {
        char name[OB_NAME_MAX];
        bool can = ob_adapter_name(model->tensors[i].name, manifest->has_basis ? 'B' : 'A', name);
        for (size_t t = 0; can && t < manifest->tensor_count && !targets[i]; t++)
            targets[i] = strcmp(manifest->tensors[t].name, name) == 0;
    }
    enum ob_err failed = ob_model_adapt(model, manifest->lora_rank, manifest->lora_alpha, targets, error);
    free(targets);
    return failed;
}

static enum ob_err check_base(struct ob_replica *replica, const struct ob_progress_callback *progress,
                              struct ob_error *error) {
    struct ob_hash hash;
    enum ob_err failed = ob_model_hash(replica->model, progress, &hash, error);
    if (failed)
        return failed;
    if (!ob_hash_equal(&hash, &replica->manifest->base_hash))
        return ob_fail(
            error, OB_EMISMATCH,
            "%s: not the base model of run \"%s\": the hash of its weights differs from the manifest",
            replica->model->path, replica->manifest->name);
    size_t next = 0;
    failed = adapt(replica, error);
    if (!failed && replica->manifest->has_basis)
        failed = open_basis(replica, error);
    for (size_t i = 0; !failed && i < replica->model->tensor_count + replica->model->adapter_count; i++)
        failed = match(replica, i, &next, error);
    if (!failed && next != replica->manifest->tensor_count)
        return ob_fail(error, OB_EMISMATCH, "%s: tensor %s, which the manifest lists, is missing",
                       replica->model->path, replica->manifest->tensors[next].name);
    return failed;
}

/* A of an adapter comes from the run's own keystream, its B is zero; the rest is the checkpoint's. */
enum ob_err ob_replica_base(const struct ob_replica *replica, size_t tensor, uint64_t first, size_t count,
                            int32_t *ret_values, struct ob_error *error) {
    const struct ob_model *model = replica->model;
    size_t number = replica->model_tensor[tensor];
    if (number < model->tensor_count)
        return ob_base_read(model, number, replica->manifest->tensors[tensor].layout.exponent, first, count,
                            ret_values, error);
    if (ob_adapter_is_a(model, number))
        ob_adapter_initial(&replica->manifest->run, (uint32_t)tensor, model->tensors[number].shape[1], first,
                           count, ret_values);
    else
        memset(ret_values, 0, count * sizeof *ret_values);
    return OB_OK;
}

static enum ob_err load_tensor(struct ob_replica *replica, size_t tensor, struct ob_error *error) {
    const struct ob_spsa_tensor *layout = &replica->manifest->tensors[tensor].layout;
    size_t number = replica->model_tensor[tensor];
    int32_t *values = replica->weights->values[tensor];
    if (number < replica->model->tensor_count)
        return ob_base_load(replica->model, number, layout->exponent, values, error);
    return ob_replica_base(replica, tensor, 0, (size_t)layout->elements, values, error);
}

static enum ob_err load_base(struct ob_replica *replica, const struct ob_progress_callback *progress,
                             struct ob_error *error) {
    size_t count = replica->manifest->tensor_count;
    uint64_t done = 0, size = 0;
    struct ob_spsa_tensor *layout = calloc(count, sizeof *layout);
    if (!layout)
        return ob_fail(error, OB_ENOMEM, "%s: not enough memory for its tensors", replica->model->path);
    for (size_t i = 0; i < count; i++) {
        layout[i] = replica->manifest->tensors[i].layout;
        size += layout[i].elements * sizeof(int32_t);
    }
    enum ob_err failed = ob_spsa_weights_new(layout, count, &replica->weights, error);
    free(layout);
    if (!failed)
        replica->weights->distribution = replica->manifest->rule.distribution;
    for (size_t i = 0; i < count && !failed; i++) {
        failed = ob_progress_tell(progress, "loading the base model", done, size, error);
        if (!failed)
            failed = load_tensor(replica, i, error);
        done += replica->manifest->tensors[i].layout.elements * sizeof(int32_t);
    }
    return failed;
}

static enum ob_err fill(struct ob_replica *replica, const char *model_folder, unsigned threads,
                        const struct ob_progress_callback *progress, struct ob_error *error) {
    enum ob_err failed = ob_pool_new(threads ? threads : ob_processors(), &replica->pool, error);
    if (failed)
        return failed;
    replica->engine = ob_spsa_engine_fastest(replica->pool, ob_now_ns, &replica->race);
    if ((failed = ob_model_open(model_folder, &replica->model, error)))
        return failed;
    replica->trainable =
        calloc(3 * replica->model->tensor_count, sizeof *replica->trainable); /* adapters too */
    replica->model_tensor = calloc(replica->manifest->tensor_count, sizeof *replica->model_tensor);
    if (!replica->trainable || !replica->model_tensor)
        return ob_fail(error, OB_ENOMEM, "%s: not enough memory for its tensors", replica->model->path);
    failed = check_base(replica, progress, error);
    return failed ? failed : load_base(replica, progress, error);
}

enum ob_err ob_replica_new(const struct ob_manifest *manifest, const char *model_folder, unsigned threads,
                           const struct ob_progress_callback *progress, struct ob_replica **ret_replica,
                           struct ob_error *error) {
    struct ob_replica *replica = calloc(1, sizeof *replica);
    if (!replica)
        return ob_fail(error, OB_ENOMEM, "%s: not enough memory", model_folder);
    replica->manifest = manifest;
    enum ob_err failed = fill(replica, model_folder, threads, progress, error);
    if (failed) {
        ob_replica_free(replica);
        return failed;
    }
    *ret_replica = replica;
    return OB_OK;
}

void ob_replica_free(struct ob_replica *replica) {
    if (!replica)
        return;
    ob_spsa_weights_free(replica->weights);
    ob_model_free(replica->model);
    ob_pool_free(replica->pool);
    free(replica->trainable);
    free(replica->model_tensor);
    free(replica);
}

struct ob_weight_source ob_replica_source(const struct ob_replica *replica) {
    return (struct ob_weight_source){.model = replica->model,
                                     .weights = replica->weights,
                                     .trainable = replica->trainable,
                                     .engine = &replica->engine};
}

enum ob_err ob_replica_apply(struct ob_replica *replica, const struct ob_spsa_update *updates, size_t count,
                             struct ob_error *error) {
    enum ob_err failed =
        ob_spsa_apply(&replica->engine, replica->weights, &replica->manifest->rule, updates, count, error);
    for (size_t i = 0; i < count && !failed; i++)
        replica->samples += updates[i].n;
    return failed;
}

enum ob_err ob_replica_unapply(struct ob_replica *replica, const struct ob_spsa_update *updates, size_t count,
                               struct ob_error *error) {
    enum ob_err failed =
        ob_spsa_unapply(&replica->engine, replica->weights, &replica->manifest->rule, updates, count, error);
    for (size_t i = 0; i < count && !failed; i++)
        replica->samples -= updates[i].n;
    return failed;
}

struct replay {
    struct ob_replica *replica;
    bool (*counts)(void *context, const struct ob_record *record);
    void *context;
    struct ob_updates updates;
};

static enum ob_err flush(struct replay *replay, struct ob_error *error) {
    enum ob_err failed =
        ob_replica_apply(replay->replica, replay->updates.items, replay->updates.count, error);
    ob_updates_clear(&replay->updates);
    return failed;
}

static enum ob_err add(void *context, const struct ob_record *record, struct ob_error *error) {
    struct replay *replay = context;
    if (replay->counts && !replay->counts(replay->context, record))
        return OB_OK;
    enum ob_err failed = ob_updates_add(&replay->updates, record, error);
    return failed || !ob_updates_many(&replay->updates) ? failed : flush(replay, error);
}

enum ob_err ob_replica_replay_from(struct ob_replica *replica, ob_record_source_fn each, void *source,
                                   bool (*counts)(void *context, const struct ob_record *record),
                                   void *context, struct ob_error *error) {
    struct replay replay = {.replica = replica, .counts = counts, .context = context};
    enum ob_err failed = each(source, add, &replay, error);
    if (!failed)
        failed = flush(&replay, error);
    ob_updates_done(&replay.updates);
    return failed;
}

static enum ob_err each_of_store(void *source, ob_store_record_fn see, void *context,
                                 struct ob_error *error) {
    return ob_store_each(source, see, context, error);
}

enum ob_err ob_replica_replay(struct ob_replica *replica, struct ob_store *store,
                              bool (*counts)(void *context, const struct ob_record *record), void *context,
                              struct ob_error *error) {
    return ob_replica_replay_from(replica, each_of_store, store, counts, context, error);
}

enum ob_err ob_replica_to_base(struct ob_replica *replica, struct ob_error *error) {
    enum ob_err failed = OB_OK;
    for (size_t i = 0; i < replica->manifest->tensor_count && !failed; i++)
        failed = load_tensor(replica, i, error);
    replica->samples = 0;
    if (!failed && replica->weights->sums)
        failed = ob_spsa_memory_check_start(&replica->engine, replica->weights, error);
    return failed;
}

enum ob_err ob_replica_digest(const struct ob_replica *replica, struct ob_hash *ret_digest,
                              struct ob_error *error) {
    return ob_spsa_digest(&replica->engine, replica->weights, ret_digest, error);
}
