/* bench: what this machine does with a checkpoint, on random tokens */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "daemon/blas.h"
#include "daemon/manifest.h"
#include "daemon/replica.h"
#include "daemon/tool.h"
#include "model/forward.h"

struct bench {
    struct ob_pool *pool;
    struct ob_spsa_engine engine;
    struct ob_model *model;
    struct ob_spsa_weights *weights;
    struct ob_forward *forward;
    struct ob_batch *batch;
    uint64_t parameters;
    double seconds; /* for each measurement */
};

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* The median time of `work`, called for about bench->seconds and at least three times. */
static enum ob_err median(struct bench *bench, enum ob_err (*work)(struct bench *, struct ob_error *),
                          double *ret_seconds, struct ob_error *error) {
    double times[256], end = now() + bench->seconds;
    size_t count = 0;
    enum ob_err failed = work(bench, error); /* warms caches */
    while (!failed && count < 256 && (count < 3 || now() < end)) {
        double start = now();
        failed = work(bench, error);
        times[count++] = now() - start;
    }
    if (failed)
        return failed;
    qsort(times, count, sizeof *times, by_value);
    *ret_seconds = times[count / 2];
    return OB_OK;
}

static enum ob_err plain_pass(struct bench *bench, struct ob_error *error) {
    struct ob_weight_source source = {
        .model = bench->model, .weights = bench->weights, .engine = &bench->engine};
    double loss;
    return ob_forward_losses(bench->forward, &source, bench->batch, &loss, error);
}

static enum ob_err sample(struct bench *bench, struct ob_error *error) {
    struct ob_spsa_key key = {{7}};
    struct ob_weight_source source = {.model = bench->model,
                                      .weights = bench->weights,
                                      .engine = &bench->engine,
                                      .key = &key,
                                      .epsilon = 1e-3f};
    double losses[2];
    return ob_forward_losses(bench->forward, &source, bench->batch, losses, error);
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

static enum ob_err replay(struct bench *bench, uint16_t n, struct ob_error *error) {
    uint8_t bytes[64];
    uint64_t rate = (uint64_t)1 << 30;
    memset(bytes, 96, sizeof bytes);
    struct ob_spsa_rule rule = {
        .code = {96, 127}, .combine = OB_SPSA_SUM, .rounds_per_rate = 1, .rate_count = 1, .rates = &rate};
    struct ob_spsa_update update = {.live = 1, .n = n, .bytes = bytes};
    return ob_spsa_apply(&bench->engine, bench->weights, &rule, &update, 1, error);
}

static enum ob_err replay_one(struct bench *bench, struct ob_error *error) {
    return replay(bench, 1, error);
}

static enum ob_err replay_many(struct bench *bench, struct ob_error *error) {
    return replay(bench, 64, error);
}

static enum ob_err load_tensor(struct bench *bench, uint32_t tensor, struct ob_error *error) {
    float values[4096];
    uint64_t elements = bench->model->tensors[tensor].elements;
    enum ob_err failed = OB_OK;
    for (uint64_t at = 0; at < elements && !failed; at += 4096) {
        size_t count = elements - at < 4096 ? (size_t)(elements - at) : 4096;
        ob_model_read(bench->model, tensor, at, count, values);
        failed = ob_spsa_weights_set(bench->weights, tensor, at, count, values, error);
    }
    return failed;
}

static enum ob_err load(struct bench *bench, const char *folder, size_t batch, size_t length,
                        struct ob_error *error) {
    enum ob_err failed = ob_pool_new(ob_processors(), &bench->pool, error);
    if (failed || (failed = ob_model_open(folder, &bench->model, error)))
        return failed;
    bench->engine = ob_spsa_engine_best(bench->pool);
    size_t count = bench->model->tensor_count;
    struct ob_spsa_tensor *layout = calloc(count, sizeof *layout);
    if (!layout)
        return ob_fail(error, OB_ENOMEM, "out of memory");
    for (size_t i = 0; i < count; i++) {
        layout[i] = (struct ob_spsa_tensor){.elements = bench->model->tensors[i].elements, .exponent = 24};
        bench->parameters += layout[i].elements;
    }
    failed = ob_spsa_weights_new(layout, count, &bench->weights, error);
    free(layout);
    for (size_t i = 0; i < count && !failed; i++)
        failed = load_tensor(bench, (uint32_t)i, error);
    if (length > bench->model->config.context)
        length = bench->model->config.context;
    if (!failed)
        failed =
            ob_forward_new(&bench->model->config, batch * length, batch, bench->pool, &bench->forward, error);
    if (!failed)
        failed = ob_batch_new(batch, batch * length, &bench->batch, error);
    int32_t *tokens = calloc(length, sizeof *tokens);
    if (!tokens)
        return ob_fail(error, OB_ENOMEM, "out of memory");
    for (size_t b = 0; b < batch && !failed; b++) {
        for (size_t i = 0; i < length; i++)
            tokens[i] = (int32_t)((b * 7919 + i * 104729) % bench->model->config.vocabulary);
        if (!ob_batch_add(bench->batch, tokens, length, 1))
            break;
    }
    free(tokens);
    return failed;
}

static enum ob_err measure(struct bench *bench, bool json, struct ob_error *error) {
    double pass = 0, pair = 0, read = 0, one = 0, many = 0;
    enum ob_err failed = median(bench, plain_pass, &pass, error);
    if (!failed)
        failed = median(bench, sample, &pair, error);
    if (!failed)
        failed = median(bench, materialise, &read, error);
    if (!failed)
        failed = median(bench, replay_one, &one, error);
    if (!failed)
        failed = median(bench, replay_many, &many, error);
    if (failed)
        return failed;
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    double tokens = (double)bench->batch->tokens_used, parameters = (double)bench->parameters;
    json_t *result = json_pack(
        "{s:I, s:I, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:I, s:I, s:i, s:s, s:s}", "parameters",
        (json_int_t)bench->parameters, "tokens", (json_int_t)bench->batch->tokens_used, "forward_seconds",
        pass, "forward_tokens_per_second", tokens / pass, "sample_seconds", pair, "sample_over_two_forwards",
        pair / (2 * pass), "materialise_pair_seconds_one_thread", read, "replay_1_param_records_per_second",
        parameters / one, "replay_64_param_records_per_second", 64 * parameters / many, "peak_memory_bytes",
        (json_int_t)usage.ru_maxrss * 1024, "activation_bytes", (json_int_t)ob_forward_bytes(bench->forward),
        "threads", (int)ob_pool_threads(bench->pool), "blas_core", ob_blas_core(), "kernels",
        ob_spsa_isa_name(ob_spsa_engine_isa(&bench->engine)));
    json_dumpf(result, stdout,
               json ? JSON_COMPACT | JSON_REAL_PRECISION(6) : JSON_INDENT(2) | JSON_REAL_PRECISION(6));
    putchar('\n');
    json_decref(result);
    return OB_OK;
}

int ob_tool_bench(int argc, char **argv) {
    struct ob_tool_option o[] = {{.name = "model"},
                                 {.name = "batch", .value = "8"},
                                 {.name = "length", .value = "64"},
                                 {.name = "seconds", .value = "2"},
                                 {.name = "json", .is_switch = true}};
    size_t count = 0;
    int64_t batch = 0, length = 0;
    struct ob_error error = {0};
    struct bench bench = {0};
    if (!ob_tool_parse(argc, argv, o, 5, NULL, 0, &count))
        return OB_EXIT_USAGE;
    if (!o[0].value)
        return ob_tool_usage("bench needs --model");
    if (!ob_tool_integer(&o[1], 1, 4096, &batch) || !ob_tool_integer(&o[2], 2, 1 << 20, &length) ||
        !ob_tool_real(&o[3], 0, 600, &bench.seconds))
        return OB_EXIT_USAGE;
    enum ob_err failed = load(&bench, o[0].value, (size_t)batch, (size_t)length, &error);
    if (!failed)
        failed = measure(&bench, o[4].value != NULL, &error);
    ob_batch_free(bench.batch);
    ob_forward_free(bench.forward);
    ob_spsa_weights_free(bench.weights);
    ob_model_free(bench.model);
    ob_pool_free(bench.pool);
    return failed ? ob_tool_complain(&error) : OB_EXIT_DONE;
}
