/* learning - what a method of training learns, against samples, passes and seconds: held-out loss and accuracy of a run
 * that one process plays (bench/swarm.h). Prints one JSON object a line: one for each look at the held-out rows, with
 * what the run is in the first. bench/learning.py compares methods with it. */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/options_help.h"
#include "bench/swarm.h"
#include "model/families/adapter.h"
#include "model/forward/blas.h"

struct arguments {
    const char *model, *data, *held_out_data, *products, *basis;
    int64_t threads, machines, samples_per_round, staleness, samples, rows, rows_per_sample, directions;
    int64_t length, s0, seed, batch, held_out, looks, lora_rank, lora_scale, prefix_mib;
    double learning_rate, lora_alpha, epsilon;
    struct ob_option_list lora_targets;
    bool one_sided;
    int combine, schedule, distribution; /* enums: ob_spsa_combine, ob_schedule, ob_spsa_distribution */
};

#define AT(member) OB_ARGUMENT(struct arguments, member)

static const char *const COMBINES[] = {"capped", "sum", "sqrt", "mean", NULL};
static const char *const SCHEDULES[] = {"constant", "linear", "cosine", NULL};
static const char *const DISTRIBUTIONS[] = {"rademacher", "gaussian", NULL};
static const struct ob_option OPTIONS[] = {
    {"model", "MODEL", "base model", AT(model), .required = true},
    {"data", "FILE", "rows to train on", AT(data), .required = true},
    {"held-out", "FILE", "rows to evaluate on", AT(held_out_data), .required = true},
    {"products", "WAY", "how products with weights are computed", AT(products), .fallback = "float32"},
    {"threads", "N", "threads; 0: all processors", AT(threads), .low = 0, .high = 1024, .fallback = "1"},
    {"machines", "N", "machines", AT(machines), .low = 1, .high = 4096, .fallback = "1"},
    {"samples-per-round", "N", "samples of a record; default: those of a pass", AT(samples_per_round),
     .low = 1, .high = OB_SAMPLES_PER_ROUND_MAX},
    {"staleness", "K", "rounds that a machine is ahead of what it has seen", AT(staleness), .low = 0,
     .high = 1024, .fallback = "0"},
    {"samples", "N", "samples of the whole run", AT(samples), .low = 1, .high = 1 << 24, .fallback = "2048"},
    {"rows", "N", "rows of a pass; default: those of a sample", AT(rows), .low = 1, .high = 4096},
    {"rows-per-sample", "N", "rows of a sample", AT(rows_per_sample), .low = 1, .high = 1024,
     .fallback = "1"},
    {"directions", "N", "directions of the rows of a sample", AT(directions), .low = 1, .high = 1024,
     .fallback = "1"},
    {"one-sided", NULL, "evaluate w + εz and w, not w + εz and w - εz", AT(one_sided)},
    {"length", "N", "tokens of a row", AT(length), .low = 2, .high = 4096, .fallback = "64"},
    {"s0", "N", "for capped: parallel samples at the full rate", AT(s0), .low = 1, .high = 1 << 24,
     .fallback = "64"},
    {"seed", "N", "of the directions and of the walk through the rows", AT(seed), .low = 0, .high = INT32_MAX,
     .fallback = "1"},
    {"batch", "N", "rows of an evaluation at a time", AT(batch), .low = 1, .high = 1024, .fallback = "8"},
    {"held-out-rows", "N", "rows to evaluate on", AT(held_out), .low = 1, .high = INT32_MAX,
     .fallback = "256"},
    {"looks", "N", "evaluations after the first, at equal distances", AT(looks), .low = 1, .high = 10000,
     .fallback = "1"},
    {"lr", "RATE", "peak learning rate", AT(learning_rate), .least = 1e-12, .most = 0.999,
     .fallback = "3e-5"},
    {"epsilon", "E", "half-width of the finite difference; default: that of run create", AT(epsilon),
     .least = 1e-9, .most = 1},
    {"combine", "NAME", "how samples are combined", AT(combine), .choices = COMBINES, .fallback = "sum"},
    {"schedule", "NAME", "of the rate", AT(schedule), .choices = SCHEDULES, .fallback = "linear"},
    {"distribution", "NAME", "elements of directions", AT(distribution), .choices = DISTRIBUTIONS,
     .fallback = "rademacher"},
    {"lora-rank", "N", "rank of random adapters; 0: none", AT(lora_rank), .low = 0,
     .high = OB_ADAPTER_RANK_MAX, .fallback = "0"},
    {"basis", "FILE", "a basis that onebyte run create has made: train adapters on all its matrices",
     AT(basis)},
    {"prefix-mib", "N", "memory for what layers before the first trained one make of rows", AT(prefix_mib),
     .low = 0, .high = 1 << 20, .fallback = "0"},
    {"lora-alpha", "A", "of random adapters; of a basis it is the rank", AT(lora_alpha), .least = 1e-3,
     .most = 1e6, .fallback = "16"},
    {"lora-target", "PATTERN",
     "matrices that get an adapter, those of the basis; default: attention, of a basis attention and mlp",
     AT(lora_targets)},
    {"scale-adapter", "K", "log2 of the adapters' direction scale", AT(lora_scale), .low = -16, .high = 16,
     .fallback = "0"},
};

static const struct ob_command COMMAND = {
    .name = "",
    .summary = "measure what a method of training learns, against samples, passes and seconds",
    OB_OPTIONS(OPTIONS),
    .arguments_bytes = sizeof(struct arguments),
};

/* ---- from arguments to a swarm ---- */

static void complete(struct arguments *a) {
    if (a->rows == OB_NOT_GIVEN)
        a->rows = a->rows_per_sample;
    if (a->samples_per_round == OB_NOT_GIVEN)
        a->samples_per_round = a->rows / a->rows_per_sample * a->directions;
}

static enum ob_err check(const struct arguments *a, struct ob_error *error) {
    if (a->rows % a->rows_per_sample != 0)
        return ob_fail(error, OB_EUSAGE, "--rows is not a multiple of --rows-per-sample");
    if (a->samples_per_round > OB_SAMPLES_PER_ROUND_MAX)
        return ob_fail(error, OB_EUSAGE, "a pass has more samples than a record holds (%d)",
                       OB_SAMPLES_PER_ROUND_MAX);
    if (a->basis && a->lora_rank > 0)
        return ob_fail(error, OB_EUSAGE, "a basis has its rank: --lora-rank is for random adapters");
    if (a->samples < a->machines * a->samples_per_round)
        return ob_fail(error, OB_EUSAGE, "--samples is less than one round has");
    return OB_OK;
}

static struct ob_manifest_options run_options(const struct arguments *a) {
    struct ob_manifest_options run = ob_manifest_defaults();
    run.learning_rate = a->learning_rate;
    run.schedule = (enum ob_schedule)a->schedule;
    run.combine = (enum ob_spsa_combine)a->combine;
    run.s0 = (uint32_t)a->s0;
    if (isfinite(a->epsilon))
        run.epsilon = a->epsilon;
    run.lora_rank = (uint32_t)a->lora_rank;
    run.lora_alpha = a->lora_alpha;
    run.lora_targets = a->lora_targets.values;
    run.lora_target_count = a->lora_targets.count;
    run.distribution = (enum ob_spsa_distribution)a->distribution;
    run.log2_scale[OB_ROLE_ADAPTER] = (int32_t)a->lora_scale;
    return run;
}

static struct swarm_options swarm_options(const struct arguments *a) {
    return (struct swarm_options){.model = a->model,
                                  .data = a->data,
                                  .held_out_data = a->held_out_data,
                                  .products = a->products,
                                  .basis = a->basis,
                                  .prefix_mib = a->prefix_mib,
                                  .threads = a->threads,
                                  .machines = a->machines,
                                  .staleness = a->staleness,
                                  .samples_per_round = a->samples_per_round,
                                  .rounds = a->samples / (a->machines * a->samples_per_round),
                                  .length = a->length,
                                  .seed = a->seed,
                                  .rows = a->rows,
                                  .rows_per_sample = a->rows_per_sample,
                                  .directions = a->directions,
                                  .batch = a->batch,
                                  .held_out = a->held_out,
                                  .one_sided = a->one_sided,
                                  .run = run_options(a)};
}

/* ---- what is printed ---- */

static void set(json_t *object, const char *name, double value) {
    if (isfinite(value))
        json_object_set_new(object, name, json_real(value));
}

static json_t *describe(const struct arguments *a, const struct swarm *swarm) {
    uint64_t trained = 0;
    for (size_t t = 0; t < swarm->manifest->tensor_count; t++)
        trained += swarm->manifest->tensors[t].layout.elements;
    json_t *object =
        json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:b, s:s, s:s, s:I, s:f, s:f, s:I, s:I, s:I, s:s}",
                  "machines", (json_int_t)a->machines, "samples_per_round", (json_int_t)a->samples_per_round,
                  "staleness", (json_int_t)a->staleness, "rows", (json_int_t)a->rows, "rows_per_sample",
                  (json_int_t)a->rows_per_sample, "directions", (json_int_t)a->directions, "one_sided",
                  (int)a->one_sided, "distribution", DISTRIBUTIONS[a->distribution], "combine",
                  ob_spsa_combine_name((enum ob_spsa_combine)a->combine), "s0", (json_int_t)a->s0, "lr",
                  a->learning_rate, "epsilon", (double)swarm->manifest->epsilon, "seed", (json_int_t)a->seed,
                  "lora_rank", (json_int_t)swarm->manifest->lora_rank, "trained", (json_int_t)trained,
                  "products", ob_forward_products(ob_sampler_forward(swarm->sampler))->name);
    return object;
}

struct spent {
    uint64_t wall_ns, cpu_ns; /* of training */
};

static enum ob_err look(struct swarm *swarm, json_t *line, const struct spent *spent,
                        struct ob_error *error) {
    struct swarm_score score;
    enum ob_err failed = swarm_evaluate(swarm, &score, error);
    if (!failed && line) {
        json_object_set_new(line, "samples", json_integer((json_int_t)swarm->samples));
        json_object_set_new(line, "passes", json_integer((json_int_t)swarm->passes));
        set(line, "seconds", (double)spent->wall_ns * 1e-9);
        set(line, "processor_seconds", (double)spent->cpu_ns * 1e-9);
        set(line, "loss", score.loss);
        set(line, "accuracy", score.accuracy);
        set(line, "training_loss", swarm->losses / (double)swarm->counted);
        set(line, "rms_g", sqrt(swarm->squares / (double)swarm->counted));
        json_dumpf(line, stdout, JSON_COMPACT | JSON_REAL_PRECISION(7));
        putchar('\n');
        (void)fflush(stdout);
        swarm->losses = swarm->squares = 0;
        swarm->counted = 0;
    }
    json_decref(line);
    return failed;
}

/* Seconds are those of training alone: evaluations do not count. */
static enum ob_err train(struct swarm *swarm, const struct arguments *a, struct ob_error *error) {
    int64_t rounds = swarm->options.rounds, looked = 0;
    struct spent spent = {0};
    enum ob_err failed = look(swarm, describe(a, swarm), &spent, error);
    for (int64_t round = 0; round < rounds && !failed; round++) {
        uint64_t began_ns = ob_now_ns(), cpu_began_ns = ob_cpu_ns();
        failed = swarm_round(swarm, error);
        if (!failed && round + 1 == rounds)
            failed = swarm_catch_up(swarm, error);
        spent.wall_ns += ob_now_ns() - began_ns;
        spent.cpu_ns += ob_cpu_ns() - cpu_began_ns;
        if (!failed && (round + 1) * a->looks / rounds > looked) {
            looked = (round + 1) * a->looks / rounds;
            failed = look(swarm, json_object(), &spent, error);
        }
    }
    return failed;
}

static int complain(const struct ob_error *error) {
    fprintf(stderr, "learning: %s\n", error->text);
    return error->code == OB_EUSAGE ? 2 : 1;
}

int main(int argc, char **argv) {
    struct arguments arguments;
    struct swarm swarm = {0};
    struct ob_error error = {0};
    enum ob_options_wanted wanted;
    if (ob_options_parse(&COMMAND, argc, argv, &arguments, &wanted, &error))
        return complain(&error);
    if (wanted != OB_WANTED_RUN) {
        ob_options_help("learning", &COMMAND, stdout);
        return 0;
    }
    complete(&arguments);
    if (check(&arguments, &error) || ob_blas_fix_core(argv, "auto", &error))
        return complain(&error);
    struct swarm_options options = swarm_options(&arguments);
    enum ob_err failed = swarm_init(&swarm, &options, &error);
    if (!failed)
        failed = train(&swarm, &arguments, &error);
    swarm_done(&swarm);
    return failed ? complain(&error) : 0;
}
