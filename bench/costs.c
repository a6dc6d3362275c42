/* costs - on weights of GPT-2 small's size (random bits, one tensor): replay of 64 records by one thread, by
 * all in turn, and by all apart, each on weights of its own (what the machine has to give); of fewer records,
 * as they come from few machines; with the sums of the memory check carried along; the weights digest, the
 * range check and the comparison of the memory check. Medians; prints one JSON object.
 *
 *   costs [REPEATS] */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "run/replica.h"
#include "spsa/digest.h"
#include "spsa/memory_check.h"

#define ELEMENTS    124439808u
#define RECORDS     64
#define REPEATS_MAX 101
#define THREADS_MAX 8 /* of the threads apart: each takes half a gigabyte */

struct bench {
    struct ob_pool *pool;
    struct ob_spsa_weights *weights, *watched; /* the same, with sums */
    struct ob_spsa_weights *apart[THREADS_MAX];
    size_t apart_count;
};

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* A record of `records` bytes is as many samples of one as so many records. */
static enum ob_err replay(struct ob_pool *pool, struct ob_spsa_weights *weights, uint16_t records,
                          struct ob_error *error) {
    struct ob_spsa_engine engine = ob_spsa_engine_best(pool);
    uint8_t bytes[RECORDS];
    uint64_t rate = (uint64_t)1 << 30;
    memset(bytes, 96, sizeof bytes);
    struct ob_spsa_rule rule = {
        .code = {96, 127}, .combine = OB_SPSA_SUM, .rounds_per_rate = 1, .rate_count = 1, .rates = &rate};
    struct ob_spsa_update update = {.live = 1, .n = records, .bytes = bytes};
    return ob_spsa_apply(&engine, weights, &rule, &update, 1, error);
}

static void replay_apart(void *context, size_t index, unsigned thread) {
    (void)thread;
    const struct bench *bench = context;
    if (replay(NULL, bench->apart[index], RECORDS, NULL))
        abort();
}

static enum ob_err one_thread(struct bench *b, struct ob_error *error) {
    return replay(NULL, b->weights, RECORDS, error);
}
static enum ob_err all_threads(struct bench *b, struct ob_error *error) {
    return replay(b->pool, b->weights, RECORDS, error);
}
static enum ob_err threads_apart(struct bench *b, struct ob_error *error) {
    (void)error;
    ob_pool_run(b->pool, b->apart_count, replay_apart, b);
    return OB_OK;
}
static enum ob_err sixteen(struct bench *b, struct ob_error *error) {
    return replay(b->pool, b->weights, 16, error);
}
static enum ob_err four(struct bench *b, struct ob_error *error) {
    return replay(b->pool, b->weights, 4, error);
}
static enum ob_err one(struct bench *b, struct ob_error *error) {
    return replay(b->pool, b->weights, 1, error);
}
static enum ob_err digest(struct bench *b, struct ob_error *error) {
    struct ob_spsa_engine engine = ob_spsa_engine_best(b->pool);
    struct ob_hash hash;
    return ob_spsa_digest(&engine, b->weights, &hash, error);
}
static enum ob_err range(struct bench *b, struct ob_error *error) {
    (void)error;
    struct ob_spsa_engine engine = ob_spsa_engine_best(b->pool);
    return ob_spsa_weights_overrange(&engine, b->weights) < 0 ? OB_OK : OB_EFORMAT;
}
static enum ob_err watched(struct bench *b, struct ob_error *error) {
    return replay(b->pool, b->watched, RECORDS, error);
}
static enum ob_err watched_one(struct bench *b, struct ob_error *error) {
    return replay(b->pool, b->watched, 1, error);
}
static enum ob_err memory_check(struct bench *b, struct ob_error *error) {
    struct ob_spsa_engine engine = ob_spsa_engine_best(b->pool);
    bool *wrong = calloc(ob_spsa_leaf_count(b->watched->tensors, b->watched->count), sizeof *wrong);
    if (!wrong)
        return ob_fail(error, OB_ENOMEM, "out of memory");
    size_t count = ob_spsa_memory_check(&engine, b->watched, wrong);
    free(wrong);
    return count ? ob_fail(error, OB_EFORMAT, "%zu leaves differ from their sums", count) : OB_OK;
}

static const struct {
    const char *name;
    enum ob_err (*work)(struct bench *bench, struct ob_error *error);
} WORKS[] = {{"replay_64_one_thread", one_thread},
             {"replay_64", all_threads},
             {"replay_64_apart", threads_apart},
             {"replay_16", sixteen},
             {"replay_4", four},
             {"replay_1", one},
             {"replay_64_watched", watched},
             {"replay_1_watched", watched_one},
             {"digest", digest},
             {"range", range},
             {"memory_check", memory_check}};
#define WORK_COUNT (sizeof WORKS / sizeof *WORKS)
enum { ONE_THREAD, ALL_THREADS, APART }; /* the first three */

static enum ob_err set_up(struct bench *b, struct ob_error *error) {
    struct ob_spsa_tensor layout = {.elements = ELEMENTS, .exponent = 24};
    enum ob_err failed = ob_pool_new(ob_processors(), &b->pool, error);
    if (!failed)
        failed = ob_spsa_weights_new(&layout, 1, &b->weights, error);
    if (!failed)
        failed = ob_spsa_weights_new(&layout, 1, &b->watched, error);
    if (failed)
        return failed;
    struct ob_spsa_engine engine = ob_spsa_engine_best(b->pool);
    b->apart[b->apart_count++] = b->weights;
    while (b->apart_count < ob_pool_threads(b->pool) && b->apart_count < THREADS_MAX && !failed)
        if (!(failed = ob_spsa_weights_new(&layout, 1, &b->apart[b->apart_count], error)))
            b->apart_count++;
    return failed ? failed : ob_spsa_memory_check_start(&engine, b->watched, error);
}

static void print(double (*times)[REPEATS_MAX], size_t repeats, const struct bench *bench) {
    double median[WORK_COUNT];
    for (size_t i = 0; i < WORK_COUNT; i++) {
        qsort(times[i], repeats, sizeof(double), by_value);
        median[i] = times[i][repeats / 2];
        printf("%s\"%s_seconds\": %.5f", i ? ", " : "{", WORKS[i].name, median[i]);
    }
    printf(", \"both_over_one\": %.3f, \"apart_over_one\": %.3f}\n", median[ONE_THREAD] / median[ALL_THREADS],
           (double)bench->apart_count * median[ONE_THREAD] / median[APART]);
}

int main(int argc, char **argv) {
    static double times[WORK_COUNT][REPEATS_MAX];
    struct bench bench = {0};
    struct ob_error error = {0};
    int repeats = argc > 1 ? atoi(argv[1]) : 9;
    if (repeats < 1 || repeats > REPEATS_MAX)
        return 2;
    enum ob_err failed = set_up(&bench, &error);
    for (int i = -1; i < repeats && !failed; i++) /* the first to warm up */
        for (size_t k = 0; k < WORK_COUNT && !failed; k++) {
            uint64_t start = ob_now_ns();
            failed = WORKS[k].work(&bench, &error);
            times[k][i < 0 ? 0 : i] = ob_seconds_since(start);
        }
    if (failed)
        fprintf(stderr, "costs: %s\n", error.text);
    else
        print(times, (size_t)repeats, &bench);
    for (size_t i = 0; i < bench.apart_count; i++)
        ob_spsa_weights_free(bench.apart[i]);
    ob_spsa_weights_free(bench.watched);
    ob_pool_free(bench.pool);
    return failed ? 1 : 0;
}
