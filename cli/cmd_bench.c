/* On random tokens. Everything is given as a median with the
 * lowest and highest time; the ratios that matter are formed from the medians of this one run. */
#include <cblas.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "cli/command.h"
#include "cli/progress.h"
#include "model/convert/open_model.h"
#include "model/formats/json_value.h"
#include "model/forward/blas.h"
#include "model/forward/forward.h"
#include "model/forward/peak.h"
#include "model/forward/vector.h"
#include "run/base_weights.h"
#include "run/manifest.h"
#include "run/replica.h"

#define TIMES_MAX      256
#define PEAK_SIDE      1024 /* of the products that give the machine's peak: (PEAK_SIDE, PEAK_TERMS) */
#define PEAK_TERMS     768
#define BENCH_EXPONENT 24    /* of every tensor: what counts here is how many elements there are */
#define PART_ELEMENTS  65536 /* of one thread's step through memory */

struct arguments {
    const char *model;
    int64_t batch, length;
    double seconds;
    const char *products, *kernels, *loops;
    bool json;
};

#define AT(member) OB_ARGUMENT(struct arguments, member)

static const struct ob_option OPTIONS[] = {
    OB_OPTION_MODEL(struct arguments, "model to measure with"),
    {"batch", "N", "sequences per forward pass", AT(batch), .low = 1, .high = 4096, .fallback = "8"},
    {"length", "N", "tokens per sequence, at most the model's context", AT(length), .low = 2, .high = 1 << 20,
     .fallback = "64"},
    {"seconds", "S", "time for each measurement", AT(seconds), .least = 0, .most = 600, .fallback = "2"},
    {"products", "NAME",
     "how products with the weights are computed: float32, bfloat16, bfloat16-native, bfloat16-onednn, "
     "bfloat16x2",
     AT(products), .fallback = "float32"},
    {"kernels", "NAME", "replay kernels: auto (the fastest), reference, avx2, avx512, avx512-gfni",
     AT(kernels), .fallback = "auto"},
    {"loops", "NAME", "loops between the products: auto (the fastest), plain, avx2, avx512", AT(loops),
     .fallback = "auto"},
    {"json", NULL, "print the JSON on one line", AT(json)},
};

struct bench {
    struct ob_pool *pool;
    struct ob_spsa_engine engine;
    struct ob_race kernels, loops; /* that chose them; none: they were named */
    const char *loops_name;
    struct ob_model *model;
    struct ob_spsa_weights *weights;
    struct ob_forward *forward;
    struct ob_batch *batch, *completions; /* the same tokens; targets everywhere, or the last four of each */
    float *peak;                          /* operands of the peak's products, for each thread */
    uint64_t parameters;
    double seconds; /* for each measurement */
    struct ob_progress progress;
    uint64_t measured; /* so far */
};

struct timing {
    double median, low, high; /* seconds */
};

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* `work` is called for about bench->seconds and at least three times, after once to warm the caches. */
static enum ob_err measure(struct bench *bench, enum ob_err (*work)(struct bench *, struct ob_error *),
                           struct timing *ret_timing, struct ob_error *error) {
    double times[TIMES_MAX];
    uint64_t begun = ob_now_ns();
    size_t count = 0;
    enum ob_err failed = work(bench, error);
    while (!failed && count < TIMES_MAX && (count < 3 || ob_seconds_since(begun) < bench->seconds)) {
        uint64_t start = ob_now_ns();
        ob_progress_at(&bench->progress, bench->measured);
        failed = work(bench, error);
        times[count++] = ob_seconds_since(start);
    }
    bench->measured++;
    if (failed)
        return failed;
    qsort(times, count, sizeof *times, by_value);
    *ret_timing = (struct timing){.median = times[count / 2], .low = times[0], .high = times[count - 1]};
    return OB_OK;
}

/* ---- what is measured ---- */

static enum ob_err frozen_pass(struct bench *bench, struct ob_error *error) {
    struct ob_weight_source source = {.model = bench->model};
    double loss;
    return ob_forward_losses(bench->forward, &source, bench->batch, &loss, error);
}

static enum ob_err plain_pass(struct bench *bench, struct ob_error *error) {
    struct ob_weight_source source = {
        .model = bench->model, .weights = bench->weights, .engine = &bench->engine};
    double loss;
    return ob_forward_losses(bench->forward, &source, bench->batch, &loss, error);
}

static enum ob_err sample_of(struct bench *bench, const struct ob_batch *batch, struct ob_error *error) {
    struct ob_spsa_key key = {{7}};
    struct ob_weight_source source = {.model = bench->model,
                                      .weights = bench->weights,
                                      .engine = &bench->engine,
                                      .key = &key,
                                      .epsilon = 1e-3f};
    double losses[2];
    return ob_forward_losses(bench->forward, &source, batch, losses, error);
}

static enum ob_err sample(struct bench *bench, struct ob_error *error) {
    return sample_of(bench, bench->batch, error);
}

static enum ob_err completion_sample(struct bench *bench, struct ob_error *error) {
    return sample_of(bench, bench->completions, error);
}

static enum ob_err materialise(struct bench *bench, struct ob_error *error) {
    (void)error;
    static const size_t PART = 8192;
    struct ob_spsa_key key = {{7}};
    float plus[8192], minus[8192];
    for (uint32_t t = 0; t < bench->weights->count; t++)
        for (uint64_t at = 0; at < bench->weights->tensors[t].elements; at += PART) {
            uint64_t left = bench->weights->tensors[t].elements - at;
            ob_spsa_weights_read_pair(&bench->engine, bench->weights, &key, 1e-3f, t, at,
                                      left < PART ? (size_t)left : PART, plus, minus);
        }
    return OB_OK;
}

static enum ob_err replay(struct bench *bench, struct ob_pool *pool, uint16_t n, struct ob_error *error) {
    uint8_t bytes[64];
    uint64_t rate = (uint64_t)1 << 30;
    memset(bytes, 96, sizeof bytes);
    struct ob_spsa_rule rule = {
        .code = {96, 127}, .combine = OB_SPSA_SUM, .rounds_per_rate = 1, .rate_count = 1, .rates = &rate};
    struct ob_spsa_update update = {.live = 1, .n = n, .bytes = bytes};
    struct ob_spsa_engine engine = {.kernels = bench->engine.kernels, .pool = pool};
    return ob_spsa_apply(&engine, bench->weights, &rule, &update, 1, error);
}

static enum ob_err replay_one(struct bench *bench, struct ob_error *error) {
    return replay(bench, bench->pool, 1, error);
}

static enum ob_err replay_many(struct bench *bench, struct ob_error *error) {
    return replay(bench, bench->pool, 64, error);
}

static enum ob_err replay_many_alone(struct bench *bench, struct ob_error *error) {
    return replay(bench, NULL, 64, error);
}

/* Of the vector kernels that this processor has. */
static uint64_t count_kernels(void) {
    uint64_t count = 0;
    for (size_t isa = 1; ob_spsa_engine_name_at(isa); isa++)
        count += ob_spsa_engine_with(isa, NULL).kernels != NULL;
    return count;
}

/* Median seconds of 64 records on one thread with each vector kernel that this processor has: the reference
 * would take minutes. */
static enum ob_err measure_kernels(struct bench *bench, json_t *ret_rates, struct ob_error *error) {
    const struct ob_spsa_kernels *best = bench->engine.kernels;
    enum ob_err failed = OB_OK;
    for (size_t isa = 1; ob_spsa_engine_name_at(isa) && !failed; isa++) {
        struct timing timing;
        if (!ob_spsa_engine_with(isa, NULL).kernels)
            continue;
        bench->engine.kernels = ob_spsa_engine_with(isa, NULL).kernels;
        failed = measure(bench, replay_many_alone, &timing, error);
        if (!failed)
            json_object_set_new(ret_rates, ob_spsa_engine_name_at(isa),
                                ob_json_real(64.0 * (double)bench->parameters / timing.median));
    }
    bench->engine.kernels = best;
    return failed;
}

static void add_part(void *context, size_t index, unsigned thread) {
    (void)thread;
    struct ob_spsa_weights *weights = context;
    size_t from = index * PART_ELEMENTS, end = weights->arena_bytes / sizeof(int32_t);
    uint32_t *values = weights->arena;
    for (size_t i = from; i < end && i < from + PART_ELEMENTS; i++)
        values[i] += 1;
}

/* All weights read, changed and written once: the bound of a replay of one record. */
static enum ob_err read_modify_write(struct bench *bench, struct ob_error *error) {
    (void)error;
    size_t count = bench->weights->arena_bytes / sizeof(int32_t);
    ob_pool_run(bench->pool, (count + PART_ELEMENTS - 1) / PART_ELEMENTS, add_part, bench->weights);
    return OB_OK;
}

static void peak_part(void *context, size_t index, unsigned thread) {
    (void)index;
    float *a = (float *)context + (size_t)thread * 3 * PEAK_SIDE * PEAK_SIDE, *b = a + PEAK_SIDE * PEAK_SIDE,
          *c = b + PEAK_SIDE * PEAK_SIDE;
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, PEAK_SIDE, PEAK_SIDE, PEAK_TERMS, 1.0f, a,
                PEAK_TERMS, b, PEAK_SIDE, 0.0f, c, PEAK_SIDE);
}

/* Eight products for each thread, every thread with operands of its own. */
static enum ob_err peak_products(struct bench *bench, struct ob_error *error) {
    (void)error;
    ob_pool_run(bench->pool, 8 * (size_t)ob_pool_threads(bench->pool), peak_part, bench->peak);
    return OB_OK;
}

/* ---- setting up ---- */

static enum ob_err load_weights(struct bench *bench, struct ob_error *error) {
    size_t count = bench->model->tensor_count;
    struct ob_spsa_tensor *layout = calloc(count, sizeof *layout);
    if (!layout)
        return ob_fail(error, OB_ENOMEM, "bench: out of memory");
    for (size_t i = 0; i < count; i++) {
        layout[i] = (struct ob_spsa_tensor){.elements = bench->model->tensors[i].elements,
                                            .exponent = BENCH_EXPONENT};
        bench->parameters += layout[i].elements;
    }
    enum ob_err failed = ob_spsa_weights_new(layout, count, &bench->weights, error);
    free(layout);
    for (size_t i = 0; i < count && !failed; i++)
        failed = ob_base_load(bench->model, i, BENCH_EXPONENT, bench->weights->values[i], error);
    return failed;
}

static enum ob_err fill_batches(struct bench *bench, size_t sequences, size_t length,
                                struct ob_error *error) {
    int32_t *tokens = calloc(length, sizeof *tokens);
    if (!tokens)
        return ob_fail(error, OB_ENOMEM, "bench: out of memory");
    enum ob_err failed = ob_batch_new(sequences, sequences * length, &bench->batch, error);
    if (!failed)
        failed = ob_batch_new(sequences, sequences * length, &bench->completions, error);
    for (size_t b = 0; b < sequences && !failed; b++) {
        for (size_t i = 0; i < length; i++)
            tokens[i] = (int32_t)((b * 7919 + i * 104729) % bench->model->config.vocabulary);
        if (!ob_batch_add(bench->batch, tokens, length, 1) ||
            !ob_batch_add(bench->completions, tokens, length, length > 5 ? length - 4 : 1))
            break;
    }
    free(tokens);
    return failed;
}

static enum ob_err choose_kernels(struct bench *bench, const char *name, struct ob_error *error) {
    if (strcmp(name, "auto") != 0)
        return ob_spsa_engine_named(name, bench->pool, &bench->engine, error);
    bench->engine = ob_spsa_engine_fastest(bench->pool, ob_now_ns, &bench->kernels);
    return OB_OK;
}

static enum ob_err choose_loops(struct bench *bench, const char *name, struct ob_error *error) {
    const struct ob_vector_loops *loops;
    enum ob_err failed = OB_OK;
    if (strcmp(name, "auto") == 0)
        loops = ob_vector_fastest(ob_now_ns, &bench->loops);
    else
        failed = ob_vector_named(name, &loops, error);
    if (failed)
        return failed;
    ob_forward_use_loops(bench->forward, loops);
    bench->loops_name = ob_vector_name(loops);
    return OB_OK;
}

static enum ob_err set_up(struct bench *bench, const struct arguments *a, struct ob_error *error) {
    size_t sequences = (size_t)a->batch, length = (size_t)a->length;
    enum ob_err failed = ob_pool_new(ob_processors(), &bench->pool, error);
    if (failed || (failed = ob_model_open(a->model, &bench->model, error)))
        return failed;
    failed = choose_kernels(bench, a->kernels, error);
    if (!failed)
        failed = load_weights(bench, error);
    if (length > bench->model->config.context)
        length = bench->model->config.context;
    if (!failed)
        failed = ob_forward_new(&bench->model->config, sequences * length, sequences, bench->pool,
                                &bench->forward, error);
    if (!failed)
        failed = choose_loops(bench, a->loops, error);
    if (!failed)
        failed = ob_forward_use_named(bench->forward, a->products, error);
    return failed ? failed : fill_batches(bench, sequences, length, error);
}

/* After the peak of memory has been read: the operands of the peak's products are the benchmark's alone. */
static enum ob_err make_operands(struct bench *bench, struct ob_error *error) {
    size_t count = (size_t)ob_pool_threads(bench->pool) * 3 * PEAK_SIDE * PEAK_SIDE;
    bench->peak = malloc(count * sizeof *bench->peak);
    if (!bench->peak)
        return ob_fail(error, OB_ENOMEM, "bench: out of memory");
    for (size_t i = 0; i < count; i++)
        bench->peak[i] = (float)(i % 1021) * 1e-3f;
    return OB_OK;
}

static void tear_down(struct bench *bench) {
    free(bench->peak);
    ob_batch_free(bench->completions);
    ob_batch_free(bench->batch);
    ob_forward_free(bench->forward);
    ob_spsa_weights_free(bench->weights);
    ob_model_free(bench->model);
    ob_pool_free(bench->pool);
}

/* ---- measuring ---- */

/* Floating-point operations of one pass in products with weights: two for each weight of a layer's matrices
 * and token, and for each weight of the head and target. What attention multiplies is left out. */
static double pass_flops(const struct bench *bench, const struct ob_batch *batch) {
    double layers = 0;
    for (size_t i = 0; i < bench->model->tensor_count; i++) {
        const struct ob_model_tensor *t = &bench->model->tensors[i];
        if (t->role == OB_ROLE_ATTENTION || t->role == OB_ROLE_MLP)
            layers += t->dims == 2 ? (double)t->elements : 0.0;
    }
    double head = (double)bench->model->config.vocabulary * bench->model->config.width;
    return 2.0 * (layers * (double)batch->tokens_used + head * (double)ob_batch_targets(batch));
}

struct results {
    struct timing frozen, plain, sample, completions, materialise, one, many, alone, memory, peak;
    long peak_kib;
    json_t *kernels; /* one-thread replay of 64 records by instruction set */
    json_t *peaks;   /* operations a second of each way to multiply */
    double way_peak; /* … of the one in use */
};

/* Ways that this machine lacks are left out. */
static enum ob_err measure_peaks(struct bench *bench, struct results *r, struct ob_error *error) {
    const struct ob_products *way;
    r->peaks = json_object();
    for (size_t i = 0; (way = ob_products_at(i)); i++) {
        double peak;
        enum ob_err failed = ob_products_peak(way, bench->pool, &peak, error);
        if (failed == OB_EUNSUPPORTED)
            continue;
        if (failed)
            return failed;
        (void)ob_json_set(r->peaks, way->name, ob_json_real(peak));
        if (way == ob_forward_products(bench->forward))
            r->way_peak = peak;
    }
    return OB_OK;
}

static enum ob_err measure_all(struct bench *bench, struct results *r, struct ob_error *error) {
    const struct {
        enum ob_err (*work)(struct bench *, struct ob_error *);
        struct timing *timing;
    } WORK[] = {{sample, &r->sample},           {completion_sample, &r->completions},
                {plain_pass, &r->plain},        {materialise, &r->materialise},
                {replay_one, &r->one},          {replay_many, &r->many},
                {replay_many_alone, &r->alone}, {read_modify_write, &r->memory}};
    enum ob_err failed = OB_OK;
    size_t count = sizeof WORK / sizeof *WORK;
    ob_progress_start(&bench->progress, "measuring", "measurements", count + count_kernels() + 2);
    for (size_t i = 0; i < count && !failed; i++)
        failed = measure(bench, WORK[i].work, WORK[i].timing, error);
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage); /* before the frozen pass, which maps the checkpoint's file */
    r->peak_kib = usage.ru_maxrss;
    r->kernels = json_object();
    if (!failed)
        failed = measure_kernels(bench, r->kernels, error);
    if (!failed)
        failed = measure(bench, frozen_pass, &r->frozen, error);
    if (!failed)
        failed = measure_peaks(bench, r, error);
    if (!failed)
        failed = make_operands(bench, error);
    if (!failed)
        failed = measure(bench, peak_products, &r->peak, error);
    ob_progress_end(&bench->progress);
    return failed;
}

/* ---- the result ---- */

static json_t *timing_json(const struct timing *t) {
    json_t *root = json_object();
    bool good = ob_json_set(root, "median", ob_json_real(t->median));
    good = ob_json_set(root, "low", ob_json_real(t->low)) &&
           ob_json_set(root, "high", ob_json_real(t->high)) && good;
    if (good)
        return root;
    json_decref(root);
    return NULL;
}

static bool add_reals(json_t *root, const struct bench *bench, const struct results *r) {
    double parameters = (double)bench->parameters, tokens = (double)bench->batch->tokens_used;
    double threads = (double)ob_pool_threads(bench->pool);
    double peak = threads * 8 * 2.0 * PEAK_SIDE * PEAK_SIDE * PEAK_TERMS / r->peak.median;
    double way_peak = ob_forward_products(bench->forward) == ob_products_at(0) ? peak : r->way_peak;
    const struct {
        const char *name;
        double value;
    } REALS[] = {
        {"forward_seconds", r->plain.median},
        {"forward_tokens_per_second", tokens / r->plain.median},
        {"frozen_forward_seconds", r->frozen.median},
        {"sample_seconds", r->sample.median},
        {"completion_sample_seconds", r->completions.median},
        {"sample_over_two_forwards", r->sample.median / (2 * r->plain.median)},
        {"sample_over_two_frozen_forwards", r->sample.median / (2 * r->frozen.median)},
        {"sgemm_peak_flops", peak},
        {"matrix_efficiency", 2 * pass_flops(bench, bench->batch) / way_peak / r->sample.median},
        {"completion_matrix_efficiency",
         2 * pass_flops(bench, bench->completions) / way_peak / r->completions.median},
        {"materialise_pair_seconds_one_thread", r->materialise.median},
        {"replay_1_param_records_per_second", parameters / r->one.median},
        {"replay_64_param_records_per_second", 64 * parameters / r->many.median},
        {"replay_64_param_records_per_second_one_thread", 64 * parameters / r->alone.median},
        {"memory_bytes_per_second", 2.0 * (double)bench->weights->arena_bytes / r->memory.median},
        {"replay_1_over_memory", r->memory.median / r->one.median},
    };
    bool good = true;
    for (size_t i = 0; i < sizeof REALS / sizeof *REALS; i++)
        good = ob_json_set(root, REALS[i].name, ob_json_real(REALS[i].value)) && good;
    return good;
}

static bool add_integers(json_t *root, const struct bench *bench, const struct results *r) {
    const struct {
        const char *name;
        uint64_t value;
    } INTEGERS[] = {
        {"parameters", bench->parameters},
        {"tokens", bench->batch->tokens_used},
        {"targets", ob_batch_targets(bench->batch)},
        {"completion_targets", ob_batch_targets(bench->completions)},
        {"peak_memory_bytes", (uint64_t)r->peak_kib * 1024},
        {"activation_bytes", ob_forward_bytes(bench->forward)},
        {"threads", ob_pool_threads(bench->pool)},
    };
    bool good = true;
    for (size_t i = 0; i < sizeof INTEGERS / sizeof *INTEGERS; i++)
        good = ob_json_set(root, INTEGERS[i].name, json_integer((json_int_t)INTEGERS[i].value)) && good;
    return good;
}

static json_t *results_json(const struct bench *bench, const struct results *r) {
    json_t *root = json_object();
    char text[OB_RACE_TEXT_MAX];
    bool good = add_integers(root, bench, r);
    good = add_reals(root, bench, r) && good;
    good = ob_json_set(root, "blas_core", ob_json_text(ob_blas_core())) && good;
    good = ob_json_set(root, "products", ob_json_text(ob_forward_products(bench->forward)->name)) && good;
    good = ob_json_set(root, "products_peak_flops", json_incref(r->peaks)) && good;
    good = ob_json_set(root, "kernels", ob_json_text(ob_spsa_engine_name(&bench->engine))) && good;
    good = ob_json_set(root, "kernels_measured", ob_json_text(ob_race_text(&bench->kernels, text))) && good;
    good = ob_json_set(root, "loops", ob_json_text(bench->loops_name)) && good;
    good = ob_json_set(root, "loops_measured", ob_json_text(ob_race_text(&bench->loops, text))) && good;
    good = ob_json_set(root, "replay_64_by_kernels_one_thread", json_incref(r->kernels)) && good;
    good = ob_json_set(root, "sample_spread", timing_json(&r->sample)) && good;
    good = ob_json_set(root, "forward_spread", timing_json(&r->plain)) && good;
    if (good)
        return root;
    json_decref(root);
    return NULL;
}

static enum ob_err print_results(const struct bench *bench, const struct results *r, bool json,
                                 struct ob_error *error) {
    json_t *root = results_json(bench, r);
    if (!root)
        return ob_fail(error, OB_ENOMEM, "bench: out of memory for the results");
    size_t layout = json ? JSON_COMPACT : JSON_INDENT(2);
    json_dumpf(root, stdout, layout | JSON_REAL_PRECISION(6));
    putchar('\n');
    json_decref(root);
    return OB_OK;
}

static int run(const void *arguments) {
    const struct arguments *a = arguments;
    struct ob_error error = {0};
    struct bench bench = {.seconds = a->seconds};
    struct results results = {0};
    enum ob_err failed = set_up(&bench, a, &error);
    if (!failed)
        failed = measure_all(&bench, &results, &error);
    if (!failed)
        failed = print_results(&bench, &results, a->json, &error);
    json_decref(results.kernels);
    json_decref(results.peaks);
    tear_down(&bench);
    return failed ? ob_cli_fail(&error) : OB_EXIT_DONE;
}

const struct ob_command OB_COMMAND_BENCH = {
    .name = "bench",
    .summary = "measure this machine with a model",
    .details =
        "Measures forward passes, one sample and its efficiency against the peak of the products in use, a "
        "loss on completions alone, replay with 1 and 64 records per pass, memory bandwidth and peak memory.",
    OB_OPTIONS(OPTIONS),
    .arguments_bytes = sizeof(struct arguments),
    .needs_blas = true,
    .run = run,
};
