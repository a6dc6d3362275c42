#include "daemon/replica.h"

#include <assert.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "model/adapter.h"

#define BATCH_BYTES   (1u << 20) /* bytes of records of one replay pass */
#define BATCH_UPDATES 4096

unsigned ob_processors(void) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return 1;
    int count = CPU_COUNT(&set);
    return count < 1 ? 1 : count > OB_POOL_THREADS_MAX ? OB_POOL_THREADS_MAX : (unsigned)count;
}

/* The manifest's tensor that a model tensor is, checked: -1 when it is not trainable. */
static enum ob_err match(struct ob_replica *replica, size_t tensor, size_t *next, struct ob_error *error) {
    const struct ob_model_tensor *ours = &replica->model->tensors[tensor];
    const struct ob_manifest *manifest = replica->manifest;
    replica->trainable[tensor] = -1;
    if (*next == manifest->tensor_count || strcmp(manifest->tensors[*next].name, ours->name) != 0)
        return ours->role != OB_ROLE_ADAPTER
                   ? OB_OK
                   : ob_fail(error, OB_EMISMATCH, "%s: the run's manifest does not train adapter %s",
                             replica->model->path, ours->name);
    const struct ob_manifest_tensor *theirs = &manifest->tensors[*next];
    if (theirs->layout.elements != ours->elements || theirs->dims != ours->dims ||
        theirs->shape[0] != ours->shape[0])
        return ob_fail(error, OB_EMISMATCH, "%s: tensor %s has another shape than the run's manifest says",
                       replica->model->path, ours->name);
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
        return ob_fail(error, OB_ENOMEM, "out of memory");
    for (size_t i = 0; i < model->tensor_count; i++) {
        char name[OB_NAME_MAX];
        bool can = ob_adapter_name(model->tensors[i].name, 'A', name);
        for (size_t t = 0; can && t < manifest->tensor_count && !targets[i]; t++)
            targets[i] = strcmp(manifest->tensors[t].name, name) == 0;
    }
    enum ob_err failed = ob_model_adapt(model, manifest->lora_rank, manifest->lora_alpha, targets, error);
    free(targets);
    return failed;
}

static enum ob_err check_base(struct ob_replica *replica, struct ob_error *error) {
    struct ob_hash hash;
    enum ob_err failed = ob_model_hash(replica->model, &hash, error);
    if (failed)
        return failed;
    if (!ob_hash_equal(&hash, &replica->manifest->base_hash))
        return ob_fail(error, OB_EMISMATCH,
                       "%s: is not the base model of run \"%s\": its weights have another hash",
                       replica->model->path, replica->manifest->name);
    size_t next = 0;
    failed = adapt(replica, error);
    for (size_t i = 0; !failed && i < replica->model->tensor_count + replica->model->adapter_count; i++)
        failed = match(replica, i, &next, error);
    if (!failed && next != replica->manifest->tensor_count)
        return ob_fail(error, OB_EMISMATCH, "%s: has no tensor %s, which the run's manifest trains",
                       replica->model->path, replica->manifest->tensors[next].name);
    return failed;
}

static enum ob_err load_tensor(struct ob_replica *replica, size_t tensor, struct ob_error *error) {
    float values[8192];
    uint64_t elements = replica->model->tensors[tensor].elements;
    uint32_t number = (uint32_t)replica->trainable[tensor];
    for (uint64_t at = 0; at < elements; at += 8192) {
        if (at % OB_MODEL_RELEASE_ELEMENTS == 0)
            ob_model_release(replica->model, tensor);
        size_t count = elements - at < 8192 ? (size_t)(elements - at) : 8192;
        ob_model_read(replica->model, tensor, at, count, values);
        if (ob_spsa_weights_set(replica->weights, number, at, count, values, error))
            return ob_fail_within(error, "%s: tensor %s", replica->model->path,
                                  replica->model->tensors[tensor].name);
    }
    ob_model_release(replica->model, tensor);
    return OB_OK;
}

/* A of an adapter from the run's own keystream; B stays zero. */
static void load_adapter(struct ob_replica *replica, size_t a) {
    uint32_t number = (uint32_t)replica->trainable[a];
    const struct ob_model_tensor *tensor = &replica->model->tensors[a];
    ob_adapter_initial(&replica->manifest->run, number, tensor->shape[1], 0, (size_t)tensor->elements,
                       replica->weights->values[number]);
}

static enum ob_err load_base(struct ob_replica *replica, struct ob_error *error) {
    size_t count = replica->manifest->tensor_count;
    struct ob_spsa_tensor *layout = calloc(count, sizeof *layout);
    if (!layout)
        return ob_fail(error, OB_ENOMEM, "out of memory");
    for (size_t i = 0; i < count; i++)
        layout[i] = replica->manifest->tensors[i].layout;
    enum ob_err failed = ob_spsa_weights_new(layout, count, &replica->weights, error);
    free(layout);
    for (size_t i = 0; i < replica->model->tensor_count && !failed; i++)
        if (replica->trainable[i] >= 0)
            failed = load_tensor(replica, i, error);
    for (size_t i = 0; i < replica->model->adapter_count && !failed; i += 2)
        load_adapter(replica, replica->model->tensor_count + i);
    return failed;
}

static enum ob_err fill(struct ob_replica *replica, const char *model_folder, unsigned threads,
                        struct ob_error *error) {
    enum ob_err failed = ob_pool_new(threads ? threads : ob_processors(), &replica->pool, error);
    if (failed)
        return failed;
    replica->engine = ob_spsa_engine_best(replica->pool);
    if ((failed = ob_model_open(model_folder, &replica->model, error)))
        return failed;
    replica->trainable =
        calloc(3 * replica->model->tensor_count, sizeof *replica->trainable); /* adapters too */
    if (!replica->trainable)
        return ob_fail(error, OB_ENOMEM, "out of memory");
    failed = check_base(replica, error);
    return failed ? failed : load_base(replica, error);
}

enum ob_err ob_replica_new(const struct ob_manifest *manifest, const char *model_folder, unsigned threads,
                           struct ob_replica **ret_replica, struct ob_error *error) {
    struct ob_replica *replica = calloc(1, sizeof *replica);
    if (!replica)
        return ob_fail(error, OB_ENOMEM, "out of memory");
    replica->manifest = manifest;
    enum ob_err failed = fill(replica, model_folder, threads, error);
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
    free(replica);
}

struct ob_weight_source ob_replica_source(const struct ob_replica *replica) {
    return (struct ob_weight_source){.model = replica->model,
                                     .weights = replica->weights,
                                     .trainable = replica->trainable,
                                     .engine = &replica->engine};
}

struct ob_spsa_update ob_update_of(const struct ob_record *record) {
    return (struct ob_spsa_update){.machine = record->machine,
                                   .first = record->first,
                                   .round = record->round,
                                   .live = record->live,
                                   .n = record->n,
                                   .exponent = record->exponent,
                                   .bytes = record->bytes};
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

struct batch {
    struct ob_replica *replica;
    void (*progress)(void *context, uint64_t samples);
    void *context;
    size_t count, used;
    struct ob_spsa_update updates[BATCH_UPDATES];
    uint8_t bytes[BATCH_BYTES];
};

static enum ob_err flush(struct batch *batch, struct ob_error *error) {
    enum ob_err failed = ob_replica_apply(batch->replica, batch->updates, batch->count, error);
    batch->count = batch->used = 0;
    if (!failed && batch->progress)
        batch->progress(batch->context, batch->replica->samples);
    return failed;
}

static enum ob_err add(void *context, const struct ob_record *record, struct ob_error *error) {
    struct batch *batch = context;
    if (batch->count == BATCH_UPDATES || batch->used + record->n > BATCH_BYTES) {
        enum ob_err failed = flush(batch, error);
        if (failed)
            return failed;
    }
    struct ob_spsa_update *update = &batch->updates[batch->count++];
    *update = ob_update_of(record);
    update->bytes = memcpy(batch->bytes + batch->used, record->bytes, record->n);
    batch->used += record->n;
    return OB_OK;
}

enum ob_err ob_replica_replay(struct ob_replica *replica, struct ob_store *store,
                              void (*progress)(void *context, uint64_t samples), void *context,
                              struct ob_error *error) {
    struct batch *batch = malloc(sizeof *batch);
    if (!batch)
        return ob_fail(error, OB_ENOMEM, "replay: out of memory");
    batch->replica = replica;
    batch->progress = progress;
    batch->context = context;
    batch->count = batch->used = 0;
    enum ob_err failed = ob_store_each(store, add, batch, error);
    if (!failed)
        failed = flush(batch, error);
    free(batch);
    return failed;
}

enum ob_err ob_replica_digest(const struct ob_replica *replica, struct ob_hash *ret_digest,
                              struct ob_error *error) {
    return ob_spsa_digest(&replica->engine, replica->weights, ret_digest, error);
}
