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

#include "cli/options.h"
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
    int64_t machines, samples_per_round, staleness, samples, batch, length, s0, seed, held_out;
    int64_t lora_rank, lora_scale; /* 0: no adapters; log2 of their direction scale */
    double learning_rate, lora_alpha;
    bool lora_mlp; /* adapters of mlp too, not of attention alone */
    enum ob_spsa_combine combine;
    enum ob_schedule schedule;
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
    options.schedule = plan->schedule;
    options.combine = plan->combine;
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

enum {
    MODEL,
    DATA,
    HELD_OUT,
    MACHINES,
    PER_ROUND,
    STALENESS,
    SAMPLES,
    BATCH,
    LENGTH,
    S0,
    SEED,
    ROWS,
    LR,
    COMBINE,
    SCHEDULE,
    LORA_RANK,
    LORA_ALPHA,
    LORA_SCALE,
    LORA_MLP,
    OPTIONS
};

static bool read_plan(const struct ob_tool_option *o, struct arrangement *plan) {
    int combine = ob_spsa_combine_from_name(o[COMBINE].value);
    int schedule = ob_schedule_from_name(o[SCHEDULE].value);
    if (!o[MODEL].value || !o[DATA].value || !o[HELD_OUT].value || combine < 0 || schedule < 0)
        return false;
    plan->combine = (enum ob_spsa_combine)combine;
    plan->schedule = (enum ob_schedule)schedule;
    plan->lora_mlp = o[LORA_MLP].value != NULL;
    return ob_tool_integer(&o[LORA_RANK], 0, OB_ADAPTER_RANK_MAX, &plan->lora_rank) &&
           ob_tool_real(&o[LORA_ALPHA], 1e-3, 1e6, &plan->lora_alpha) &&
           ob_tool_integer(&o[LORA_SCALE], -16, 16, &plan->lora_scale) &&
           ob_tool_integer(&o[MACHINES], 1, 4096, &plan->machines) &&
           ob_tool_integer(&o[PER_ROUND], 1, OB_SAMPLES_PER_ROUND_MAX, &plan->samples_per_round) &&
           ob_tool_integer(&o[STALENESS], 0, 1024, &plan->staleness) &&
           ob_tool_integer(&o[SAMPLES], plan->machines * plan->samples_per_round, 1 << 24, &plan->samples) &&
           ob_tool_integer(&o[BATCH], 1, 1024, &plan->batch) &&
           ob_tool_integer(&o[LENGTH], 2, 4096, &plan->length) &&
           ob_tool_integer(&o[S0], 1, 1 << 24, &plan->s0) &&
           ob_tool_integer(&o[SEED], 0, INT32_MAX, &plan->seed) &&
           ob_tool_integer(&o[ROWS], 1, INT32_MAX, &plan->held_out) &&
           ob_tool_real(&o[LR], 1e-12, 0.999, &plan->learning_rate);
}

static void print(const struct swarm *swarm, const struct result *before, const struct result *after) {
    const struct arrangement *plan = &swarm->plan;
    json_t *result = json_pack(
        "{s:I, s:I, s:I, s:I, s:I, s:s, s:I, s:f, s:I, s:I, s:f, s:f}", "machines", plan->machines,
        "samples_per_round", plan->samples_per_round, "staleness", plan->staleness, "parallel",
        plan->machines * plan->samples_per_round * (plan->staleness + 1), "samples", (json_int_t)swarm->done,
        "combine", ob_spsa_combine_name(plan->combine), "s0", plan->s0, "lr", plan->learning_rate, "seed",
        plan->seed, "lora_rank", plan->lora_rank, "loss_before", before->loss, "loss_after", after->loss);
    if (isfinite(before->accuracy)) {
        json_object_set_new(result, "accuracy_before", json_real(before->accuracy));
        json_object_set_new(result, "accuracy_after", json_real(after->accuracy));
    }
    json_dumpf(result, stdout, JSON_COMPACT | JSON_REAL_PRECISION(7));
    putchar('\n');
    json_decref(result);
}

int main(int argc, char **argv) {
    struct ob_tool_option o[OPTIONS] = {
        [MODEL] = {.name = "model"},
        [DATA] = {.name = "data"},
        [HELD_OUT] = {.name = "held-out"},
        [MACHINES] = {.name = "machines", .value = "1"},
        [PER_ROUND] = {.name = "samples-per-round", .value = "1"},
        [STALENESS] = {.name = "staleness", .value = "0"},
        [SAMPLES] = {.name = "samples", .value = "2048"},
        [BATCH] = {.name = "batch", .value = "4"},
        [LENGTH] = {.name = "length", .value = "64"},
        [S0] = {.name = "s0", .value = "64"},
        [SEED] = {.name = "seed", .value = "1"},
        [ROWS] = {.name = "held-out-rows", .value = "256"},
        [LR] = {.name = "lr", .value = "3e-5"},
        [COMBINE] = {.name = "combine", .value = "sum"},
        [SCHEDULE] = {.name = "schedule", .value = "linear"},
        [LORA_RANK] = {.name = "lora-rank", .value = "0"},
        [LORA_ALPHA] = {.name = "lora-alpha", .value = "16"},
        [LORA_SCALE] = {.name = "scale-adapter", .value = "0"},
        [LORA_MLP] = {.name = "lora-mlp", .is_switch = true},
    };
    size_t count;
    struct swarm swarm = {0};
    struct ob_error error = {0};
    if (ob_blas_fix_core(argv, "auto", &error))
        return ob_tool_complain(&error);
    struct result before, after;
    if (!ob_tool_parse(argc, argv, o, OPTIONS, NULL, 0, &count) || !read_plan(o, &swarm.plan)) {
        fputs("parallel needs --model, --data and --held-out; see bench/parallel.c\n", stderr);
        return OB_EXIT_USAGE;
    }
    enum ob_err failed = set_up(&swarm, o[MODEL].value, o[DATA].value, o[HELD_OUT].value, &error);
    if (!failed)
        failed = held_out_loss(&swarm, &before, &error);
    if (!failed)
        failed = train(&swarm, &error);
    if (!failed)
        failed = held_out_loss(&swarm, &after, &error);
    if (!failed)
        print(&swarm, &before, &after);
    tear_down(&swarm);
    return failed ? ob_tool_complain(&error) : OB_EXIT_DONE;
}
