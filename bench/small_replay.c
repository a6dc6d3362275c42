/* small_replay - replay of a run that trains little: B of adapters of rank R on a fixed basis at every matrix of
 * SmolLM2-135M's layers (R = 1: 155,520 numbers in 210 tensors). Samples a second of processor time, for Rademacher and
 * Gaussian directions, from records of 64, 256 and 1,024 samples, with and without the sums of the memory check.
 * Medians; prints one JSON object.
 *
 *   small_replay [RANK [REPEATS [LAYERS]]]      LAYERS: how many of the 30 have adapters */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "spsa/kernels/kernels.h"
#include "spsa/memory_check.h"
#include "spsa/replay.h"

#define LAYERS      30
#define MATRICES    7
#define SAMPLES_MAX 1024
#define REPEATS_MAX 101

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* Of this thread: the machine may be busy with others. */
static double processor_seconds(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static enum ob_err measure(struct ob_spsa_weights *weights, enum ob_spsa_distribution distribution,
                           uint16_t samples, int repeats, double *ret_rate, struct ob_error *error) {
    struct ob_spsa_engine engine = ob_spsa_engine_best(NULL);
    uint8_t bytes[SAMPLES_MAX];
    uint64_t rate = (uint64_t)1 << 30;
    double times[REPEATS_MAX];
    struct ob_spsa_rule rule = {.code = {96, 127},
                                .combine = OB_SPSA_SUM,
                                .distribution = distribution,
                                .rounds_per_rate = 1,
                                .rate_count = 1,
                                .rates = &rate};
    struct ob_spsa_update update = {.live = 1, .n = samples, .bytes = bytes};
    memset(bytes, 96, sizeof bytes);
    for (int i = -1; i < repeats; i++) { /* the first to warm up */
        double start = processor_seconds();
        update.first.index += samples;
        enum ob_err failed = ob_spsa_apply(&engine, weights, &rule, &update, 1, error);
        if (failed)
            return failed;
        times[i < 0 ? 0 : i] = processor_seconds() - start;
    }
    qsort(times, (size_t)repeats, sizeof *times, by_value);
    *ret_rate = samples / times[repeats / 2];
    return OB_OK;
}

/* Bytes a second of keystream, many blocks of one key at a time: what replay cannot go beyond. */
static double keystream_rate(void) {
    static uint8_t stream[1 << 16];
    struct ob_spsa_engine engine = ob_spsa_engine_best(NULL);
    struct ob_spsa_key key = {{1}};
    double start = processor_seconds();
    for (uint32_t i = 0; i < 4096; i++)
        engine.kernels->keystream(&key, i, 0, sizeof stream / 64, stream);
    return 4096.0 * sizeof stream / (processor_seconds() - start);
}

static enum ob_err measure_all(struct ob_spsa_weights *weights, const char *what, int repeats,
                               struct ob_error *error) {
    static const uint16_t SAMPLES[] = {64, 256, 1024};
    for (int d = 0; d < OB_SPSA_DISTRIBUTION_COUNT; d++)
        for (size_t i = 0; i < sizeof SAMPLES / sizeof *SAMPLES; i++) {
            double rate;
            enum ob_err failed =
                measure(weights, (enum ob_spsa_distribution)d, SAMPLES[i], repeats, &rate, error);
            if (failed)
                return failed;
            printf(", \"%s_%s_%u\": %.0f", ob_spsa_distribution_name((enum ob_spsa_distribution)d), what,
                   SAMPLES[i], rate);
        }
    return OB_OK;
}

int main(int argc, char **argv) {
    static const uint64_t OUT[MATRICES] = {576, 192, 192, 576, 1536, 1536, 576}; /* q k v o gate up down */
    static struct ob_spsa_tensor layout[LAYERS * MATRICES];
    struct ob_spsa_weights *weights = NULL;
    struct ob_error error = {0};
    int rank = argc > 1 ? atoi(argv[1]) : 1, repeats = argc > 2 ? atoi(argv[2]) : 9;
    int layers = argc > 3 ? atoi(argv[3]) : LAYERS;
    uint64_t elements = 0;
    if (rank < 1 || rank > 256 || repeats < 1 || repeats > REPEATS_MAX || layers < 1 || layers > LAYERS)
        return 2;
    size_t tensors = (size_t)layers * MATRICES;
    for (size_t i = 0; i < tensors; i++) {
        layout[i] = (struct ob_spsa_tensor){.elements = OUT[i % MATRICES] * (uint64_t)rank, .exponent = 26};
        elements += layout[i].elements;
    }
    struct ob_spsa_engine engine = ob_spsa_engine_best(NULL);
    enum ob_err failed = ob_spsa_weights_new(layout, tensors, &weights, &error);
    printf("{\"kernels\": \"%s\", \"elements\": %llu", ob_spsa_engine_name(&engine),
           (unsigned long long)elements);
    printf(", \"keystream_bytes_a_second\": %.3g", keystream_rate());
    if (!failed)
        failed = measure_all(weights, "plain", repeats, &error);
    if (!failed)
        failed = ob_spsa_memory_check_start(&engine, weights, &error);
    if (!failed)
        failed = measure_all(weights, "watched", repeats, &error);
    puts("}");
    ob_spsa_weights_free(weights);
    if (failed)
        fprintf(stderr, "small_replay: %s\n", error.text);
    return failed ? 1 : 0;
}
