/* costs - on weights of GPT-2 small's size (random bits, one tensor): replay of 64 records by one thread and
 * by all in turn, the weights digest, the range check and the memory checksum. Medians; prints one JSON
 * object.
 *
 *   costs [REPEATS] */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "daemon/replica.h"
#include "spsa/digest.h"

#define ELEMENTS    124439808u
#define REPEATS_MAX 101

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

enum { ONE, ALL, DIGEST, RANGE, CHECKSUM, WORKS };

static enum ob_err work(int what, struct ob_pool *pool, struct ob_spsa_weights *weights,
                        struct ob_error *error) {
    struct ob_spsa_engine engine = ob_spsa_engine_best(what == ONE ? NULL : pool);
    uint8_t bytes[64];
    uint64_t rate = (uint64_t)1 << 30;
    struct ob_hash digest;
    memset(bytes, 96, sizeof bytes);
    struct ob_spsa_rule rule = {
        .code = {96, 127}, .combine = OB_SPSA_SUM, .rounds_per_rate = 1, .rate_count = 1, .rates = &rate};
    struct ob_spsa_update update = {.live = 1, .n = sizeof bytes, .bytes = bytes};
    if (what == ONE || what == ALL)
        return ob_spsa_apply(&engine, weights, &rule, &update, 1, error);
    if (what == DIGEST)
        return ob_spsa_digest(&engine, weights, &digest, error);
    if (what == RANGE)
        return ob_spsa_weights_overrange(&engine, weights) < 0 ? OB_OK : OB_EFORMAT;
    return ob_spsa_checksum(&engine, weights) == 1 ? OB_EFORMAT : OB_OK;
}

int main(int argc, char **argv) {
    static const char *const NAMES[WORKS] = {"replay_64_one_thread", "replay_64", "digest", "range",
                                             "checksum"};
    static double times[WORKS][REPEATS_MAX];
    int repeats = argc > 1 ? atoi(argv[1]) : 9;
    struct ob_spsa_tensor layout = {.elements = ELEMENTS, .exponent = 24};
    struct ob_spsa_weights *weights = NULL;
    struct ob_pool *pool = NULL;
    struct ob_error error = {0};
    if (repeats < 1 || repeats > REPEATS_MAX)
        return 2;
    enum ob_err failed = ob_pool_new(ob_processors(), &pool, &error);
    if (!failed)
        failed = ob_spsa_weights_new(&layout, 1, &weights, &error);
    for (int i = -1; i < repeats && !failed; i++) /* the first to warm up */
        for (int what = 0; what < WORKS && !failed; what++) {
            double start = now();
            failed = work(what, pool, weights, &error);
            times[what][i < 0 ? 0 : i] = now() - start;
        }
    for (int what = 0; what < WORKS && !failed; what++) {
        qsort(times[what], (size_t)repeats, sizeof(double), by_value);
        printf("%s\"%s_seconds\": %.5f", what ? ", " : "{", NAMES[what], times[what][repeats / 2]);
    }
    if (!failed)
        printf(", \"both_over_one\": %.3f}\n", times[ONE][repeats / 2] / times[ALL][repeats / 2]);
    else
        fprintf(stderr, "costs: %s\n", error.text);
    ob_spsa_weights_free(weights);
    ob_pool_free(pool);
    return failed ? 1 : 0;
}
