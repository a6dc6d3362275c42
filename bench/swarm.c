#include "bench/swarm.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "model/convert/open_model.h"
#include "run/basis_file.h"

#define PASS_MEMORY_BYTES ((size_t)512 << 20)
#define FOLDER_MAX        64

static struct ob_machine_id machine_of(int64_t number) {
    struct ob_machine_id machine = {0};
    memcpy(machine.key, &number, sizeof number);
    return machine;
}

static uint8_t *record_bytes(struct swarm *swarm, int64_t round, int64_t machine) {
    const struct swarm_options *o = &swarm->options;
    return swarm->bytes + ((round % (o->staleness + 1)) * o->machines + machine) * o->samples_per_round;
}

/* ---- one round ---- */

static void count(struct swarm *swarm, const struct ob_sampled *sampled, size_t samples) {
    const struct swarm_options *o = &swarm->options;
    uint64_t row_sets = (samples + (uint64_t)o->directions - 1) / (uint64_t)o->directions;
    for (size_t k = 0; k < samples; k++) {
        swarm->squares += isfinite(sampled[k].g) ? sampled[k].g * sampled[k].g : 0;
        swarm->losses += isfinite(sampled[k].loss) ? sampled[k].loss : 0;
    }
    swarm->samples += samples;
    swarm->counted += samples;
    swarm->passes += (o->one_sided ? samples + row_sets : 2 * samples) * (uint64_t)o->rows_per_sample;
}

static enum ob_err evaluate_record(struct swarm *swarm, int64_t machine, struct ob_error *error) {
    const struct swarm_options *o = &swarm->options;
    struct ob_weight_source source = ob_replica_source(swarm->replica);
    struct ob_machine_id id = machine_of(machine);
    size_t pass = ob_sampler_pass(swarm->sampler), all = (size_t)o->samples_per_round;
    uint8_t *bytes = record_bytes(swarm, swarm->round, machine);
    enum ob_err failed = OB_OK;
    for (size_t at = 0; at < all && !failed; at += pass) {
        size_t samples = all - at < pass ? all - at : pass;
        struct ob_sample first = {(uint64_t)(swarm->round * o->samples_per_round) + at};
        failed = ob_sampler_run(swarm->sampler, &source, &id, first, samples, false, swarm->sampled, error);
        if (failed)
            return failed;
        for (size_t k = 0; k < samples; k++)
            bytes[at + k] = swarm->sampled[k].byte;
        count(swarm, swarm->sampled, samples);
    }
    return failed;
}

static enum ob_err apply_round(struct swarm *swarm, int64_t round, struct ob_error *error) {
    const struct swarm_options *o = &swarm->options;
    enum ob_err failed = OB_OK;
    for (int64_t m = 0; m < o->machines && !failed; m++) {
        struct ob_spsa_update update = {.machine = machine_of(m),
                                        .first = {(uint64_t)(round * o->samples_per_round)},
                                        .round = {(uint32_t)round},
                                        .live = (uint16_t)o->machines,
                                        .n = (uint16_t)o->samples_per_round,
                                        .bytes = record_bytes(swarm, round, m)};
        failed = ob_replica_apply(swarm->replica, &update, 1, error);
    }
    return failed;
}

enum ob_err swarm_round(struct swarm *swarm, struct ob_error *error) {
    const struct swarm_options *o = &swarm->options;
    int64_t due = swarm->round - 1 - o->staleness;
    enum ob_err failed = due >= 0 ? apply_round(swarm, due, error) : OB_OK;
    for (int64_t m = 0; m < o->machines && !failed; m++)
        failed = evaluate_record(swarm, m, error);
    swarm->round++;
    return failed;
}

enum ob_err swarm_catch_up(struct swarm *swarm, struct ob_error *error) {
    enum ob_err failed = OB_OK;
    int64_t first = swarm->round - 1 - swarm->options.staleness;
    for (int64_t round = first < 0 ? 0 : first; round < swarm->round && !failed; round++)
        failed = apply_round(swarm, round, error);
    return failed;
}

enum ob_err swarm_evaluate(struct swarm *swarm, struct swarm_score *ret_score, struct ob_error *error) {
    struct ob_weight_source source = ob_replica_source(swarm->replica);
    const struct ob_corpus *corpus = swarm->held_out;
    size_t end = ob_corpus_items(corpus), at = 0;
    struct ob_task_score score = {0};
    enum ob_err failed = OB_OK;
    if (end > (size_t)swarm->options.held_out)
        end = (size_t)swarm->options.held_out;
    while (at < end && !failed) {
        ob_batch_clear(swarm->batch);
        size_t first = at;
        while (at < end && at - first < (size_t)swarm->options.batch &&
               ob_corpus_add(corpus, at, swarm->batch))
            at++;
        failed = ob_task_add_score(&swarm->task, swarm->forward, &source, swarm->batch, &score, error);
    }
    bool choices = ob_corpus_has_choices(corpus);
    ret_score->loss =
        choices ? score.group_loss / (double)score.groups : score.token_loss / (double)score.targets;
    ret_score->accuracy = choices ? (double)score.right / (double)score.groups : (double)NAN;
    return failed;
}

/* ---- setting up ---- */

/* The basis as a file beside the manifest, and its name; adapters of its rank. */
static enum ob_err lend_basis(const struct swarm_options *o, const char *beside, struct ob_hash *ret_name,
                              struct ob_manifest_options *run, struct ob_error *error) {
    static const char *const ALL[] = {"attention", "mlp"};
    struct ob_basis *basis = NULL;
    size_t count;
    enum ob_err failed = ob_basis_open(o->basis, &basis, error);
    if (failed)
        return failed;
    const uint8_t *bytes = ob_basis_bytes(basis, &count);
    failed = ob_run_basis_name(bytes, count, ret_name, error);
    run->basis = ret_name;
    run->lora_rank = ob_basis_facts(basis)->rank;
    run->lora_alpha = run->lora_rank;
    if (run->lora_target_count == 0) {
        run->lora_targets = ALL;
        run->lora_target_count = sizeof ALL / sizeof *ALL;
    }
    ob_basis_free(basis);
    char *whole = failed ? NULL : realpath(o->basis, NULL);
    if (!failed && (!whole || symlink(whole, beside)))
        failed = ob_fail(error, OB_EIO, "%s: %s", beside, strerror(errno));
    free(whole);
    return failed;
}

/* The manifest as `run create` would write it, read back; then named after the seed, so that a run can be repeated. */
static enum ob_err create_run(struct swarm *swarm, const char *folder, struct ob_error *error) {
    const struct swarm_options *o = &swarm->options;
    struct ob_manifest_options run = o->run;
    struct ob_model *model = NULL;
    char file[FOLDER_MAX + 16], basis[FOLDER_MAX + 32];
    memset(run.authority.key, 1, OB_KEY_BYTES); /* nobody is admitted here */
    run.samples_per_round = (uint16_t)o->samples_per_round;
    run.rounds = (uint32_t)o->rounds;
    (void)snprintf(file, sizeof file, "%s/run.json", folder);
    (void)snprintf(basis, sizeof basis, "%s/run.basis.safetensors", folder);
    struct ob_hash name;
    enum ob_err failed = o->basis ? lend_basis(o, basis, &name, &run, error) : OB_OK;
    if (!failed)
        failed = ob_model_open(o->model, &model, error);
    if (!failed)
        failed = ob_manifest_create(model, &run, file, error);
    if (!failed)
        failed = ob_manifest_read(file, &swarm->manifest, error);
    ob_model_free(model);
    if (!failed)
        failed =
            ob_replica_new(swarm->manifest, o->model, (unsigned)o->threads, NULL, &swarm->replica, error);
    if (!failed) {
        memset(&swarm->manifest->rule.run, 0, sizeof swarm->manifest->rule.run);
        memcpy(&swarm->manifest->rule.run, &o->seed, sizeof o->seed);
    }
    (void)unlink(file);
    (void)unlink(basis);
    return failed;
}

static enum ob_err open_run(struct swarm *swarm, struct ob_error *error) {
    char folder[FOLDER_MAX] = "/tmp/onebyte-learning-XXXXXX";
    if (!mkdtemp(folder))
        return ob_fail(error, OB_EIO, "%s: cannot be created: %s", folder, strerror(errno));
    enum ob_err failed = create_run(swarm, folder, error);
    (void)rmdir(folder);
    return failed;
}

static enum ob_err multiply_as_asked(const struct swarm_options *o, struct ob_forward *forward,
                                     struct ob_error *error) {
    enum ob_err failed = ob_forward_use_named(forward, o->products, error);
    if (!failed && o->prefix_mib > 0)
        failed = ob_forward_keep_prefix(forward, (size_t)o->prefix_mib << 20, NULL, 0, error);
    return failed;
}

static enum ob_err open_sampler(struct swarm *swarm, struct ob_error *error) {
    const struct swarm_options *o = &swarm->options;
    struct ob_sampler_options options = {.model = &swarm->replica->model->config,
                                         .pool = swarm->replica->pool,
                                         .corpus = swarm->corpus,
                                         .run = swarm->manifest->rule.run,
                                         .code = swarm->manifest->rule.code,
                                         .epsilon = swarm->manifest->epsilon,
                                         .seed = (uint64_t)o->seed,
                                         .rows = (size_t)o->rows,
                                         .rows_per_sample = (size_t)o->rows_per_sample,
                                         .directions = (size_t)o->directions,
                                         .one_sided = o->one_sided,
                                         .memory_bytes = PASS_MEMORY_BYTES};
    enum ob_err failed = ob_sampler_new(&options, &swarm->sampler, error);
    return failed ? failed : multiply_as_asked(o, ob_sampler_forward(swarm->sampler), error);
}

/* A mini-batch of any held-out items fits. */
static enum ob_err open_evaluation(struct swarm *swarm, struct ob_error *error) {
    size_t items = (size_t)swarm->options.batch, tokens = items * ob_corpus_item_tokens(swarm->held_out);
    size_t sequences = items * ob_corpus_item_sequences(swarm->held_out);
    enum ob_err failed = ob_forward_new(&swarm->replica->model->config, tokens, sequences,
                                        swarm->replica->pool, &swarm->forward, error);
    if (!failed)
        failed = multiply_as_asked(&swarm->options, swarm->forward, error);
    if (!failed)
        failed = ob_batch_new(sequences, tokens, &swarm->batch, error);
    if (!failed)
        failed = ob_task_init(&swarm->task, sequences, error);
    return failed;
}

static enum ob_err make_room(struct swarm *swarm, struct ob_error *error) {
    const struct swarm_options *o = &swarm->options;
    swarm->sampled = calloc(ob_sampler_pass(swarm->sampler), sizeof *swarm->sampled);
    swarm->bytes = calloc((size_t)(o->staleness + 1) * (size_t)o->machines, (size_t)o->samples_per_round);
    return swarm->sampled && swarm->bytes ? OB_OK : ob_fail(error, OB_ENOMEM, "out of memory");
}

enum ob_err swarm_init(struct swarm *swarm, const struct swarm_options *options, struct ob_error *error) {
    *swarm = (struct swarm){.options = *options};
    const struct swarm_options *o = &swarm->options;
    struct ob_corpus_options rows = {.length_max = (size_t)o->length};
    enum ob_err failed = open_run(swarm, error);
    if (!failed)
        failed = ob_tokenizer_open(o->model, &swarm->tokenizer, error);
    if (!failed)
        failed = ob_corpus_open(o->data, swarm->tokenizer, &rows, &swarm->corpus, error);
    if (!failed)
        failed = ob_corpus_open(o->held_out_data, swarm->tokenizer, &rows, &swarm->held_out, error);
    if (!failed)
        failed = open_sampler(swarm, error);
    if (!failed)
        failed = make_room(swarm, error);
    return failed ? failed : open_evaluation(swarm, error);
}

void swarm_done(struct swarm *swarm) {
    ob_task_done(&swarm->task);
    ob_batch_free(swarm->batch);
    ob_forward_free(swarm->forward);
    ob_sampler_free(swarm->sampler);
    free(swarm->sampled);
    free(swarm->bytes);
    ob_corpus_free(swarm->held_out);
    ob_corpus_free(swarm->corpus);
    ob_tokenizer_free(swarm->tokenizer);
    ob_replica_free(swarm->replica);
    ob_manifest_free(swarm->manifest);
}
