/* parallel - held-out loss after a fixed number of samples, by how many of them were drawn at the same
 * weights: machines × samples a round × (staleness + 1). One process plays all machines with the real
 * directions, bytes, replay and forward pass; only the network is left out. Mini-batch number i of the whole
 * run is the same in every arrangement, so that results differ by the arrangement alone.
 *
 * Round r is evaluated at the weights of all records of rounds below r - k, a machine's own included (a real
 * machine has its own at once: this is the hard case). Prints one JSON object. */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/options_help.h"
#include "model/convert/open_model.h"
#include "model/convert/open_tokenizer.h"
#include "model/data/corpus.h"
#include "model/data/loss.h"
#include "model/families/adapter.h"
#include "model/forward/blas.h"
#include "model/forward/forward.h"
#include "run/manifest_create.h"
#include "run/replica.h"
#include "spsa/probe.h"

struct arrangement {
    const char *model, *data, *held_out_data;
    int64_t machines, samples_per_round, staleness, samples, batch, length, s0, seed, held_out;
    int64_t lora_rank, lora_scale; /* 0: no adapters; log2 of their direction scale */
    double learning_rate, lora_alpha;
    bool lora_mlp;         /* adapters of mlp too, not of attention alone */
    int combine, schedule; /* enum ob_spsa_combine, enum ob_schedule */
};

struct swarm {
    struct arrangement plan;
    struct ob_manifest *manifest;
    struct ob_replica *replica;
    struct ob_tokenizer *tokenizer;
    struct ob_corpus *corpus, *held_out;
    struct ob_forward *forward;
    struct ob_task task;
    struct ob_batch *batch;
    uint8_t *bytes; /* of every sample of the run: (round, machine, sample) */
    uint64_t done;  /* samples evaluated */
};

static enum ob_err pair_loss(void *context, const struct ob_spsa_key *key, float epsilon,
                             struct ob_spsa_losses *ret_losses, struct ob_error *error) {
    struct swarm *swarm = context;
    struct ob_weight_source source = ob_replica_source(swarm->replica);
    double losses[2];
    source.key = key;
    source.epsilon = epsilon;
    enum ob_err failed = ob_task_losses(&swarm->task, swarm->forward, &source, swarm->batch, losses, error);
    if (!failed)
        *ret_losses = (struct ob_spsa_losses){.plus = losses[0], .minus = losses[1]};
    return failed;
}

static struct ob_machine_id machine_of(int64_t number) {
    struct ob_machine_id machine = {0};
    memcpy(machine.key, &number, sizeof number);
    return machine;
}

static enum ob_err evaluate_round(struct swarm *swarm, int64_t round, struct ob_error *error) {
    const struct arrangement *plan = &swarm->plan;
    enum ob_err failed = OB_OK;
    for (int64_t m = 0; m < plan->machines && !failed; m++) {
        struct ob_machine_id machine = machine_of(m);
        for (int64_t i = 0; i < plan->samples_per_round && !failed; i++) {
            struct ob_sample sample = {(uint64_t)(round * plan->samples_per_round + i)};
            struct ob_spsa_key key = ob_spsa_direction_key(&swarm->manifest->rule.run, &machine, sample);
            struct ob_spsa_estimate estimate;
            ob_corpus_draw(swarm->corpus, (uint64_t)plan->seed, swarm->done, (size_t)plan->batch,
                           swarm->batch);
            failed = ob_spsa_probe(&key, swarm->manifest->epsilon, &swarm->manifest->rule.code, 0, NULL,
                                   pair_loss, swarm, &estimate, error);
            if (!failed)
                swarm->bytes[swarm->done++] = estimate.byte;
        }
    }
    return failed;
}

static enum ob_err apply_round(struct swarm *swarm, int64_t round, struct ob_error *error) {
    const struct arrangement *plan = &swarm->plan;
    enum ob_err failed = OB_OK;
    for (int64_t m = 0; m < plan->machines && !failed; m++) {
        struct ob_spsa_update update = {.machine = machine_of(m),
                                        .first = {(uint64_t)(round * plan->samples_per_round)},
                                        .round = {(uint32_t)round},
                                        .live = (uint16_t)plan->machines,
                                        .n = (uint16_t)plan->samples_per_round,
                                        .bytes = swarm->bytes +
                                                 (round * plan->machines + m) * plan->samples_per_round};
        failed = ob_replica_apply(swarm->replica, &update, 1, error);
    }
    return failed;
}

struct result {
    double loss;
    double accuracy; /* of rows with choices; NAN: there are none */
};

/* The task's loss over the first items of the held-out rows, as `onebyte eval` has it. */
static enum ob_err held_out_loss(struct swarm *swarm, struct result *ret_result, struct ob_error *error) {
    struct ob_weight_source source = ob_replica_source(swarm->replica);
    const struct ob_corpus *corpus = swarm->held_out;
    size_t end = ob_corpus_items(corpus);
    struct ob_task_score score = {0};
    enum ob_err failed = OB_OK;
    if (end > (size_t)swarm->plan.held_out)
        end = (size_t)swarm->plan.held_out;
    for (size_t at = 0; at < end && !failed;) {
        ob_batch_clear(swarm->batch);
        size_t first = at;
        while (at < end && at - first < (size_t)swarm->plan.batch && ob_corpus_add(corpus, at, swarm->batch))
            at++;
        failed = ob_task_add_score(&swarm->task, swarm->forward, &source, swarm->batch, &score, error);
    }
    bool choices = ob_corpus_has_choices(corpus);
    ret_result->loss =
        choices ? score.group_loss / (double)score.groups : score.token_loss / (double)score.targets;
    ret_result->accuracy = choices ? (double)score.right / (double)score.groups : (double)NAN;
    return failed;
}

static enum ob_err train(struct swarm *swarm, struct ob_error *error) {
    const struct arrangement *plan = &swarm->plan;
    int64_t rounds = plan->samples / (plan->machines * plan->samples_per_round);
    enum ob_err failed = OB_OK;
    for (int64_t round = 0; round < rounds && !failed; round++) {
        if (round > plan->staleness)
            failed = apply_round(swarm, round - 1 - plan->staleness, error);
        if (!failed)
            failed = evaluate_round(swarm, round, error);
    }
    int64_t left = rounds < plan->staleness + 1 ? rounds : plan->staleness + 1;
    for (int64_t round = rounds - left; round < rounds && !failed; round++)
        failed = apply_round(swarm, round, error);
    return failed;
}

/* The manifest as `run create` would write it, read back; then named after the seed, so that a run can be
 * repeated. */
static enum ob_err create_run(struct swarm *swarm, const char *folder, struct ob_error *error) {
    const struct arrangement *plan = &swarm->plan;
    struct ob_manifest_options options = ob_manifest_defaults();
    memset(options.authority.key, 1, OB_KEY_BYTES); /* nobody is admitted here */
    struct ob_model *model = NULL;
    char path[] = "/tmp/onebyte-parallel-XXXXXX";
    if (!mkdtemp(path))
        return ob_fail(error, OB_EIO, "%s: cannot be created", path);
    char file[sizeof path + 16];
    (void)snprintf(file, sizeof file, "%s/run.json", path);
    options.learning_rate = plan->learning_rate;
    options.schedule = (enum ob_schedule)plan->schedule;
    options.combine = (enum ob_spsa_combine)plan->combine;
    options.s0 = (uint32_t)plan->s0;
    options.samples_per_round = (uint16_t)plan->samples_per_round;
    static const char *const TARGETS[] = {"attention", "mlp"};
    options.lora_rank = (uint32_t)plan->lora_rank;
    options.lora_alpha = plan->lora_alpha;
    options.lora_targets = TARGETS;
    options.lora_target_count = plan->lora_mlp ? 2 : 1;
    options.log2_scale[OB_ROLE_ADAPTER] = (int32_t)plan->lora_scale;
    options.rounds = (uint32_t)(plan->samples / (plan->machines * plan->samples_per_round));
    enum ob_err failed = ob_model_open(folder, &model, error);
    if (!failed)
        failed = ob_manifest_create(model, &options, file, error);
    if (!failed)
        failed = ob_manifest_read(file, &swarm->manifest, error);
    (void)unlink(file);
    (void)rmdir(path);
    ob_model_free(model);
    if (!failed) {
        memset(&swarm->manifest->rule.run, 0, sizeof swarm->manifest->rule.run);
        memcpy(&swarm->manifest->rule.run, &plan->seed, sizeof plan->seed);
    }
    return failed;
}

static size_t larger(size_t a, size_t b) {
    return a > b ? a : b;
}

/* A mini-batch of any items, of either file, fits. */
static enum ob_err make_room(struct swarm *swarm, struct ob_error *error) {
    size_t items = (size_t)swarm->plan.batch;
    size_t tokens =
        items * larger(ob_corpus_item_tokens(swarm->corpus), ob_corpus_item_tokens(swarm->held_out));
    size_t sequences =
        items * larger(ob_corpus_item_sequences(swarm->corpus), ob_corpus_item_sequences(swarm->held_out));
    enum ob_err failed = ob_forward_new(&swarm->replica->model->config, tokens, sequences,
                                        swarm->replica->pool, &swarm->forward, error);
    if (!failed)
        failed = ob_batch_new(sequences, tokens, &swarm->batch, error);
    if (!failed)
        failed = ob_task_init(&swarm->task, sequences, error);
    return failed;
}

static enum ob_err set_up(struct swarm *swarm, const char *folder, const char *data, const char *held_out,
                          struct ob_error *error) {
    const struct arrangement *plan = &swarm->plan;
    struct ob_corpus_options options = {.length_max = (size_t)plan->length};
    swarm->bytes = malloc((size_t)plan->samples);
    if (!swarm->bytes)
        return ob_fail(error, OB_ENOMEM, "out of memory");
    enum ob_err failed = create_run(swarm, folder, error);
    if (!failed)
        failed = ob_replica_new(swarm->manifest, folder, 1, &swarm->replica, error);
    if (!failed)
        failed = ob_tokenizer_open(folder, &swarm->tokenizer, error);
    if (!failed)
        failed = ob_corpus_open(data, swarm->tokenizer, &options, &swarm->corpus, error);
    if (!failed)
        failed = ob_corpus_open(held_out, swarm->tokenizer, &options, &swarm->held_out, error);
    return failed ? failed : make_room(swarm, error);
}

static void tear_down(struct swarm *swarm) {
    ob_task_done(&swarm->task);
    ob_batch_free(swarm->batch);
    ob_forward_free(swarm->forward);
    ob_corpus_free(swarm->held_out);
    ob_corpus_free(swarm->corpus);
    ob_tokenizer_free(swarm->tokenizer);
    ob_replica_free(swarm->replica);
    ob_manifest_free(swarm->manifest);
    free(swarm->bytes);
}

#define AT(member) OB_ARGUMENT(struct arrangement, member)

static const char *const COMBINES[] = {"capped", "sum", "sqrt", "mean", NULL};
static const char *const SCHEDULES[] = {"constant", "linear", "cosine", NULL};
static const struct ob_option OPTIONS[] = {
    {"model", "MODEL", "base model", AT(model), .required = true},
    {"data", "FILE", "rows to train on", AT(data), .required = true},
    {"held-out", "FILE", "rows to evaluate on", AT(held_out_data), .required = true},
    {"machines", "N", "machines", AT(machines), .low = 1, .high = 4096, .fallback = "1"},
    {"samples-per-round", "N", "samples of a record", AT(samples_per_round), .low = 1,
     .high = OB_SAMPLES_PER_ROUND_MAX, .fallback = "1"},
    {"staleness", "K", "rounds that a machine is ahead of what it has seen", AT(staleness), .low = 0,
     .high = 1024, .fallback = "0"},
    {"samples", "N", "samples of the whole run", AT(samples), .low = 1, .high = 1 << 24, .fallback = "2048"},
    {"batch", "N", "rows of a mini-batch", AT(batch), .low = 1, .high = 1024, .fallback = "4"},
    {"length", "N", "tokens of a row", AT(length), .low = 2, .high = 4096, .fallback = "64"},
    {"s0", "N", "for capped: parallel samples at the full rate", AT(s0), .low = 1, .high = 1 << 24,
     .fallback = "64"},
    {"seed", "N", "of the directions", AT(seed), .low = 0, .high = INT32_MAX, .fallback = "1"},
    {"held-out-rows", "N", "rows to evaluate on", AT(held_out), .low = 1, .high = INT32_MAX,
     .fallback = "256"},
    {"lr", "RATE", "peak learning rate", AT(learning_rate), .least = 1e-12, .most = 0.999,
     .fallback = "3e-5"},
    {"combine", "NAME", "how samples are combined", AT(combine), .choices = COMBINES, .fallback = "sum"},
    {"schedule", "NAME", "of the rate", AT(schedule), .choices = SCHEDULES, .fallback = "linear"},
    {"lora-rank", "N", "rank of the adapters; 0: none", AT(lora_rank), .low = 0, .high = OB_ADAPTER_RANK_MAX,
     .fallback = "0"},
    {"lora-alpha", "A", "of the adapters", AT(lora_alpha), .least = 1e-3, .most = 1e6, .fallback = "16"},
    {"scale-adapter", "K", "log2 of the adapters' direction scale", AT(lora_scale), .low = -16, .high = 16,
     .fallback = "0"},
    {"lora-mlp", NULL, "adapters of the mlp too", AT(lora_mlp)},
};

static const struct ob_command COMMAND = {
    .name = "",
    .summary =
        "measure the held-out loss after a fixed number of samples, by how many were drawn in parallel",
    OB_OPTIONS(OPTIONS),
    .arguments_bytes = sizeof(struct arrangement),
};

static void print(const struct swarm *swarm, const struct result *before, const struct result *after) {
    const struct arrangement *plan = &swarm->plan;
    json_t *result = json_pack(
        "{s:I, s:I, s:I, s:I, s:I, s:s, s:I, s:f, s:I, s:I, s:f, s:f}", "machines", plan->machines,
        "samples_per_round", plan->samples_per_round, "staleness", plan->staleness, "parallel",
        plan->machines * plan->samples_per_round * (plan->staleness + 1), "samples", (json_int_t)swarm->done,
        "combine", ob_spsa_combine_name((enum ob_spsa_combine)plan->combine), "s0", plan->s0, "lr",
        plan->learning_rate, "seed", plan->seed, "lora_rank", plan->lora_rank, "loss_before", before->loss,
        "loss_after", after->loss);
    if (isfinite(before->accuracy)) {
        json_object_set_new(result, "accuracy_before", json_real(before->accuracy));
        json_object_set_new(result, "accuracy_after", json_real(after->accuracy));
    }
    json_dumpf(result, stdout, JSON_COMPACT | JSON_REAL_PRECISION(7));
    putchar('\n');
    json_decref(result);
}

static int complain(const struct ob_error *error) {
    fprintf(stderr, "parallel: %s\n", error->text);
    return error->code == OB_EUSAGE ? 2 : 1;
}

int main(int argc, char **argv) {
    struct swarm swarm = {0};
    struct ob_error error = {0};
    enum ob_options_wanted wanted;
    struct result before, after;
    if (ob_options_parse(&COMMAND, argc, argv, &swarm.plan, &wanted, &error))
        return complain(&error);
    if (wanted != OB_WANTED_RUN) {
        ob_options_help("parallel", &COMMAND, stdout);
        return 0;
    }
    if (swarm.plan.samples < swarm.plan.machines * swarm.plan.samples_per_round) {
        (void)ob_fail(&error, OB_EUSAGE, "--samples is less than one round has");
        return complain(&error);
    }
    if (ob_blas_fix_core(argv, "auto", &error))
        return complain(&error);
    enum ob_err failed = set_up(&swarm, swarm.plan.model, swarm.plan.data, swarm.plan.held_out_data, &error);
    if (!failed)
        failed = held_out_loss(&swarm, &before, &error);
    if (!failed)
        failed = train(&swarm, &error);
    if (!failed)
        failed = held_out_loss(&swarm, &after, &error);
    if (!failed)
        print(&swarm, &before, &after);
    tear_down(&swarm);
    return failed ? complain(&error) : 0;
}
